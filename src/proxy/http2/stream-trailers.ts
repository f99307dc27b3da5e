// SPDX-License-Identifier: Apache-2.0
import type { Http2Stream, IncomingHttpHeaders } from 'node:http2';
import { foldName, forbiddenTrailers } from '../../core/http/trailers.ts';

/** Node.js would not send it on. */
const UNSENT = 'http2-settings';
const ofResponses = forbiddenTrailers([UNSENT]);

/** Whether policy would not see what a server may go by. @param read header names that policy reads */
export function isRefused(trailers: IncomingHttpHeaders, read: readonly string[]): boolean {
  const forbidden = forbiddenTrailers([UNSENT, ...read]);
  return Object.keys(trailers).some((name) => forbidden.includes(foldName(name)));
}

/** A response's without those that framing or credentials depend on: they may be left out (RFC 9110 6.5.1). */
export function withoutForbidden(trailers: IncomingHttpHeaders): IncomingHttpHeaders {
  const entries = Object.entries(trailers);
  return Object.fromEntries(entries.filter(([name]) => !ofResponses.includes(foldName(name))));
}

/** Into a stream that may have ended since they were asked for. */
export function sendTrailers(stream: Http2Stream, trailers: IncomingHttpHeaders): void {
  if (!stream.closed && !stream.destroyed) stream.sendTrailers(trailers);
}
