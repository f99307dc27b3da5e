// SPDX-License-Identifier: Apache-2.0
import { type Dfa, joinClasses } from './dfa.ts';

/**
 * Hopcroft's algorithm: the smallest automaton with the same labels and exits. Each distinct exit takes part as a
 * state of its own, so that states leaving by different exits are kept apart.
 */
export function minimise(dfa: Dfa): Dfa {
  const { size, classes, next, label } = dfa;
  const exits = [...new Set(next.filter((target) => target < 0))];
  const exitState = new Map(exits.map((exit, index) => [exit, size + index]));
  const total = size + exits.length;
  const target = (state: number, k: number): number => {
    const to = next[state * classes + k] as number;
    return to >= 0 ? to : (exitState.get(to) as number);
  };
  const { heads, sources } = inverse(size, total, classes, target);
  const partition = new Partition(total, (state) => (state < size ? (label[state] as number) : -1 - state));
  const work: number[] = [];
  const queued = new Uint8Array(total);
  for (let block = 0; block < partition.blocks; block++) {
    work.push(block);
    queued[block] = 1;
  }
  for (let block = work.pop(); block !== undefined; block = work.pop()) {
    queued[block] = 0;
    const members = partition.members(block);
    for (let k = 0; k < classes; k++) {
      for (const member of members) {
        const from = heads[member * classes + k] as number;
        const to = heads[member * classes + k + 1] as number;
        for (let i = from; i < to; i++) partition.mark(sources[i] as number);
      }
      partition.split((old, fresh) => {
        const smaller = partition.sizeOf(fresh) <= partition.sizeOf(old) ? fresh : old;
        const add = queued[old] === 1 ? fresh : smaller;
        if (queued[add] === 0) work.push(add);
        queued[add] = 1;
      });
    }
  }
  return quotient(dfa, partition);
}

/** Predecessors of each (state, class), in compressed rows. */
function inverse(
  size: number,
  total: number,
  classes: number,
  target: (state: number, k: number) => number,
): { heads: Int32Array; sources: Int32Array } {
  const heads = new Int32Array(total * classes + 1);
  for (let state = 0; state < size; state++)
    for (let k = 0; k < classes; k++) {
      const slot = target(state, k) * classes + k + 1;
      heads[slot] = (heads[slot] as number) + 1;
    }
  for (let slot = 1; slot < heads.length; slot++)
    heads[slot] = (heads[slot] as number) + (heads[slot - 1] as number);
  const fill = heads.slice();
  const sources = new Int32Array(size * classes);
  for (let state = 0; state < size; state++)
    for (let k = 0; k < classes; k++) {
      const slot = target(state, k) * classes + k;
      const at = fill[slot] as number;
      sources[at] = state;
      fill[slot] = at + 1;
    }
  return { heads, sources };
}

/** Blocks of states as slices of one permutation; marked states are gathered at the front of their block. */
class Partition {
  blocks = 0;
  readonly blockOf: Int32Array;
  readonly #order: Int32Array;
  readonly #place: Int32Array;
  readonly #first: number[] = [];
  readonly #end: number[] = [];
  readonly #marked: number[] = [];
  #touched: number[] = [];

  constructor(total: number, key: (state: number) => number) {
    const groups = new Map<number, number[]>();
    for (let state = 0; state < total; state++) {
      const group = groups.get(key(state));
      if (group === undefined) groups.set(key(state), [state]);
      else group.push(state);
    }
    this.blockOf = new Int32Array(total);
    this.#order = new Int32Array(total);
    this.#place = new Int32Array(total);
    let at = 0;
    for (const group of groups.values()) {
      this.#first.push(at);
      for (const state of group) {
        this.blockOf[state] = this.blocks;
        this.#order[at] = state;
        this.#place[state] = at++;
      }
      this.#end.push(at);
      this.#marked.push(0);
      this.blocks++;
    }
  }

  members(block: number): Int32Array {
    return this.#order.slice(this.#first[block], this.#end[block]);
  }

  sizeOf(block: number): number {
    return (this.#end[block] as number) - (this.#first[block] as number);
  }

  mark(state: number): void {
    const block = this.blockOf[state] as number;
    const marked = this.#marked[block] as number;
    const front = (this.#first[block] as number) + marked;
    const place = this.#place[state] as number;
    if (place < front) return;
    if (marked === 0) this.#touched.push(block);
    const other = this.#order[front] as number;
    this.#order[front] = state;
    this.#order[place] = other;
    this.#place[state] = front;
    this.#place[other] = place;
    this.#marked[block] = marked + 1;
  }

  /** Parts marked from unmarked states; tells which block kept its number and which is new. */
  split(done: (old: number, fresh: number) => void): void {
    for (const block of this.#touched) {
      const marked = this.#marked[block] as number;
      this.#marked[block] = 0;
      if (marked === this.sizeOf(block)) continue;
      const first = this.#first[block] as number;
      const fresh = this.blocks++;
      this.#first.push(first);
      this.#end.push(first + marked);
      this.#marked.push(0);
      this.#first[block] = first + marked;
      for (let at = first; at < first + marked; at++) this.blockOf[this.#order[at] as number] = fresh;
      done(block, fresh);
    }
    this.#touched = [];
  }
}

/** One state per block, numbered by first visit so that the start stays 0. */
function quotient(dfa: Dfa, partition: Partition): Dfa {
  const { size, classes, next, label } = dfa;
  const numbers = new Int32Array(partition.blocks).fill(-1);
  const chosen: number[] = [];
  for (let state = 0; state < size; state++) {
    const block = partition.blockOf[state] as number;
    if (numbers[block] === -1) numbers[block] = chosen.push(state) - 1;
  }
  const reduced = new Int32Array(chosen.length * classes);
  chosen.forEach((state, number) => {
    for (let k = 0; k < classes; k++) {
      const to = next[state * classes + k] as number;
      reduced[number * classes + k] = to < 0 ? to : (numbers[partition.blockOf[to] as number] as number);
    }
  });
  const labels = Int32Array.from(chosen, (state) => label[state] as number);
  return joinClasses({ size: chosen.length, classes, classOf: dfa.classOf, next: reduced, label: labels });
}
