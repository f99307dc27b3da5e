// SPDX-License-Identifier: Apache-2.0
import type { LossSource } from '../core/flow-filter.ts';

export interface Loss {
  readonly source: LossSource;
  readonly count: number;
  /** Wall clock, ns. */
  readonly time: bigint;
}

/** How many losses are remembered one by one; older ones are in the totals only. */
const REMEMBERED = 1024;

/** One sum per source, with the time of the last. */
function summed(losses: readonly Loss[]): readonly Loss[] {
  const sums = new Map<LossSource, Loss>();
  for (const loss of losses) {
    sums.set(loss.source, { ...loss, count: loss.count + (sums.get(loss.source)?.count ?? 0) });
  }
  return [...sums.values()];
}

/** What got lost on its way, in total and as a short history for those who ask. */
export class LossLog {
  readonly #totals: Record<LossSource, number> = { flows: 0, denials: 0, proxy: 0, store: 0 };
  readonly #recent: Loss[] = [];
  /** Losses ever noted. */
  #noted = 0;

  add(source: LossSource, count: number, time: bigint): void {
    this.#totals[source] += count;
    this.#recent.push({ source, count, time });
    this.#noted += 1;
    if (this.#recent.length > REMEMBERED) this.#recent.shift();
  }

  totals(): Readonly<Record<LossSource, number>> {
    return { ...this.#totals };
  }

  /** Where a reader that wants only what comes starts. */
  get end(): number {
    return this.#noted;
  }

  /** Losses noted from `mark` on, one sum per source. */
  since(mark: number): readonly Loss[] {
    return summed(this.#recent.slice(Math.max(0, this.#recent.length - (this.#noted - mark))));
  }

  /** Remembered losses from `from` to `until`, one sum per source. */
  between(from: bigint, until: bigint | undefined): readonly Loss[] {
    return summed(this.#recent.filter(({ time }) => time >= from && (until === undefined || time <= until)));
  }
}
