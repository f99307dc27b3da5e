// SPDX-License-Identifier: Apache-2.0

export type Direction = 'ingress' | 'egress';
export type PolicyKind = 'NetworkPolicy' | 'AccessPolicy' | 'ClusterAccessPolicy';

/** `RuleRef.index` when no rule decided but the policy's own default deny. */
export const DEFAULT_DENY_INDEX = -1;

/** Names one rule of one policy, and the line of YAML that wrote it. */
export interface RuleRef {
  readonly kind: PolicyKind;
  /** Empty for a cluster-wide policy. */
  readonly namespace: string;
  readonly name: string;
  readonly direction: Direction;
  /** Place in the policy's `ingress` or `egress` list from 0, or `DEFAULT_DENY_INDEX`. */
  readonly index: number;
  readonly ruleName?: string;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

/** Stable text for a rule, without its position in a file: the key of its numeric name. */
export function ruleKey(ref: RuleRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}/${ref.direction}/${ref.index}`;
}

/** What a person reads: `AccessPolicy shop/payments ingress[0] (checkout-may-charge)`. */
export function formatRuleRef(ref: RuleRef): string {
  const policy = ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`;
  const rule = ref.index === DEFAULT_DENY_INDEX ? 'default deny' : `[${ref.index}]`;
  const joint = ref.index === DEFAULT_DENY_INDEX ? ' ' : '';
  const label = ref.ruleName === undefined ? '' : ` (${ref.ruleName})`;
  return `${ref.kind} ${policy} ${ref.direction}${joint}${rule}${label}`;
}
