// SPDX-License-Identifier: Apache-2.0
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { RawHeaders } from './request-text.ts';
import type { ServerUser } from './server-session.ts';

/** A stream that a client has opened, as its session reports it. */
export interface ClientStream {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly flags: number;
  readonly raw: RawHeaders;
}

/** The connection that a stream is on. */
export interface StreamHost {
  /** Runs an event of Node's; a fault ends the connection. */
  guarded(action: () => void): void;
  /** Sees to a session with the server. */
  openServer(user: ServerUser): void;
  /** Nothing of it waits for the client any more. */
  streamGone(stream: ServerUser): void;
}
