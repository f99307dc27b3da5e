// SPDX-License-Identifier: Apache-2.0

/** Milliseconds between the wall clock and what the last offset says, beyond which it counts as stepped. */
const STEP_MS = 2;

export interface Clocks {
  /** CLOCK_MONOTONIC, ns, as the kernel's records carry it. */
  monotonic(): bigint;
  /** Wall clock, ms since 1970, cut to whole milliseconds. */
  wall(): number;
}

export const systemClocks: Clocks = { monotonic: () => process.hrtime.bigint(), wall: () => Date.now() };

/**
 * What to add to a monotonic time to get the wall clock's, in ns. It stays the same while the clocks agree,
 * so that the differences between records remain exact; a step of the wall clock (NTP, a person) moves it.
 */
export class WallClockOffset {
  readonly #clocks: Clocks;
  #offset: bigint;

  constructor(clocks: Clocks = systemClocks) {
    this.#clocks = clocks;
    this.#offset = this.#sample();
    // A sample is late by up to the millisecond that wall() cuts off: the largest is the best.
    for (let round = 0; round < 16; round += 1) this.#raise(this.#sample());
  }

  #sample(): bigint {
    return BigInt(this.#clocks.wall()) * 1_000_000n - this.#clocks.monotonic();
  }

  #raise(sample: bigint): void {
    if (sample > this.#offset) this.#offset = sample;
  }

  current(): bigint {
    const sample = this.#sample();
    const drift = Number(sample - this.#offset) / 1e6;
    if (drift > STEP_MS || drift < -STEP_MS) this.#offset = sample;
    else this.#raise(sample);
    return this.#offset;
  }
}
