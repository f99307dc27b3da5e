// SPDX-License-Identifier: Apache-2.0
import { Counter, type CounterConfiguration } from 'prom-client';
import { limitSeries, type Sample } from './series-limit.ts';

/** One sample for each set of labels. The names of the labels are the same in all. */
function merged(samples: readonly Sample[]): readonly Sample[] {
  const sums = new Map<string, Sample>();
  for (const sample of samples) {
    const key = Object.values(sample.labels).join('\n');
    const before = sums.get(key);
    sums.set(key, before === undefined ? sample : { ...sample, value: before.value + sample.value });
  }
  return sums.size === samples.length ? samples : [...sums.values()];
}

/** A counter that shows totals of others, whose own series the library would look up one by one. */
export class TotalsCounter extends Counter {
  readonly #shown: { readonly name: string; readonly help: string };
  #samples: readonly Sample[] = [];

  constructor(configuration: CounterConfiguration<string>) {
    super(configuration);
    this.#shown = configuration;
  }

  /** At most `limit` series; the others come as one more. Returns how many those are. */
  show(samples: readonly Sample[], limit: number): number {
    const { kept, overflowed } = limitSeries(merged(samples), limit);
    this.#samples = kept;
    return overflowed;
  }

  /** What the registry asks for; the name is the library's. */
  getForPromString(): Promise<object> {
    const { name, help } = this.#shown;
    return Promise.resolve({ name, help, type: 'counter', aggregator: 'sum', values: this.#samples });
  }
}
