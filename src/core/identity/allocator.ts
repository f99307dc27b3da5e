// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../lib/errors.ts';
import { digest } from './digest.ts';

/** Numeric names with a fixed meaning, which is Hubble's: its clients print them by name. 0 means unknown in every map. */
export const ReservedIdentity = { Unknown: 0, Node: 1, World: 2, ApiServer: 7 } as const;

/** The first number given to anything that isn't reserved. */
export const FIRST_ALLOCATED = 256;
const LAST = 0xffff_ffff;

export interface AllocatorOptions {
  /** Earlier assignments, for instance read back from pinned maps: number and digest of the key. */
  readonly seed?: Iterable<readonly [number, string]>;
  /** The first number to give out if the seed doesn't reach it; the caller's memory of numbers now unused. */
  readonly next?: number;
  /** Keys with fixed numbers below `FIRST_ALLOCATED`. */
  readonly reserved?: Readonly<Record<string, number>>;
}

/**
 * Gives keys of any sort (identities, CIDR blocks, rules, workloads) node-local 32-bit numbers. Numbers only
 * grow and are never given to another key, so a stale number in a map can't come to mean somebody else.
 */
export class IdentityAllocator {
  readonly #numbers = new Map<string, number>();
  /** The same by the keys themselves, as far as they were asked for: a digest costs more than the rest. */
  readonly #asked = new Map<string, number>();
  #next: number;

  constructor(options: AllocatorOptions = {}) {
    this.#next = Math.max(FIRST_ALLOCATED, options.next ?? 0);
    for (const [key, number] of Object.entries(options.reserved ?? {}))
      this.#numbers.set(digest(key), number);
    for (const [number, hash] of options.seed ?? []) {
      if (number < FIRST_ALLOCATED) continue;
      // Of two numbers for one key the older stays: what is running already uses it.
      const known = this.#numbers.get(hash);
      if (known === undefined || number < known) this.#numbers.set(hash, number);
      this.#next = Math.max(this.#next, number + 1);
    }
  }

  /** The number of the key, a new one if it has none. */
  allocate(key: string): number {
    const known = this.lookup(key);
    if (known !== undefined) return known;
    if (this.#next > LAST) {
      throw new PerigeeError('ERR_IDENTITY_EXHAUSTED', 'all 32-bit numeric identities have been used', {
        object: key,
        hint: 'run `perigee cleanup` and start the agent again: numbering then begins anew',
      });
    }
    const number = this.#next++;
    this.#numbers.set(digest(key), number);
    this.#asked.set(key, number);
    return number;
  }

  /** The number of the key if it has one. */
  lookup(key: string): number | undefined {
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const number = this.#numbers.get(digest(key));
    if (number !== undefined) this.#asked.set(key, number);
    return number;
  }

  /** Forgets all but these keys and the reserved ones. Numbers set free are not given out again. */
  retain(keys: Iterable<string>): void {
    const keep = new Set(Array.from(keys, digest));
    this.#asked.clear();
    for (const [hash, number] of this.#numbers) {
      if (number >= FIRST_ALLOCATED && !keep.has(hash)) this.#numbers.delete(hash);
    }
  }

  /** How many keys have a number, the reserved ones among them. */
  get size(): number {
    return this.#numbers.size;
  }

  /** The next number to be given out: store it beside the assignments. */
  get next(): number {
    return this.#next;
  }

  /** All assignments but the reserved, smallest number first: the seed of a later allocator. */
  assignments(): [number, string][] {
    const pairs = Array.from(this.#numbers, ([hash, number]): [number, string] => [number, hash]);
    return pairs.filter(([number]) => number >= FIRST_ALLOCATED).sort(([a], [b]) => a - b);
  }
}
