// SPDX-License-Identifier: Apache-2.0
import type { Maps } from './maps.ts';
import type { Native, RingBuffer } from './native.ts';

/** Records of one ring: record i is `bytes.subarray(offsets[i], offsets[i + 1])`. */
export type RingBatch = (bytes: Buffer, offsets: Uint32Array) => void;

export interface RingReaders {
  /** Flows and denials. */
  readonly flows: RingBatch;
  /** Answers of DNS, struct dns_answer each. */
  readonly answers: RingBatch;
}

/** How long a record may wait in its ring while that is nearly empty, ms. */
const DRAIN_INTERVAL_MS = 50;

/**
 * Drains the rings on a timer; the kernel wakes the loop only when one of flows fills up. Answers come last: of each flow that
 * was read those before it have been read, too, when its followers get their turn.
 */
export function readFlows(native: Native, maps: Maps, to: RingReaders, signal: AbortSignal): RingBuffer {
  const rings = [maps.flows, maps.denials, maps.dns_answers];
  const reader = new native.RingBuffer(rings, (index, bytes, offsets) => {
    if (rings[index] === maps.dns_answers) to.answers(bytes, offsets);
    else to.flows(bytes, offsets);
  });
  const timer = setInterval(() => reader.consume(), DRAIN_INTERVAL_MS);
  const stop = (): void => {
    clearInterval(timer);
    reader.close();
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return reader;
}
