// SPDX-License-Identifier: Apache-2.0
import type { Assembler } from './assembler.ts';
import type { Decision } from './decision.ts';
import { ACTION_BIT, CAN_ALLOW_BIT, FINAL_BIT, Op } from './format.ts';
import { METHOD_REGISTER } from './request-fields.ts';
import type { RequestStates } from './request-table.ts';

/** Method classes from this on share the last bit of a mask. */
const LAST_BIT = 31;

/**
 * Fills the early-refusal masks. Bit m of a path state: with a method of class m, some completion may be allowed.
 * A method state has all bits or none. Everything else keeps all bits: there the decision diagram alone is asked.
 */
export function fillAlive(
  asm: Assembler,
  states: RequestStates,
  decision: Decision,
  counts: readonly number[],
): void {
  const afterMethod = Array.from({ length: counts[METHOD_REGISTER] ?? 0 }, (_, method) =>
    step(decision, decision.root, METHOD_REGISTER, method),
  );
  const methods = [...states.methodStates];
  propagate(asm, methods, (state) =>
    canAllow(decision, afterMethod[asm.accept[state] ?? 0] ?? FINAL_BIT) ? -1 : 0,
  );
  const paths = Array.from({ length: states.pathSize }, (_, index) => states.pathStart + index);
  const register = valueRegister(asm, paths);
  if (register === undefined) return;
  const masks = Array.from({ length: counts[register] ?? 0 }, (_, path) => {
    let mask = 0;
    afterMethod.forEach((word, method) => {
      if (canAllow(decision, step(decision, word, register, path))) mask |= 1 << Math.min(method, LAST_BIT);
    });
    return mask;
  });
  propagate(asm, paths, (state) => {
    let mask = 0;
    for (const entry of targets(asm, state)) {
      const action = entry >= ACTION_BIT ? asm.actions[entry - ACTION_BIT] : undefined;
      if (action?.op === Op.Value) mask |= masks[asm.accept[state] ?? 0] ?? 0;
      if (action?.op === Op.Set) mask |= masks[action.value] ?? 0;
    }
    return mask;
  });
}

function step(decision: Decision, word: number, register: number, value: number): number {
  if (word >= FINAL_BIT || ((decision.words[word] ?? 0) & 255) !== register) return word;
  return decision.words[word + 1 + value] ?? FINAL_BIT;
}

function canAllow(decision: Decision, word: number): boolean {
  if (word >= FINAL_BIT) return decision.verdicts[(word - FINAL_BIT) * 2 + 1] === 1;
  return ((decision.words[word] ?? 0) & CAN_ALLOW_BIT) !== 0;
}

/** The register that these states' ends write, if they write one. */
function valueRegister(asm: Assembler, states: readonly number[]): number | undefined {
  for (const state of states)
    for (const entry of asm.rows[state] ?? []) {
      const action = entry >= ACTION_BIT ? asm.actions[entry - ACTION_BIT] : undefined;
      if (action?.op === Op.Value || action?.op === Op.Set) return action.register;
    }
  return undefined;
}

/** Each state gets what it and every state it reaches within the set begin with. */
function propagate(asm: Assembler, states: readonly number[], initial: (state: number) => number): void {
  const members = new Set(states);
  const sources = new Map<number, number[]>();
  for (const state of states) {
    asm.alive[state] = initial(state) >>> 0;
    for (const target of targets(asm, state)) {
      if (!members.has(target) || target === state) continue;
      const list = sources.get(target);
      if (list === undefined) sources.set(target, [state]);
      else list.push(state);
    }
  }
  const work = [...states];
  for (let target = work.pop(); target !== undefined; target = work.pop()) {
    const mask = asm.alive[target] ?? 0;
    for (const source of sources.get(target) ?? []) {
      const joined = ((asm.alive[source] ?? 0) | mask) >>> 0;
      if (joined === asm.alive[source]) continue;
      asm.alive[source] = joined;
      work.push(source);
    }
  }
}

/** The different entries of a state's row. */
function targets(asm: Assembler, state: number): number[] {
  const found: number[] = [];
  let last = -1;
  for (const entry of asm.rows[state] ?? []) {
    if (entry !== last && !found.includes(entry)) found.push(entry);
    last = entry;
  }
  return found;
}
