// SPDX-License-Identifier: Apache-2.0
import type { PeerIdentity } from '../identity/peer-identity.ts';
import type { Protocol, Workload } from '../workload/workload.ts';
import { FIRST_PORT, LAST_PORT } from './port-match.ts';
import { rulesAt, type Selection, selectionsFor, type Subject } from './rule-match.ts';
import { type Direction, type RuleRef, ruleKey } from './rule-ref.ts';
import { accessStance, auditRefs, combine, networkStance, probedPorts, selectionsOfApi } from './stance.ts';
import type { HttpRule, PortRange, RuleSet } from './verdict.ts';
import type { World } from './world.ts';

const UNGOVERNED: readonly PortRange[] = [
  { from: FIRST_PORT, to: LAST_PORT, verdict: 'Allow', rule: undefined },
];

/**
 * The truth table of one workload, direction, peer and protocol: what the kernel's maps are compiled from.
 * A workload's traffic to itself isn't in it: that is told by address, not by identity.
 */
export function connectionVerdict(
  world: World,
  workload: Workload,
  direction: Direction,
  peer: PeerIdentity,
  protocol: Protocol,
): readonly PortRange[] {
  const subject = { workload, direction, peer, protocol };
  return portRanges(selectionsFor(world, subject), subject);
}

/** The same, where it is known already which rules apply to the subject. */
export function portRanges(selections: readonly Selection[], subject: Subject): readonly PortRange[] {
  if (selections.length === 0) return UNGOVERNED;
  const ranges: PortRange[] = [];
  for (const { from, to } of segments(selections, probedPorts(subject))) {
    const range = { from, to, ...verdictAt(selections, subject, from) };
    const last = ranges.at(-1);
    if (last !== undefined && sameVerdict(last, range)) ranges[ranges.length - 1] = { ...last, to };
    else ranges.push(range);
  }
  return ranges;
}

/** Runs of ports within which no rule begins or ends. */
function segments(
  selections: readonly Selection[],
  probes: readonly number[],
): { from: number; to: number }[] {
  const starts = new Set([FIRST_PORT]);
  for (const port of probes) for (const start of [port, port + 1]) if (start <= LAST_PORT) starts.add(start);
  for (const { applicable } of selections) {
    for (const { spans } of applicable) {
      for (const { from, to } of spans) {
        starts.add(from);
        if (to < LAST_PORT) starts.add(to + 1);
      }
    }
  }
  const sorted = [...starts].sort((a, b) => a - b);
  return sorted.map((from, index) => ({ from, to: (sorted[index + 1] ?? LAST_PORT + 1) - 1 }));
}

function verdictAt(
  selections: readonly Selection[],
  subject: Subject,
  port: number,
): Pick<PortRange, 'verdict' | 'rule' | 'audit'> {
  const network = networkStance(selections, subject, port);
  const { verdict, rules } = combine(network, accessStance(selections, subject, port));
  const audit = auditAt(selections, subject, port, verdict);
  return { verdict, rule: rules[0], ...(audit === undefined ? {} : { audit }) };
}

function auditAt(
  selections: readonly Selection[],
  subject: Subject,
  port: number,
  enforced: PortRange['verdict'],
): PortRange['audit'] {
  const audited = selectionsOfApi(selections, 'AccessPolicy', ['Audit']);
  if (audited.length === 0 || enforced === 'Deny') return undefined;
  const stance = accessStance(selections, subject, port, true);
  if (stance.verdict === 'Deny') return { verdict: 'Deny', rules: auditRefs(selections, stance.rules) };
  if (stance.verdict === 'Allow') return undefined;
  return { verdict: 'Proxy', rules: audited.map(({ policy }) => policy.defaultDeny) };
}

/** Neighbours that requests decide, or would if policies in Audit mode were enforced, stay apart: their rules may differ. */
function sameVerdict(a: PortRange, b: PortRange): boolean {
  if (a.verdict === 'Proxy' || a.audit?.verdict === 'Proxy') return false;
  return (
    a.verdict === b.verdict && rulesText([a.rule]) === rulesText([b.rule]) && auditText(a) === auditText(b)
  );
}

function auditText({ audit }: PortRange): string {
  return audit === undefined ? '' : `${audit.verdict} ${rulesText(audit.rules)}`;
}

function rulesText(rules: readonly (RuleRef | undefined)[]): string {
  return rules.map((rule) => (rule === undefined ? '' : ruleKey(rule))).join(' ');
}

/** The rules that decide requests on one TCP port, in canonical order; meaningful where the verdict is `Proxy`. */
export function httpRules(
  world: World,
  workload: Workload,
  direction: Direction,
  peer: PeerIdentity,
  port: number,
): RuleSet {
  return httpRulesAt(selectionsFor(world, { workload, direction, peer, protocol: 'TCP' }), port, false);
}

/** The same, as if policies in Audit mode were enforced too; meaningful where `audit.verdict` is `Proxy`. */
export function auditHttpRules(
  world: World,
  workload: Workload,
  direction: Direction,
  peer: PeerIdentity,
  port: number,
): RuleSet {
  return httpRulesAt(selectionsFor(world, { workload, direction, peer, protocol: 'TCP' }), port, true);
}

export function httpRulesAt(selections: readonly Selection[], port: number, audit: boolean): HttpRule[] {
  const chosen = selectionsOfApi(selections, 'AccessPolicy', audit ? ['Enforce', 'Audit'] : ['Enforce']);
  return chosen.flatMap((selection) => {
    const mode = selection.policy.mode === 'Audit' ? ({ audit: true } as const) : {};
    return rulesAt([selection], port).map(({ ref, action, http = [], http2 = false }) => ({
      rule: ref,
      action,
      matches: http,
      ...mode,
      ...(http2 ? ({ http2 } as const) : {}),
    }));
  });
}
