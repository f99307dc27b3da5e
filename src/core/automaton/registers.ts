// SPDX-License-Identifier: Apache-2.0
import type { Dfa } from '../regex/dfa.ts';
import { determinise } from '../regex/determinise.ts';
import { type Component, Undecidable } from './component.ts';
import { packLanes } from './lanes.ts';
import { literalComponent } from './literals.ts';
import type { FieldPlan, Predicate } from './plan.ts';

/** One register: the class of a field's value in one lane. Class 0 is absent, class c > 0 is set c - 1 of `meaning`. */
export interface Register {
  readonly number: number;
  readonly meaning: readonly (readonly number[])[];
  /** Lanes beside the first; the first lane's register only. */
  lanes: number;
  /** State a lane begins in, once placed in the table. */
  start: number;
  readonly repeats: Repeats | undefined;
}

/** Classes of fields that came more than once: the joined sets of Deny predicates that any of them met. */
export interface Repeats {
  readonly firstClass: number;
  readonly sets: readonly (readonly number[])[];
  /** By class: which set a class contributes. */
  readonly kinds: readonly number[];
  /** `joins[a * sets.length + b]`: the set that a and b make. */
  readonly joins: readonly number[];
}

/** A field compiled: its grammar with each lane, and the registers they end up in. */
export interface CompiledField {
  readonly plan: FieldPlan;
  readonly lanes: readonly Dfa[];
  readonly registers: readonly Register[];
}

export interface FieldLimits {
  readonly states: number;
  readonly lanes: number;
}

/** More joined sets than this for one repeated field are too many. */
const MAX_JOINED = 64;

/** Compiles a field's predicates; `lift` adds the field's grammar and encoding around a lane. */
export function compileField(
  plan: FieldPlan,
  predicates: readonly Predicate[],
  firstRegister: number,
  lift: (lane: Component, index: number) => Dfa,
  limits: FieldLimits,
): CompiledField {
  const lanes = packLanes(components(predicates, limits.states), limits.states);
  if (lanes.length > limits.lanes)
    throw new Undecidable(`${plan.kind} ${plan.name} needs ${lanes.length} lanes`);
  const repeatable = plan.kind === 'query' || plan.kind === 'header';
  const registers = lanes.map(({ meaning }, index) => ({
    number: firstRegister + index,
    meaning,
    lanes: index === 0 ? lanes.length - 1 : 0,
    start: 0,
    repeats: repeatable ? repeats(meaning, predicates) : undefined,
  }));
  return { plan, lanes: lanes.map(lift), registers };
}

function components(predicates: readonly Predicate[], states: number): readonly Component[] {
  const literals = predicates.flatMap((predicate, number) =>
    predicate.literals.map((literal) => ({ ...literal, predicate: number })),
  );
  const found: Component[] = literals.length === 0 ? [] : [literalComponent(literals)];
  for (const [number, { regex }] of predicates.entries()) {
    if (regex === undefined) continue;
    const dfa = determinise(regex.program, states);
    if (dfa === undefined)
      throw new Undecidable(
        `the expression ${regex.pattern} has more than ${states} states, or takes too long to find them`,
      );
    found.push({ dfa, meaning: [[], [number]] });
  }
  return found;
}

function repeats(meaning: readonly (readonly number[])[], predicates: readonly Predicate[]): Repeats {
  const sets: number[][] = [];
  const numbers = new Map<string, number>();
  const intern = (set: readonly number[]): number => {
    const sorted = [...new Set(set)].sort((a, b) => a - b);
    const key = sorted.join(',');
    let known = numbers.get(key);
    if (known === undefined) {
      if (sets.length >= MAX_JOINED)
        throw new Undecidable('too many combinations of Deny conditions on one field');
      known = sets.push(sorted) - 1;
      numbers.set(key, known);
    }
    return known;
  };
  const singles = meaning.map((set) => intern(set.filter((number) => predicates[number]?.deny === true)));
  for (let a = 0; a < sets.length; a++)
    for (let b = 0; b <= a; b++) intern([...(sets[a] as number[]), ...(sets[b] as number[])]);
  const joins = sets.flatMap((a) => sets.map((b) => intern([...a, ...b])));
  const firstClass = meaning.length + 1;
  return { firstClass, sets, kinds: [0, ...singles, ...sets.keys()], joins };
}

/** Number of classes a register can hold. */
export function classCount({ meaning, repeats }: Register): number {
  return meaning.length + 1 + (repeats?.sets.length ?? 0);
}

/** By predicate: the register of its lane and the classes it holds in, ascending. */
export function predicateClasses(
  field: CompiledField,
): Map<number, { register: Register; classes: number[] }> {
  const found = new Map<number, { register: Register; classes: number[] }>();
  for (const register of field.registers) {
    const { meaning, repeats } = register;
    [[], ...meaning, ...(repeats?.sets ?? [])].forEach((set, value) => {
      for (const predicate of set) {
        const entry = found.get(predicate) ?? { register, classes: [] };
        entry.classes.push(value);
        found.set(predicate, entry);
      }
    });
  }
  return found;
}
