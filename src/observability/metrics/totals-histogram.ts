// SPDX-License-Identifier: Apache-2.0
import { Histogram, type HistogramConfiguration } from 'prom-client';
import { OVERFLOW_VALUE } from './series-limit.ts';

/** One series of a histogram that is kept elsewhere. */
export interface HistogramTotals {
  readonly labels: Readonly<Record<string, string>>;
  readonly count: number;
  readonly seconds: number;
  /** Not cumulative; the last has no upper bound. */
  readonly buckets: readonly number[];
}

interface Shown {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A histogram that shows totals of others: the library's can only observe values one by one. */
export class TotalsHistogram extends Histogram {
  readonly #shown: Omit<HistogramConfiguration<string>, 'registers'> & { readonly buckets: number[] };
  #totals: readonly HistogramTotals[] = [];

  constructor(configuration: HistogramConfiguration<string> & { readonly buckets: number[] }) {
    super(configuration);
    this.#shown = configuration;
  }

  /** At most `limit` series; the others come as one more. Returns how many those are. */
  show(totals: readonly HistogramTotals[], limit: number): number {
    const rest = totals.slice(limit);
    this.#totals = rest.length === 0 ? totals : [...totals.slice(0, limit), overflow(rest)];
    return rest.length;
  }

  /** What the registry asks for; the name is the library's. */
  getForPromString(): Promise<object> {
    const { name, help } = this.#shown;
    const values = this.#totals.flatMap((series) => this.#samples(series));
    return Promise.resolve({ name, help, type: 'histogram', aggregator: 'sum', values });
  }

  #samples({ labels, count, seconds, buckets }: HistogramTotals): Shown[] {
    const { name } = this.#shown;
    let seen = 0;
    const bounded = [...this.#shown.buckets, '+Inf'].map((le, index) => {
      seen += buckets[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: seen };
    });
    return [
      ...bounded,
      { metricName: `${name}_sum`, labels, value: seconds },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

function overflow(rest: readonly HistogramTotals[]): HistogramTotals {
  const names = Object.keys(rest[0]?.labels ?? {});
  const buckets = rest[0]?.buckets ?? [];
  return {
    labels: Object.fromEntries(names.map((name) => [name, OVERFLOW_VALUE])),
    count: rest.reduce((sum, { count }) => sum + count, 0),
    seconds: rest.reduce((sum, { seconds }) => sum + seconds, 0),
    buckets: buckets.map((_, index) => rest.reduce((sum, row) => sum + (row.buckets[index] ?? 0), 0)),
  };
}
