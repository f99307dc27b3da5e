// SPDX-License-Identifier: Apache-2.0
import { compile } from '../../core/automaton/compile.ts';
import type { L7Rule } from '../../core/automaton/rules.ts';
import { httpRulesAt } from '../../core/policy/connection-verdict.ts';
import type { Selection } from '../../core/policy/rule-match.ts';
import { formatRuleRef } from '../../core/policy/rule-ref.ts';
import type { PortRange } from '../../core/policy/verdict.ts';
import type { Names } from './names.ts';

/** What requests are decided by: equal rule lists share one, for as long as it is in use. */
export interface Automaton {
  /** Undefined: the list does not compile, its traffic is refused. */
  readonly bytes?: Uint8Array;
  /** Why not, in words. */
  readonly problem?: string;
}

/** The automata of a series of compilations. */
export class AutomatonSet {
  readonly #names: Names;
  #byRules = new Map<string, Automaton>();

  constructor(names: Names) {
    this.#names = names;
  }

  /** Of a range that requests decide. */
  of(selections: readonly Selection[], range: PortRange): Automaton {
    const rules = httpRulesAt(selections, range.from, false);
    const numbered = rules.map(({ rule, action, matches }) => ({
      rule: this.#names.rule(rule),
      action,
      matches,
    }));
    const key = JSON.stringify(numbered);
    const known = this.#byRules.get(key);
    if (known !== undefined) return known;
    const automaton = build(numbered, rules[0] === undefined ? 'no rule' : formatRuleRef(rules[0].rule));
    this.#byRules.set(key, automaton);
    return automaton;
  }

  /** Forgets all others. */
  retain(used: ReadonlySet<Automaton>): void {
    this.#byRules = new Map([...this.#byRules].filter(([, automaton]) => used.has(automaton)));
  }
}

function build(rules: readonly L7Rule[], subject: string): Automaton {
  const { bytes, undecidable } = compile(rules);
  return undecidable === undefined ? { bytes } : { problem: `${subject}: ${undecidable}` };
}
