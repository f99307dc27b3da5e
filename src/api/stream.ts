// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { PerigeeError } from '../lib/errors.ts';
import type { ApiLog } from './ports.ts';
import { toServiceError } from './status-codes.ts';

/**
 * Answers a call with what `answer` yields, at the pace of its client: a slow one holds up its own walk only. The
 * signal that it gets aborts when the client has gone or the server closes.
 */
export function serveStream<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  answer: (request: Request, signal: AbortSignal) => AsyncIterable<Response>,
  { closing, log }: { readonly closing: AbortSignal; readonly log: ApiLog },
): void {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  call.on('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  const run = async (): Promise<void> => {
    try {
      for await (const response of answer(call.request, signal)) {
        if (signal.aborted) break;
        if (!call.write(response)) await once(call, 'drain', { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    call.end();
  };
  run().catch((error: unknown) => {
    if (!(error instanceof PerigeeError)) log.warn({ err: error }, 'a stream of the flow API failed');
    call.emit('error', toServiceError(error));
  });
}
