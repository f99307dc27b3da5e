// SPDX-License-Identifier: Apache-2.0
import type { DecisionReason } from './decision-reason.ts';
import type { Rule } from './rule.ts';
import { defaultDenies, rulesAt, type Selection, type Subject } from './rule-match.ts';
import type { RuleRef } from './rule-ref.ts';
import type { ConnectionVerdict, PolicyApi } from './verdict.ts';

/** What policy says of a connection before any request is seen. */
export interface Stance {
  readonly verdict: ConnectionVerdict;
  readonly reason: DecisionReason;
  /** All that decided alike, the first in canonical order first; empty without policy and on `Proxy`. */
  readonly rules: readonly RuleRef[];
}

const NO_POLICY: Stance = { verdict: 'Allow', reason: 'AllowedNoPolicy', rules: [] };

/**
 * One API's answer: what nothing selects is allowed; else a Deny wins, and something must allow. Where every
 * request would be allowed anyway, requests needn't be looked at.
 */
export function apiStance(selections: readonly Selection[], port: number): Stance {
  if (selections.length === 0) return NO_POLICY;
  const rules = rulesAt(selections, port);
  const refs = (list: readonly Rule[]) => list.map(({ ref }) => ref);
  const denies = rules.filter(({ action }) => action === 'Deny');
  const allows = rules.filter(({ action }) => action === 'Allow');
  const outright = denies.filter(({ http }) => http === undefined);
  if (outright.length > 0) return { verdict: 'Deny', reason: 'DeniedByRule', rules: refs(outright) };
  if (allows.length === 0)
    return { verdict: 'Deny', reason: 'DeniedByDefault', rules: defaultDenies(selections) };
  const all = allows.filter(({ http }) => http === undefined);
  if (all.length > 0 && denies.length === 0)
    return { verdict: 'Allow', reason: 'AllowedByRule', rules: refs(all) };
  return { verdict: 'Proxy', reason: 'RequestsDecide', rules: [] };
}

export function selectionsOfApi(
  selections: readonly Selection[],
  api: PolicyApi,
  modes: readonly ('Enforce' | 'Audit')[],
): Selection[] {
  return selections.filter(({ policy }) => policy.api === api && modes.includes(policy.mode));
}

/** NetworkPolicy's answer. Kubernetes always allows traffic between a pod and its own node. */
export function networkStance(selections: readonly Selection[], subject: Subject, port: number): Stance {
  const stance = apiStance(selectionsOfApi(selections, 'NetworkPolicy', ['Enforce']), port);
  const exempt = stance.verdict === 'Deny' && subject.peer.isOwnNode;
  return exempt ? { verdict: 'Allow', reason: 'AllowedNode', rules: [] } : stance;
}

/**
 * AccessPolicy's answer; with `audit`, as if policies in Audit mode were enforced too. Its own node may probe a workload,
 * or nobody could select one without breaking it; but a Deny that means the node wins.
 */
export function accessStance(
  selections: readonly Selection[],
  subject: Subject,
  port: number,
  audit = false,
): Stance {
  const modes = audit ? (['Enforce', 'Audit'] as const) : (['Enforce'] as const);
  const stance = apiStance(selectionsOfApi(selections, 'AccessPolicy', modes), port);
  const decidedByName = stance.verdict === 'Allow' || stance.reason === 'DeniedByRule';
  if (decidedByName || !probedPorts(subject).includes(port)) return stance;
  return { verdict: 'Allow', reason: 'AllowedNode', rules: [] };
}

/** Ports of the subject that the peer may probe. */
export function probedPorts({ workload, direction, peer, protocol }: Subject): readonly number[] {
  return peer.isOwnNode && direction === 'ingress' && protocol === 'TCP' ? workload.probes : [];
}

/** Each API must allow; neither widens the other. */
export function combine(network: Stance, access: Stance): Stance {
  if (network.verdict === 'Deny') return network;
  if (access.verdict !== 'Allow' || access.rules.length > 0) return access;
  return network;
}

/** The answer of the enforced policies of both APIs. */
export function stanceAt(selections: readonly Selection[], subject: Subject, port: number): Stance {
  return combine(networkStance(selections, subject, port), accessStance(selections, subject, port));
}

/** The rules in Audit mode behind a refusal: the Deny rules, or every policy that selects and doesn't allow. */
export function auditRefs(selections: readonly Selection[], rules: readonly RuleRef[]): RuleRef[] {
  const audited = new Set<RuleRef>();
  for (const { policy } of selections) {
    if (policy.mode !== 'Audit') continue;
    audited.add(policy.defaultDeny);
    for (const { ref } of policy.rules) audited.add(ref);
  }
  return rules.filter((ref) => audited.has(ref));
}
