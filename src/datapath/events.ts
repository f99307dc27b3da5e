// SPDX-License-Identifier: Apache-2.0
import { ring } from '../core/abi/flow.ts';
import type { Maps } from './maps.ts';
import type { Native, RingBuffer } from './native.ts';

/** Records of one ring: record i is `bytes.subarray(offsets[i], offsets[i + 1])`. */
export type FlowBatch = (source: 'flows' | 'denials', bytes: Buffer, offsets: Uint32Array) => void;

/** How long a record may wait in its ring while that is nearly empty, ms. */
const DRAIN_INTERVAL_MS = 50;

/** Drains both rings on a timer; the kernel wakes the loop only when one fills up. */
export function readFlows(native: Native, maps: Maps, onBatch: FlowBatch, signal: AbortSignal): RingBuffer {
  const reader = new native.RingBuffer([maps.flows, maps.denials], (index, bytes, offsets) => {
    onBatch(index === ring.flows ? 'flows' : 'denials', bytes, offsets);
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
