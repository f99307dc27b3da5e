// SPDX-License-Identifier: Apache-2.0
import { DEAD, type Dfa, explore } from './dfa.ts';
import { minimise } from './minimise.ts';
import type { Program } from './program.ts';
import { type NfaState, Stepper } from './stepper.ts';
import { WORD } from './classes.ts';

/** Instructions looked at before an expression is given up, however few its states are. */
const MAX_WORK = 30_000_000;

class WorkExceeded extends RangeError {}

/** The minimal automaton of a program, label 1 where it accepts; undefined above `limit` states or too much work. */
export function determinise(program: Program, limit: number): Dfa | undefined {
  try {
    return build(program, limit);
  } catch (error) {
    if (error instanceof WorkExceeded) return undefined;
    throw error;
  }
}

function build(program: Program, limit: number): Dfa | undefined {
  let work = 0;
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
      step: (key, byte) => {
        const state = states[key] as NfaState;
        work += state.waiting.length;
        if (work > MAX_WORK) throw new WorkExceeded('too much work');
        return number(stepper.step(state, byte));
      },
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
