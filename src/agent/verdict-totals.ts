// SPDX-License-Identifier: Apache-2.0
import type { Names } from '../control/compile/names.ts';
import type { RuleRef } from '../core/policy/rule-ref.ts';
import type { DesiredTable } from '../core/state/desired.ts';
import { type VerdictCount, readVerdicts, removeVerdicts } from '../datapath/counters.ts';
import type { Maps } from '../datapath/maps.ts';

/** Connection verdicts of the kernel under one policy. */
export interface VerdictTotal extends Pick<VerdictCount, 'direction' | 'verdict' | 'count'> {
  readonly policy: string;
}

/**
 * The kernel counts by rule, people by policy. Counters of rules that are not in force any more leave the map,
 * which else would fill up; what they had is kept for as long as their policy has others, so that its sum does
 * not fall.
 */
export class VerdictTotals {
  readonly #maps: Maps;
  readonly #names: Names;
  readonly #kept = new Map<string, VerdictTotal>();
  /** Of the last state: lists of rows that stay as they are stay the same. */
  #lists: ReadonlySet<DesiredTable['rows']> = new Set();

  constructor(maps: Maps, names: Names) {
    this.#maps = maps;
    this.#names = names;
  }

  /** To be called with each state that has come into force. */
  prune(policy: readonly DesiredTable[]): void {
    const lists = new Set(policy.map(({ rows }) => rows));
    if (lists.size === this.#lists.size && [...lists].every((list) => this.#lists.has(list))) return;
    const rules = new Set(policy.flatMap(({ rows }) => rows.map(({ rule }) => rule))).add(0);
    const stale = readVerdicts(this.#maps).filter(({ rule }) => !rules.has(rule));
    removeVerdicts(this.#maps, stale);
    const policies = new Set([...rules].map((rule) => this.#policyOf(rule)));
    for (const count of stale) add(this.#kept, this.#totalOf(count));
    for (const [key, total] of this.#kept) if (!policies.has(total.policy)) this.#kept.delete(key);
    this.#lists = lists;
  }

  read(): readonly VerdictTotal[] {
    const totals = new Map(this.#kept);
    for (const count of readVerdicts(this.#maps)) add(totals, this.#totalOf(count));
    return [...totals.values()];
  }

  #totalOf({ rule, direction, verdict, count }: VerdictCount): VerdictTotal {
    return { policy: this.#policyOf(rule), direction, verdict, count };
  }

  #policyOf(rule: number): string {
    return policyName(this.#names.ruleOf(rule));
  }
}

function add(totals: Map<string, VerdictTotal>, total: VerdictTotal): void {
  const key = [total.policy, total.direction, total.verdict].join(' ');
  const known = totals.get(key);
  totals.set(key, known === undefined ? total : { ...known, count: known.count + total.count });
}

/** `namespace/name`; a cluster-wide policy has no namespace; `none` where no policy selects. */
export function policyName(ref: RuleRef | undefined): string {
  if (ref === undefined) return 'none';
  return ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`;
}
