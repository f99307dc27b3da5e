// SPDX-License-Identifier: Apache-2.0

/** Middle value; of an even number, the mean of the two in the middle. NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A ratio over interleaved pairs: its median and its range. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** @param pairs measured value and the reference of the same round */
export function ratioOf(pairs: readonly (readonly [number, number])[]): Ratio | undefined {
  const ratios = pairs
    .filter(([, reference]) => reference > 0)
    .map(([value, reference]) => value / reference);
  if (ratios.length === 0) return undefined;
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

/** Rounds to significant digits, so that the results don't claim more than was measured. */
export function significant(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}

/** The smallest value that so large a part of all values does not exceed. NaN of nothing. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}
