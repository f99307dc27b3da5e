// SPDX-License-Identifier: Apache-2.0
import { digest } from '../../core/identity/digest.ts';
import type { PeerClause, PolicyDirection } from '../../core/policy/rule.ts';
import { ruleKey } from '../../core/policy/rule-ref.ts';

/** Objects are new with every read of a file; their keys are equal where they mean the same. */
export class ContentKeys {
  readonly #keys = new WeakMap<object, string>();

  /** All that verdicts depend on: where the policy is written is no part of it. */
  ofDirection(policy: PolicyDirection): string {
    return this.#of(policy, () => {
      const { api, direction, mode, defaultDeny, rules } = policy;
      const bare = rules.map(({ ref, action, clauses, http, http2 }) => [
        ruleKey(ref),
        action,
        clauses,
        http,
        http2,
      ]);
      return [api, direction, mode, ruleKey(defaultDeny), bare];
    });
  }

  /** Of a list of them, in its order. */
  ofSelection(policies: readonly PolicyDirection[]): string {
    return this.#of(policies, () => policies.map((policy) => this.ofDirection(policy)));
  }

  ofClause(clause: PeerClause): string {
    return this.#of(clause, () => clause);
  }

  #of(object: object, content: () => unknown): string {
    const known = this.#keys.get(object);
    if (known !== undefined) return known;
    const key = digest(JSON.stringify(content(), bigintText));
    this.#keys.set(object, key);
    return key;
  }
}

function bigintText(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value.toString(16)}n` : value;
}
