// SPDX-License-Identifier: Apache-2.0

const SECONDS = 60;

/** Counts events of the last minute, second by second. */
export class FlowRate {
  readonly #counts = new Uint32Array(SECONDS);
  readonly #now: () => number;
  #second: number;
  readonly #started: number;

  /** `now`: seconds on a clock that does not step. */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
    this.#second = Math.floor(now());
    this.#started = this.#second;
  }

  #advance(): void {
    const second = Math.floor(this.#now());
    const passed = Math.min(second - this.#second, SECONDS);
    for (let step = 0; step < passed; step += 1) this.#counts[(second - step) % SECONDS] = 0;
    this.#second = second;
  }

  add(count: number): void {
    this.#advance();
    const slot = this.#second % SECONDS;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count;
  }

  perSecond(): number {
    this.#advance();
    const seconds = Math.min(SECONDS, this.#second - this.#started + 1);
    return this.#counts.reduce((sum, count) => sum + count, 0) / seconds;
  }
}
