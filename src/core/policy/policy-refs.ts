// SPDX-License-Identifier: Apache-2.0
import type { ResourceOfKind } from '../resources/kinds.ts';
import { DEFAULT_DENY_INDEX, type Direction, type PolicyKind, type RuleRef } from './rule-ref.ts';

/** Makes the references to one policy's rules, with their lines where the policy was read from text. */
export class PolicyRefs {
  readonly #resource: ResourceOfKind<PolicyKind>;

  constructor(resource: ResourceOfKind<PolicyKind>) {
    this.#resource = resource;
  }

  rule(direction: Direction, index: number, ruleName?: string): RuleRef {
    const line = this.#resource.origin?.directions[direction]?.rules[index];
    return this.#ref(direction, index, ruleName, line);
  }

  /** Where the policy has no key for the direction (policyTypes alone isolates) the line is the policy's. */
  defaultDeny(direction: Direction): RuleRef {
    return this.#ref(
      direction,
      DEFAULT_DENY_INDEX,
      undefined,
      this.#resource.origin?.directions[direction]?.line,
    );
  }

  #ref(direction: Direction, index: number, ruleName: string | undefined, line: number | undefined): RuleRef {
    const { kind, metadata, origin } = this.#resource;
    return {
      kind,
      namespace: 'namespace' in metadata ? metadata.namespace : '',
      name: metadata.name,
      direction,
      index,
      ...(ruleName === undefined ? {} : { ruleName }),
      ...(origin === undefined ? {} : { file: origin.file, line: line ?? origin.line }),
    };
  }
}
