// SPDX-License-Identifier: Apache-2.0
import { compile } from '../../core/automaton/compile.ts';
import type { L7Rule } from '../../core/automaton/rules.ts';
import type { PeerIdentity } from '../../core/identity/peer-identity.ts';
import { httpRules } from '../../core/policy/connection-verdict.ts';
import { type Direction, formatRuleRef } from '../../core/policy/rule-ref.ts';
import type { PortRange } from '../../core/policy/verdict.ts';
import type { World } from '../../core/policy/world.ts';
import type { ProxyVerdict } from '../../core/proxy/config.ts';
import type { Workload } from '../../core/workload/workload.ts';
import type { Names } from './names.ts';

export interface RangeContext {
  readonly world: World;
  readonly workload: Workload;
  readonly direction: Direction;
  readonly peer: PeerIdentity;
  readonly range: PortRange;
}

/** The automata of one compilation: equal rule lists share one table. */
export class AutomatonSet {
  readonly #names: Names;
  readonly #byRules = new Map<string, number | undefined>();
  readonly tables: Uint8Array[] = [];
  readonly problems: string[] = [];

  constructor(names: Names) {
    this.#names = names;
  }

  /** A list that does not compile refuses its traffic, and is reported. */
  verdict(context: RangeContext): Pick<ProxyVerdict, 'action' | 'automaton'> {
    const { world, workload, direction, peer, range } = context;
    if (range.verdict !== 'Proxy') return { action: range.verdict === 'Allow' ? 'allow' : 'deny' };
    const rules = httpRules(world, workload, direction, peer, range.from);
    const numbered = rules.map(({ rule, action, matches }) => ({
      rule: this.#names.rule(rule),
      action,
      matches,
    }));
    const subject = rules[0] === undefined ? workload.key : formatRuleRef(rules[0].rule);
    const automaton = this.#automaton(numbered, subject);
    return automaton === undefined ? { action: 'deny' } : { action: 'http', automaton };
  }

  #automaton(rules: readonly L7Rule[], subject: string): number | undefined {
    const key = JSON.stringify(rules);
    if (this.#byRules.has(key)) return this.#byRules.get(key);
    const { bytes, undecidable } = compile(rules);
    const index = undecidable === undefined ? this.tables.push(bytes) - 1 : undefined;
    if (undecidable !== undefined) this.problems.push(`${subject}: ${undecidable}`);
    this.#byRules.set(key, index);
    return index;
  }
}
