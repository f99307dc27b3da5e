// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { Datapath } from '../datapath/datapath.ts';
import type { SweepRound } from '../datapath/sweep.ts';
import { RepeatFilter, warnRepeated } from './log.ts';

/** Between the two rounds of a sweep: the RST of a closed end has long arrived at the other, ms. */
const REST_MS = 200;

export interface SweepsOptions {
  readonly datapath: Pick<Datapath, 'sweep'>;
  readonly log: Logger;
  /** A round failed that nobody waits for. */
  readonly onFailed: () => void;
}

/** When open connections that policy forbids are closed. A round that fails stays due. */
export class Sweeps {
  readonly #options: SweepsOptions;
  readonly #repeats = new RepeatFilter();
  #owesFirst = false;
  /** When the second round of the last sweep is due, by `performance.now()`. */
  #restAt: number | undefined;
  #failure: Error | undefined;

  constructor(options: SweepsOptions) {
    this.#options = options;
  }

  /** Why connections that policy forbids may still be open; undefined: the last round went well. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Leaves the first round to the next look, one for all changes until then. */
  owe(): void {
    this.#owesFirst = true;
  }

  /** The first round, at once. Only after the maps: what is closed must not come back under the old policy. */
  first(): void {
    this.#owesFirst = true;
    this.#run('first');
    this.#owesFirst = false;
    // Changes that come one upon the other don't put it off.
    this.#restAt ??= performance.now() + REST_MS;
  }

  /**
   * Does what is due, one round at most. Whether open connections are as the maps want them.
   * @param isInForce the maps hold one state as a whole; else the second round, which lets go of what the state in
   * force doesn't need, waits
   */
  look(isInForce: boolean): boolean {
    try {
      if (isInForce && this.#restAt !== undefined && performance.now() >= this.#restAt) {
        this.#run('rest');
        // It looks at all that a first round does: what is owed since has had its first, and has its second to come.
        this.#restAt = this.#owesFirst ? performance.now() + REST_MS : undefined;
        this.#owesFirst = false;
        return true; // both ends were judged by the maps as they are
      }
      if (this.#owesFirst) this.first();
      return isInForce && this.#restAt === undefined;
    } catch (error) {
      const { log, onFailed } = this.#options;
      warnRepeated(log, this.#repeats, 'walk', 'could not look at open connections; tried again', error);
      onFailed();
      return false;
    }
  }

  #run(round: SweepRound): void {
    const { datapath, log } = this.#options;
    try {
      const { closed, failed } = datapath.sweep(round);
      this.#failure = undefined;
      const [problem] = failed;
      if (problem !== undefined)
        warnRepeated(log, this.#repeats, problem, 'a connection that policy forbids now could not be closed');
      if (closed > 0) log.info({ closed }, 'closed connections that policy forbids now');
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}
