// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../lib/errors.ts';
import { isLoopback, parseAddress } from '../identity/address.ts';
import { createPeerIdentity, type PeerIdentity } from '../identity/peer-identity.ts';
import { governs, type Workload } from '../workload/workload.ts';
import { httpRulesAt } from './connection-verdict.ts';
import type { DecisionReason } from './decision-reason.ts';
import { decideRequest } from './http-decision.ts';
import { peerOfAddress, peerOfWorkload } from './peers.ts';
import { defaultDenies, type Selection, selectionsFor, type Subject } from './rule-match.ts';
import type { RuleRef } from './rule-ref.ts';
import { accessStance, auditRefs, selectionsOfApi, type Stance, stanceAt } from './stance.ts';
import { traceDirection } from './trace.ts';
import type { Decision, Endpoint, Question, TraceStep } from './verdict.ts';
import type { World } from './world.ts';

/** One end of a question, resolved. */
export interface End {
  readonly workload: Workload | undefined;
  readonly peer: PeerIdentity;
}

/** What one direction, or both together, came to. */
interface Outcome {
  readonly verdict: 'Allow' | 'Deny';
  readonly layer: 'L3L4' | 'L7';
  readonly path: 'direct' | 'proxied';
  readonly reason: DecisionReason;
  /** All that decided alike, the one to report first. */
  readonly rules: readonly RuleRef[];
  readonly audit: readonly RuleRef[];
}

/**
 * The definition of policy: may this connection be opened, or this request pass on it, and why. The source's
 * egress and the destination's ingress are both asked, and both must allow.
 */
export function evaluate(world: World, question: Question): Decision {
  const source = resolveEnd(world, question.source);
  const destination = resolveEnd(world, question.destination);
  if (isSelf(world, question, source, destination)) return selfDecision(source.workload?.key ?? '');
  const { protocol } = question;
  const subjects: Subject[] = [];
  const steps: TraceStep[] = [];
  if (source.workload !== undefined) {
    subjects.push({ workload: source.workload, direction: 'egress', peer: destination.peer, protocol });
  }
  if (destination.workload !== undefined) {
    const { workload } = destination;
    if (governs(workload, 'ingress'))
      subjects.push({ workload, direction: 'ingress', peer: source.peer, protocol });
    else steps.push(ungoverned(workload));
  }
  const outcomes: Outcome[] = [];
  for (const subject of subjects) {
    const selections = selectionsFor(world, subject);
    outcomes.push(decideDirection(selections, subject, question));
    steps.push(...traceDirection(world, subject, selections, question));
  }
  const { rules, audit, ...outcome } = joinOutcomes(outcomes);
  const [rule] = rules;
  return { ...outcome, ...(rule === undefined ? {} : { decidingRule: rule }), steps, auditWouldDeny: audit };
}

function decideDirection(
  selections: readonly Selection[],
  subject: Subject,
  { port, http }: Question,
): Outcome {
  const stance = stanceAt(selections, subject, port);
  const enforced = decide(selections, stance, port, http);
  if (enforced.verdict === 'Deny') return enforced;
  const whole = accessStance(selections, subject, port, true);
  // Rules in Audit mode want the requests seen.
  const observed: Outcome = whole.verdict === 'Proxy' ? { ...enforced, path: 'proxied' } : enforced;
  const audited = decide(selections, whole, port, http, true);
  if (audited.verdict === 'Allow') return observed;
  return { ...observed, audit: auditRefs(selections, audited.rules) };
}

function decide(
  selections: readonly Selection[],
  { verdict, reason, rules }: Stance,
  port: number,
  http: Question['http'],
  audit = false,
): Outcome {
  const path = verdict === 'Proxy' ? 'proxied' : 'direct';
  if (verdict !== 'Proxy' || http === undefined) {
    return { verdict: verdict === 'Deny' ? 'Deny' : 'Allow', layer: 'L3L4', path, reason, rules, audit: [] };
  }
  const decision = decideRequest(httpRulesAt(selections, port, audit), http);
  const base = { verdict: decision.verdict, layer: 'L7', path, audit: [] } as const;
  const refs = decision.rules.map(({ rule }) => rule);
  if (decision.verdict === 'Allow') return { ...base, reason: 'AllowedByRule', rules: refs };
  if (refs.length > 0) return { ...base, reason: 'RequestDeniedByRule', rules: refs };
  const selecting = selectionsOfApi(selections, 'AccessPolicy', audit ? ['Enforce', 'Audit'] : ['Enforce']);
  return { ...base, reason: 'RequestDeniedByDefault', rules: defaultDenies(selecting) };
}

/** The first refusal decides. Of two allowances the more telling one is reported: destination, then source. */
function joinOutcomes(outcomes: readonly Outcome[]): Outcome {
  const path = outcomes.some((outcome) => outcome.path === 'proxied') ? 'proxied' : 'direct';
  const audit = outcomes.flatMap((outcome) => outcome.audit);
  const deny =
    outcomes.find(({ verdict, layer }) => verdict === 'Deny' && layer === 'L3L4') ??
    outcomes.find(({ verdict }) => verdict === 'Deny');
  // A connection refused at layer 4 never gets as far as the proxy.
  if (deny !== undefined) return { ...deny, path: deny.layer === 'L3L4' ? 'direct' : path, audit: [] };
  const last = outcomes.toReversed();
  const allow =
    last.find(({ layer }) => layer === 'L7') ??
    last.find(({ reason }) => reason === 'RequestsDecide') ??
    last.find(({ rules }) => rules.length > 0) ??
    last.find(({ reason }) => reason === 'AllowedNode');
  if (allow !== undefined) return { ...allow, path, audit };
  return { verdict: 'Allow', layer: 'L3L4', path, reason: 'AllowedNoPolicy', rules: [], audit };
}

/** Who is meant. Throws ERR_WORKLOAD_UNKNOWN, ERR_ADDRESS_INVALID. */
export function resolveEnd(world: World, { workload: key, address: text }: Endpoint): End {
  const workload = key === undefined ? undefined : world.workloads.get(key);
  if (key !== undefined && workload === undefined) {
    throw new PerigeeError('ERR_WORKLOAD_UNKNOWN', `there is no workload ${key}`, {
      object: key,
      hint: `workloads: ${[...world.workloads.keys()].sort().join(', ') || 'none'}`,
    });
  }
  if (text === undefined) {
    return {
      workload,
      peer: workload === undefined ? createPeerIdentity({}) : peerOfWorkload(world, workload),
    };
  }
  const address = parseAddress(text);
  if (address === undefined) {
    throw new PerigeeError('ERR_ADDRESS_INVALID', `${text} is not an IP address`, { object: text });
  }
  const owner = world.addresses.owner(address);
  const owning = owner !== undefined && 'workload' in owner ? world.workloads.get(owner.workload) : undefined;
  return { workload: workload ?? owning, peer: peerOfAddress(world, address) };
}

/** Loopback of a network namespace of one's own, or an address of one's own. */
function isSelf(world: World, question: Question, source: End, destination: End): boolean {
  const { workload } = source;
  if (workload === undefined) return false;
  const own = workload.attachment.type !== 'cgroup' || workload.addresses.length > 0;
  if (destination.workload === workload) return own;
  const address = parseAddress(question.destination.address ?? '');
  if (address === undefined || question.destination.workload !== undefined) return false;
  if (isLoopback(address)) return workload.attachment.type !== 'cgroup';
  const owner = world.addresses.owner(address);
  return owner !== undefined && 'workload' in owner && owner.workload === workload.key;
}

function selfDecision(subject: string): Decision {
  const detail = 'a workload may always talk to itself';
  return {
    verdict: 'Allow',
    layer: 'L3L4',
    path: 'direct',
    reason: 'AllowedSelf',
    steps: [{ direction: 'egress', subject, outcome: 'Allowed', detail }],
    auditWouldDeny: [],
  };
}

function ungoverned({ key }: Workload): TraceStep {
  const detail = 'a cgroup shares the addresses of its host, so its ingress is not governed';
  return { direction: 'ingress', subject: key, outcome: 'Allowed', detail };
}
