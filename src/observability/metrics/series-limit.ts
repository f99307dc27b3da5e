// SPDX-License-Identifier: Apache-2.0

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Label value of what does not fit. */
export const OVERFLOW_VALUE = 'overflow';

/** At most `limit` series: the sum of the others comes as one more, all of whose labels say `overflow`. */
export function limitSeries(
  samples: readonly Sample[],
  limit: number,
): { readonly kept: readonly Sample[]; readonly overflowed: number } {
  if (samples.length <= limit) return { kept: samples, overflowed: 0 };
  const rest = samples.slice(limit);
  const names = Object.keys(rest[0]?.labels ?? {});
  const overflow = {
    labels: Object.fromEntries(names.map((name) => [name, OVERFLOW_VALUE])),
    value: rest.reduce((sum, { value }) => sum + value, 0),
  };
  return { kept: [...samples.slice(0, limit), overflow], overflowed: rest.length };
}
