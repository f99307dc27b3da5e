// SPDX-License-Identifier: Apache-2.0
import type { Dfa } from '../regex/dfa.ts';
import { advance } from './lane-steps.ts';

/**
 * Where a percent-escape leads, as soon as that is certain: most states go to one state whatever is encoded, and
 * need not be remembered while the escape is read.
 */
export class EscapeTargets {
  readonly #dfa: Dfa;
  readonly #encodable: Uint8Array;
  readonly #known = new Map<number, number | undefined>();

  constructor(dfa: Dfa, encodable: Uint8Array) {
    this.#dfa = dfa;
    this.#encodable = encodable;
  }

  /** The state after any escape, if it is the same for all. */
  any(state: number): number | undefined {
    return this.#target(state, 0, 256, state * 17 + 16);
  }

  /** The state after an escape whose first digit is `high`, if it is the same for all. */
  withHigh(state: number, high: number): number | undefined {
    return this.#target(state, high * 16, high * 16 + 16, state * 17 + high);
  }

  #target(state: number, from: number, to: number, key: number): number | undefined {
    if (this.#known.has(key)) return this.#known.get(key);
    let only: number | undefined;
    let several = false;
    for (let byte = from; byte < to && !several; byte++) {
      if (this.#encodable[byte] !== 1) continue;
      const target = advance(this.#dfa, state, byte);
      several = only !== undefined && only !== target;
      only = target;
    }
    const found = several ? undefined : (only ?? state);
    this.#known.set(key, found);
    return found;
  }
}
