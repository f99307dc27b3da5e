// SPDX-License-Identifier: Apache-2.0
import { DEAD, type Dfa, explore } from '../regex/dfa.ts';
import { IntTuples } from './int-tuples.ts';
import { splitClasses } from './lane-steps.ts';

/** An automaton over one field's decoded value whose labels stand for sets of predicates of that field. */
export interface Component {
  readonly dfa: Dfa;
  /** Predicates that hold when the value ends in a state with this label. Label 0 is no predicate. */
  readonly meaning: readonly (readonly number[])[];
}

/** What the compiler can not put into a table: the rules are evaluated directly instead. */
export class Undecidable extends Error {}

/** Interns predicate sets, so that equal sets get equal labels. The empty set is 0. */
export class PredicateSets {
  readonly sets: (readonly number[])[] = [[]];
  readonly #numbers = new Map<string, number>([['', 0]]);

  intern(predicates: Iterable<number>): number {
    const sorted = [...new Set(predicates)].sort((a, b) => a - b);
    const key = sorted.join(',');
    let known = this.#numbers.get(key);
    if (known === undefined) {
      known = this.sets.push(sorted) - 1;
      this.#numbers.set(key, known);
    }
    return known;
  }
}

/** The automaton that runs all components at once; undefined above `limit` states. */
export function unite(components: readonly Component[], limit: number): Component | undefined {
  const [only] = components;
  if (components.length === 1 && only !== undefined) return only;
  const sets = new PredicateSets();
  if (only === undefined) return { dfa: nothing(), meaning: sets.sets };
  const tuples = new IntTuples();
  const scratch = new Int32Array(components.length * 2);
  const start = tuples.intern(Int32Array.from(components.flatMap((_, index) => [index, 0])));
  const dfa = explore(
    {
      start,
      classOf: components.map(({ dfa: part }) => part.classOf).reduce(splitClasses),
      step: (key, byte) => {
        const tuple = tuples.get(key);
        let used = 0;
        for (let i = 0; i < tuple.length; i += 2) {
          const index = tuple[i] as number;
          const { dfa: part } = components[index] as Component;
          const to = part.next[
            (tuple[i + 1] as number) * part.classes + (part.classOf[byte] as number)
          ] as number;
          if (to === DEAD) continue;
          scratch[used++] = index;
          scratch[used++] = to;
        }
        return used === 0 ? DEAD : tuples.intern(scratch.subarray(0, used));
      },
      label: (key) => {
        const tuple = tuples.get(key);
        const held: number[] = [];
        for (let i = 0; i < tuple.length; i += 2) {
          const { dfa: part, meaning } = components[tuple[i] as number] as Component;
          held.push(...(meaning[part.label[tuple[i + 1] as number] as number] ?? []));
        }
        return sets.intern(held);
      },
    },
    limit,
  );
  return dfa === undefined ? undefined : { dfa, meaning: sets.sets };
}

function nothing(): Dfa {
  return {
    size: 1,
    classes: 1,
    classOf: new Uint8Array(256),
    next: Int32Array.of(DEAD),
    label: Int32Array.of(0),
  };
}
