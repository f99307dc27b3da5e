// SPDX-License-Identifier: Apache-2.0
import { describePeer } from '../identity/peer-identity.ts';
import { httpRulesAt } from './connection-verdict.ts';
import { decideRequest, requestMismatch } from './http-decision.ts';
import type { PolicyDirection, Rule } from './rule.ts';
import { ruleMismatch, type Selection, type Subject } from './rule-match.ts';
import { accessStance, networkStance, selectionsOfApi, type Stance } from './stance.ts';
import type { PolicyApi, Question, TraceStep } from './verdict.ts';
import type { World } from './world.ts';

/** Every rule that was considered in one direction, with why it did or didn't match, and each API's answer. */
export function traceDirection(
  world: World,
  subject: Subject,
  selections: readonly Selection[],
  question: Question,
): TraceStep[] {
  const steps: TraceStep[] = [];
  for (const api of ['NetworkPolicy', 'AccessPolicy'] as const) {
    const chosen = selectionsOfApi(selections, api, ['Enforce', 'Audit']);
    for (const { policy } of chosen) {
      for (const rule of policy.rules) steps.push(traceRule(world, subject, policy, rule, question));
    }
    steps.push(summary(subject, api, selections, question));
  }
  return steps;
}

function traceRule(
  world: World,
  subject: Subject,
  { api, direction, mode }: PolicyDirection,
  rule: Rule,
  { port, http }: Question,
): TraceStep {
  const { ref, action } = rule;
  const base = { direction, api, subject: subject.workload.key, rule: ref, action, mode };
  const mismatch = ruleMismatch(world, rule, subject, port);
  if (mismatch !== undefined) return { ...base, outcome: 'NotMatched', detail: mismatch };
  const peer = `${describePeer(subject.peer)} on port ${port}/${subject.protocol}`;
  if (rule.http === undefined) return { ...base, outcome: 'Matched', detail: `matches ${peer}` };
  if (http === undefined)
    return { ...base, outcome: 'Request', detail: `matches ${peer}; each request decides` };
  const wrong = requestMismatch({ action, matches: rule.http }, http);
  if (wrong !== undefined) return { ...base, outcome: 'NotMatched', detail: wrong };
  return { ...base, outcome: 'Matched', detail: `matches ${http.method} ${http.path} of ${peer}` };
}

const TEXT: Readonly<Record<Stance['reason'], string>> = {
  AllowedNoPolicy: 'selects nothing in this direction, so it allows everything',
  AllowedByRule: 'allows',
  AllowedSelf: 'allows traffic of a workload to itself',
  AllowedNode: 'allows traffic between a workload and its own node, as Kubernetes does',
  RequestsDecide: 'allows the connection; requests are decided one by one',
  DeniedByRule: 'denies: a rule with action Deny matches',
  DeniedByDefault: 'denies: it governs this direction and no rule allows',
  RequestDeniedByRule: 'denies the request: a rule with action Deny matches',
  RequestDeniedByDefault: 'denies the request: no rule allows it',
};

function summary(
  subject: Subject,
  api: PolicyApi,
  selections: readonly Selection[],
  { port, http }: Question,
): TraceStep {
  const stance =
    api === 'NetworkPolicy'
      ? networkStance(selections, subject, port)
      : accessStance(selections, subject, port);
  const base = { direction: subject.direction, api, subject: subject.workload.key };
  if (stance.verdict !== 'Proxy' || http === undefined) {
    const outcome = stance.verdict === 'Deny' ? 'Denied' : stance.verdict === 'Proxy' ? 'Request' : 'Allowed';
    return { ...base, outcome, detail: `${api} ${TEXT[stance.reason]}` };
  }
  const { verdict, rules, ambiguous } = decideRequest(httpRulesAt(selections, port, false), http);
  if (verdict === 'Allow') return { ...base, outcome: 'Allowed', detail: `${api} allows the request` };
  const reason = rules.length === 0 ? 'RequestDeniedByDefault' : 'RequestDeniedByRule';
  const detail = ambiguous === undefined ? TEXT[reason] : `denies the request before any rule: ${ambiguous}`;
  return { ...base, outcome: 'Denied', detail: `${api} ${detail}` };
}
