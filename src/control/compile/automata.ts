// SPDX-License-Identifier: Apache-2.0
import { type AuditOptions, type Automaton, compile } from '../../core/automaton/compile.ts';
import { tableDigest } from '../../core/automaton/digest.ts';
import type { RuleSet } from '../../core/automaton/rules.ts';
import { httpRulesAt } from '../../core/policy/connection-verdict.ts';
import type { Selection } from '../../core/policy/rule-match.ts';
import type { HttpRule, PortRange } from '../../core/policy/verdict.ts';
import type { Names } from './names.ts';

/** One rule list as those who enforce it take it; `notInline` says why the kernel can't. */
export interface CompiledRules extends Omit<Automaton, 'compileMs'> {
  readonly rules: RuleSet;
  /** Of the table: tableDigest. */
  readonly digest: string;
  /** There if the list holds rules in Audit mode, or nothing of it is enforced. */
  readonly audit: AuditOptions | undefined;
  /** Requests may come over HTTP/2, too. */
  readonly http2: boolean;
}

/** What requests are compared with: equal rule lists share one, for as long as it is in use. */
export class AutomatonSet {
  readonly #names: Names;
  #byRules = new Map<string, CompiledRules>();
  #allowing: Uint8Array | undefined;

  constructor(names: Names) {
    this.#names = names;
  }

  /** Of a range whose requests are decided, or only reported on; undefined: nobody reads them. */
  of(selections: readonly Selection[], range: PortRange): CompiledRules | undefined {
    const { verdict, from, audit } = range;
    if (verdict === 'Deny') return undefined;
    const enforces = verdict === 'Proxy';
    if (audit?.verdict === 'Proxy') {
      const rules = httpRulesAt(selections, from, true);
      // A policy in Audit mode may select the workload and say nothing of this port.
      if (!enforces || rules.some((rule) => rule.audit === true))
        return this.#compiled(rules, { enforces, defaultDeny: this.#names.rule(audit.rules[0]) });
    }
    return enforces ? this.#compiled(httpRulesAt(selections, from, false), undefined) : undefined;
  }

  /** The table that lets every request pass, by no rule: for those who only look. */
  allowing(): Uint8Array {
    this.#allowing ??= compile([], { allowsAll: true }).bytes;
    return this.#allowing;
  }

  /** Forgets all others. */
  retain(used: ReadonlySet<CompiledRules>): void {
    this.#byRules = new Map([...this.#byRules].filter(([, automaton]) => used.has(automaton)));
  }

  #compiled(rules: readonly HttpRule[], audit: AuditOptions | undefined): CompiledRules {
    // Audit changes nothing: only what is enforced says what is spoken.
    const http2 =
      audit?.enforces !== false && rules.some((rule) => rule.http2 === true && rule.audit !== true);
    const numbered = rules.map(({ http2: _, ...rule }) => ({ ...rule, rule: this.#names.rule(rule.rule) }));
    const key = JSON.stringify([numbered, audit, http2]);
    const known = this.#byRules.get(key);
    if (known !== undefined) return known;
    const options = { http2, ...(audit === undefined ? {} : { audit }) };
    const { compileMs: _, ...automaton } = compile(numbered, options);
    const digest = tableDigest(automaton.bytes);
    const compiled = { ...automaton, rules: numbered, digest, audit, http2 };
    this.#byRules.set(key, compiled);
    return compiled;
  }
}
