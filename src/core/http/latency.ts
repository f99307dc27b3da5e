// SPDX-License-Identifier: Apache-2.0

/**
 * Upper bounds of the latency histogram that the kernel keeps of inline requests (bpf/lib/request.h), seconds: 32.768 µs,
 * doubled. One bucket more holds what takes longer.
 */
export const INLINE_LATENCY_BOUNDS: readonly number[] = Array.from(
  { length: 15 },
  (_, bucket) => 2 ** (15 + bucket) / 1e9,
);
