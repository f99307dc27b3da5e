// SPDX-License-Identifier: Apache-2.0
import { DEAD, type Dfa } from '../regex/dfa.ts';

/** One step of a lane's predicates, where dead stays dead. */
export function advance(dfa: Dfa, state: number, byte: number): number {
  return state === DEAD ? DEAD : (dfa.next[state * dfa.classes + (dfa.classOf[byte] as number)] as number);
}

export function labelOf(dfa: Dfa, state: number): number {
  return state === DEAD ? 0 : (dfa.label[state] as number);
}

/** No continuation in `possible` bytes changes the label any more: a state with loops only. */
export function isSettled(dfa: Dfa, state: number, possible: Uint8Array): boolean {
  if (state === DEAD) return true;
  for (let byte = 0; byte < 256; byte++)
    if (possible[byte] === 1 && advance(dfa, state, byte) !== state) return false;
  return true;
}

/** Byte classes at least as fine as both. */
export function splitClasses(a: Uint8Array, b: Uint8Array): Uint8Array {
  const split = new Map<number, number>();
  return a.map((k, byte) => {
    const pair = k * 256 + (b[byte] as number);
    const known = split.get(pair) ?? split.size;
    split.set(pair, known);
    return known;
  });
}
