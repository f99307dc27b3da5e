// SPDX-License-Identifier: Apache-2.0
import type { PeerIdentity } from '../identity/peer-identity.ts';
import type { Protocol, Workload } from '../workload/workload.ts';
import { peerMismatch } from './peer-match.ts';
import { describePorts, inSpans, portSpans, type Span } from './port-match.ts';
import type { PolicyDirection, Rule } from './rule.ts';
import type { Direction, RuleRef } from './rule-ref.ts';
import { implicitLabels } from './selection-index.ts';
import { selectionsOf, type World } from './world.ts';

/** One end's view of a connection, without its port. */
export interface Subject {
  readonly workload: Workload;
  readonly direction: Direction;
  readonly peer: PeerIdentity;
  readonly protocol: Protocol;
}

/** A rule that speaks of the connection's peer and protocol, and the ports on which it does. */
export interface Applicable {
  readonly rule: Rule;
  readonly spans: readonly Span[];
}

/** One direction of one policy that selects the workload, reduced to the rules that apply. */
export interface Selection {
  readonly policy: PolicyDirection;
  readonly applicable: readonly Applicable[];
}

/** What selects the subject, and which rules apply to it. Of this alone verdicts are made. */
export function selectionsFor(world: World, subject: Subject): Selection[] {
  return selectionsOf(world, subject.workload, subject.direction).map((policy) => ({
    policy,
    applicable: policy.rules
      .map((rule) => ({ rule, spans: matchRule(world, rule, subject) }))
      .filter((entry): entry is Applicable => typeof entry.spans !== 'string' && entry.spans.length > 0),
  }));
}

/** The ports that the rule speaks of, or why it speaks of none, in words. */
export function matchRule(world: World, rule: Rule, subject: Subject): readonly Span[] | string {
  const { protocol, peer } = subject;
  if (rule.http !== undefined && protocol !== 'TCP')
    return 'the rule is about HTTP requests, which travel over TCP';
  const named = subject.direction === 'ingress' ? subject.workload.ports : peer.ports;
  const labelsOf = (namespace: string) => world.namespaces.get(namespace) ?? implicitLabels(namespace);
  const spans: Span[] = [];
  const mismatches: string[] = [];
  for (const clause of rule.clauses) {
    const mismatch = clause.peer === undefined ? undefined : peerMismatch(clause.peer, peer, labelsOf);
    if (mismatch === undefined) spans.push(...portSpans(clause.ports, protocol, named));
    else mismatches.push(mismatch);
  }
  return mismatches.length === rule.clauses.length ? [...new Set(mismatches)].join('; ') : spans;
}

/** Why the rule doesn't speak of the port, in words; undefined if it does. */
export function ruleMismatch(world: World, rule: Rule, subject: Subject, port: number): string | undefined {
  const match = matchRule(world, rule, subject);
  if (typeof match === 'string') return match;
  if (inSpans(match, port)) return undefined;
  const ports = describePorts(rule.clauses.flatMap((clause) => clause.ports ?? []));
  return `port ${port}/${subject.protocol} is not among ${ports}`;
}

/** The rules of the selections that speak of the port, in their order. */
export function rulesAt(selections: readonly Selection[], port: number): Rule[] {
  return selections
    .flatMap(({ applicable }) => applicable)
    .filter(({ spans }) => inSpans(spans, port))
    .map(({ rule }) => rule);
}

/** References to the default deny of each of the selections. */
export function defaultDenies(selections: readonly Selection[]): RuleRef[] {
  return selections.map(({ policy }) => policy.defaultDeny);
}
