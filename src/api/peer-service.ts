// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import type { ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ApiOptions } from './ports.ts';
import { serveStream } from './stream.ts';

interface ChangeNotification {
  readonly name: string;
  readonly address: string;
  readonly type: 'PEER_ADDED';
}

/** Hubble's Peer: whoever asks learns of this node, and hears nothing more while it lasts. */
export function peerService(options: ApiOptions, closing: AbortSignal): UntypedServiceImplementation {
  const { node, socketPath, log } = options;
  async function* peers(_: object, signal: AbortSignal): AsyncGenerator<ChangeNotification, void, undefined> {
    yield { name: node, address: `unix://${socketPath}`, type: 'PEER_ADDED' };
    if (!signal.aborted) await once(signal, 'abort');
  }
  return {
    Notify: (call: ServerWritableStream<object, ChangeNotification>): void =>
      serveStream(call, peers, { closing, log }),
  };
}
