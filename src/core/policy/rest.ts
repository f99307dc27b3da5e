// SPDX-License-Identifier: Apache-2.0
import type { PeerIdentity } from '../identity/peer-identity.ts';
import type { Protocol, Workload } from '../workload/workload.ts';
import { portSpans, type Span } from './port-match.ts';
import type { Selection, Subject } from './rule-match.ts';
import type { Clause, PolicyDirection, PortClause, Rule } from './rule.ts';
import type { Direction } from './rule-ref.ts';
import { selectionsOf, type World } from './world.ts';

/** Stands for every peer that has no answer of its own. */
const REST: PeerIdentity = { key: 'rest', ports: [], entities: new Set(), isOwnNode: false };
const EVERY_PORT = portSpans(undefined, 'TCP', []);

/** The rest of the peers, as a subject. */
export function restSubject(workload: Workload, direction: Direction, protocol: Protocol): Subject {
  return { workload, direction, peer: REST, protocol };
}

/**
 * The rules that apply to a peer of which nothing is known: none that allows it by name, and every one that
 * denies anybody by name. So the answer is as strict as that of any peer can be: whoever's own answer is missing
 * gets no more than it is due.
 */
export function restSelections(world: World, subject: Subject): Selection[] {
  return selectionsOf(world, subject.workload, subject.direction).map((policy) => ({
    policy,
    applicable: policy.rules
      .map((rule) => ({ rule, spans: restSpans(policy, rule, subject) }))
      .filter(({ spans }) => spans.length > 0),
  }));
}

function restSpans(policy: PolicyDirection, rule: Rule, { workload, protocol }: Subject): readonly Span[] {
  if (rule.http !== undefined && protocol !== 'TCP') return [];
  const named = policy.direction === 'ingress' ? workload.ports : [];
  if (deniesSomebody(policy, rule)) {
    return rule.clauses.flatMap(({ ports }) =>
      policy.direction === 'egress' && namesPorts(ports) ? EVERY_PORT : portSpans(ports, protocol, named),
    );
  }
  const open = rule.clauses.filter(({ peer }) => peer === undefined);
  return open.flatMap(({ ports }) => portSpans(ports, protocol, named));
}

/** Whether the rule refuses, in force, what it speaks of. */
function deniesSomebody({ mode }: PolicyDirection, { action }: Rule): boolean {
  return mode === 'Enforce' && action === 'Deny';
}

/** Whether a port is named; on egress, whose port that is depends on the peer. */
export function namesPorts(ports: readonly PortClause[] | undefined): boolean {
  return ports?.some(({ port }) => typeof port === 'string') ?? false;
}

/** Of which peers a clause makes the answer differ from the answer to the rest. */
export type Distinction = 'nobody' | 'matching' | 'with-ports' | 'everybody';

/** What must be known of a peer to tell whether the clause gives it an answer of its own. */
export function distinctionOf(policy: PolicyDirection, rule: Rule, clause: Clause): Distinction {
  const byPort = policy.direction === 'egress' && namesPorts(clause.ports);
  if (clause.peer === undefined && !byPort) return 'nobody';
  // The rest is refused along with whom the clause names: all the others are told apart from it.
  if (deniesSomebody(policy, rule)) return 'everybody';
  return clause.peer === undefined ? 'with-ports' : 'matching';
}
