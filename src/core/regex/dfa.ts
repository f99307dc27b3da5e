// SPDX-License-Identifier: Apache-2.0

/**
 * A deterministic automaton. `next[state * classes + classOf[byte]]` is a state, or negative for leaving it:
 * DEAD, or an exit numbered by whoever built it. `label` says what ending in a state means. State 0 is the start.
 */
export interface Dfa {
  readonly size: number;
  readonly classes: number;
  readonly classOf: Uint8Array;
  readonly next: Int32Array;
  readonly label: Int32Array;
}

export const DEAD = -1;

/** The states reachable from a start, found by stepping them; keys stand for them meanwhile. */
export interface Exploration {
  readonly start: number;
  /** Key reached by a byte, or negative for an exit. */
  step(key: number, byte: number): number;
  label(key: number): number;
  /** Bytes that never differ may share a class; all differ without it. */
  readonly classOf?: Uint8Array;
}

/** Builds the automaton of an exploration; undefined when it has more than `limit` states. */
export function explore(exploration: Exploration, limit: number): Dfa | undefined {
  const classOf = exploration.classOf ?? Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const classes = Math.max(...classOf) + 1;
  const representative = new Uint8Array(classes);
  for (let byte = 255; byte >= 0; byte--) representative[classOf[byte] as number] = byte;
  const numbers = new Map<number, number>([[exploration.start, 0]]);
  const keys = [exploration.start];
  const rows: Int32Array[] = [];
  const numberOf = (key: number): number => {
    let known = key < 0 ? key : numbers.get(key);
    if (known === undefined) {
      known = keys.push(key) - 1;
      numbers.set(key, known);
    }
    return known;
  };
  // The list grows while it is walked.
  for (const key of keys) {
    if (keys.length > limit) return undefined;
    const row = new Int32Array(classes);
    for (let k = 0; k < classes; k++) row[k] = numberOf(exploration.step(key, representative[k] as number));
    rows.push(row);
  }
  const next = new Int32Array(rows.length * classes);
  rows.forEach((row, state) => next.set(row, state * classes));
  const label = Int32Array.from(keys, (key) => exploration.label(key));
  return joinClasses({ size: rows.length, classes, classOf, next, label });
}

/** Joins byte classes whose columns are the same. */
export function joinClasses(dfa: Dfa): Dfa {
  const { size, classes, next } = dfa;
  const groupOf = new Int32Array(classes);
  let groups = 1;
  for (let state = 0; state < size; state++) {
    const split = new Map<string, number>();
    const first = new Int32Array(groups).fill(-1);
    let agree = true;
    for (let k = 0; k < classes && agree; k++) {
      const group = groupOf[k] as number;
      if (first[group] === -1) first[group] = k;
      else agree = next[state * classes + (first[group] as number)] === next[state * classes + k];
    }
    if (agree) continue;
    for (let k = 0; k < classes; k++) {
      const key = `${groupOf[k]}:${next[state * classes + k]}`;
      if (!split.has(key)) split.set(key, split.size);
      groupOf[k] = split.get(key) as number;
    }
    groups = split.size;
  }
  const joined = new Int32Array(size * groups);
  for (let state = 0; state < size; state++)
    for (let k = 0; k < classes; k++)
      joined[state * groups + (groupOf[k] as number)] = next[state * classes + k] as number;
  return { ...dfa, classes: groups, classOf: dfa.classOf.map((k) => groupOf[k] as number), next: joined };
}
