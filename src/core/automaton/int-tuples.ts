// SPDX-License-Identifier: Apache-2.0

/** Interns short integer sequences: equal sequences get equal numbers. */
export class IntTuples {
  readonly #tuples: Int32Array[] = [];
  readonly #buckets = new Map<number, number[]>();

  get(number: number): Int32Array {
    return this.#tuples[number] as Int32Array;
  }

  intern(tuple: Int32Array): number {
    let hash = 0x811c9dc5;
    for (const value of tuple) hash = Math.imul(hash ^ value, 0x01000193);
    const bucket = this.#buckets.get(hash);
    for (const candidate of bucket ?? [])
      if (same(this.#tuples[candidate] as Int32Array, tuple)) return candidate;
    const number = this.#tuples.push(Int32Array.from(tuple)) - 1;
    if (bucket === undefined) this.#buckets.set(hash, [number]);
    else bucket.push(number);
    return number;
  }
}

function same(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
