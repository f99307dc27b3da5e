// SPDX-License-Identifier: Apache-2.0
import { DEAD, type Dfa, explore } from './dfa.ts';
import { minimise } from './minimise.ts';
import type { Program } from './program.ts';
import { type NfaState, Stepper } from './stepper.ts';
import { WORD } from './classes.ts';

/** The minimal automaton of a program, label 1 where it accepts; undefined above `limit` states. */
export function determinise(program: Program, limit: number): Dfa | undefined {
  const stepper = new Stepper(program);
  const states: NfaState[] = [];
  const numbers = new Map<string, number>();
  const number = (state: NfaState): number => {
    if (state.waiting.length === 0) return DEAD;
    const key = `${state.before};${state.waiting.join(',')}`;
    let known = numbers.get(key);
    if (known === undefined) {
      known = states.push(state) - 1;
      numbers.set(key, known);
    }
    return known;
  };
  const start = number(stepper.start());
  const dfa = explore(
    {
      start,
      step: (key, byte) => number(stepper.step(states[key] as NfaState, byte)),
      label: (key) => (stepper.accepts(states[key] as NfaState) ? 1 : 0),
      classOf: byteClasses(program),
    },
    limit,
  );
  return dfa === undefined ? undefined : minimise(dfa);
}

/** Bytes that every set of the program, and its assertions, treat alike. */
function byteClasses(program: Program): Uint8Array {
  const sets = [...program.sets];
  if (program.hasAssertions)
    sets.push(
      WORD,
      Uint8Array.from({ length: 256 }, (_, byte) => (byte === 10 ? 1 : 0)),
    );
  const classOf = new Uint8Array(256);
  let classes = 1;
  for (const set of sets) {
    const split = new Map<number, number>();
    for (let byte = 0; byte < 256; byte++) {
      const key = (classOf[byte] as number) * 2 + (set[byte] as number);
      if (!split.has(key)) split.set(key, split.size);
      classOf[byte] = split.get(key) as number;
    }
    classes = split.size;
    if (classes === 256) break;
  }
  return classOf;
}
