// SPDX-License-Identifier: Apache-2.0
import type { PathReason } from '../api/ports.ts';
import type { Compiled } from '../control/compile/compile.ts';
import type { Names } from '../control/compile/names.ts';
import { type End, resolveEnd } from '../core/policy/evaluate.ts';
import type { Direction } from '../core/policy/rule-ref.ts';
import type { Decision, Question } from '../core/policy/verdict.ts';
import type { World } from '../core/policy/world.ts';
import { type DesiredRow, REST } from '../core/state/desired.ts';
import { PolicyIndex } from '../core/state/policy-index.ts';
import { VISIBILITY_LABEL } from '../core/workload/workload.ts';
import type { InlineOff, InlinePath } from '../datapath/inline/inline-path.ts';

/** What is in force, as far as it tells paths. */
export interface PathSources {
  readonly world: World;
  readonly compiled: Compiled;
  readonly names: Pick<Names, 'numberOf'>;
  readonly inline: Pick<InlinePath, 'off' | 'unseen' | 'holds'>;
}

export interface ConnectionPath extends PathReason {
  readonly path: Decision['path'];
}

/** Which path an allowed connection takes, why, and what would change it. */
export function connectionPath(
  sources: PathSources,
  question: Question,
  decision: Decision,
): ConnectionPath | undefined {
  if (decision.verdict === 'Deny' && decision.layer === 'L3L4') return undefined;
  const source = resolveEnd(sources.world, question.source);
  const destination = resolveEnd(sources.world, question.destination);
  const client = source.workload?.key ?? question.source.address ?? '';
  const server = destination.workload?.key ?? question.destination.address ?? '';
  const answers = rowOf(sources, destination, 'ingress', source, question.port);
  if (decision.path === 'direct') {
    const asks = question.protocol === 'TCP' && answers?.row.table !== undefined;
    if (asks) return visiblePath(sources, answers, server);
    return { path: 'direct', ...directReason(question, destination, server) };
  }
  const asked = rowOf(sources, source, 'egress', destination, question.port);
  if (asked?.row.action === 'proxy') {
    return {
      path: 'proxied',
      why: `egress rules of ${client} read requests, and only the proxy can on the client's side`,
      change: `rules with http under the ingress of the server instead: the kernel can decide those`,
    };
  }
  const proxied = answers === undefined ? undefined : proxiedReason(sources, answers);
  if (proxied !== undefined) return { path: 'proxied', ...proxied };
  if (answers?.row.audit === 'requests') {
    const why = `the kernel reads the requests to ${server} for what Audit says of them; none is refused, and what is no HTTP passes`;
    return { path: 'inline', why, change: 'mode: Enforce would have the kernel decide them' };
  }
  return {
    path: 'inline',
    why: `the kernel decides the requests to ${server}, on the packets of its socket`,
    change: `rules with http under the egress of ${client}, or the setting inline: off, would take it to the proxy`,
  };
}

/** Nothing reads requests but those who want to see them. */
function visiblePath({ inline }: PathSources, { row }: Answer, server: string): ConnectionPath {
  const asks = `${server} asks by the label ${VISIBILITY_LABEL} that its requests are seen`;
  const lack = lackOf(inline, row, inline.unseen);
  if (lack !== undefined) {
    const why = `${asks}, but they are not: ${lack.message}`;
    return { path: 'direct', why, change: changes[lack.reason] };
  }
  return {
    path: 'inline',
    why: `${asks}: the kernel reads them and refuses nothing; what is no HTTP passes`,
    change: `a rule with http for this port under the ingress of ${server} would have the kernel decide them`,
  };
}

function directReason({ protocol }: Question, { workload }: End, server: string): PathReason {
  if (protocol === 'UDP') return { why: 'rules with http speak of TCP alone' };
  if (workload?.attachment.type === 'cgroup')
    return { why: `${server} is a cgroup, whose ingress is not governed, and no egress rule reads requests` };
  const change = `a rule with http for this port under the ingress of ${server}`;
  const why = 'no rule reads requests on this port';
  return workload === undefined ? { why } : { why, change: `${change} would have the kernel decide them` };
}

interface Answer {
  readonly row: DesiredRow;
  readonly notInline: string | undefined;
}

/** What the state in force says of the peer. */
function rowOf(
  { compiled, names }: PathSources,
  { workload: owner }: End,
  direction: Direction,
  { peer }: End,
  port: number,
): Answer | undefined {
  const workload = compiled.desired.workloads.find(({ key }) => key === owner?.key)?.id;
  if (workload === undefined) return undefined;
  const side = { workload, direction, identity: names.numberOf(peer) ?? REST };
  const row = new PolicyIndex(compiled.desired).verdict(side, 'TCP', port);
  if (row === undefined) return undefined;
  const { verdicts, automata } = compiled.proxy;
  const { automaton } =
    verdicts.find(
      (verdict) =>
        verdict.workload === workload &&
        verdict.direction === direction &&
        verdict.identity === row.identity &&
        verdict.from === row.from,
    ) ?? {};
  return { row, notInline: automaton === undefined ? undefined : automata[automaton]?.notInline };
}

const changes: Readonly<Record<InlineOff['reason'], string>> = {
  Setting: 'the setting inline: auto',
  KernelLacks: 'a later kernel: perigee check names what this one lacks',
  NotPermitted: 'the capability CAP_NET_RAW for the agent, and its restart',
  LoadFailed: 'a restart of the agent once what its log names is mended',
  PoolAway: 'memory for the agent; it tries again when policy or workloads change',
  PoolFull: 'fewer or simpler rule lists on this node: docs/reference/automaton.md',
};

/** Why requests that the server's ingress rules read go to the proxy; undefined: they don't. */
function proxiedReason({ inline }: PathSources, { row, notInline }: Answer): PathReason | undefined {
  if (row.table === undefined) {
    const change = 'rules that fit: docs/reference/automaton.md says which';
    return { why: `the kernel can't run the rules: ${notInline ?? 'they have no table'}`, change };
  }
  const lack = lackOf(inline, row, inline.off);
  if (lack === undefined) return undefined;
  return { why: `the kernel could decide the requests, but ${lack.message}`, change: changes[lack.reason] };
}

/** The pool's ways to have some tables and not others. */
const partly: readonly (string | undefined)[] = ['PoolFull', 'PoolAway'] satisfies InlineOff['reason'][];

/** Why the kernel doesn't read the requests of a row that it has a table for; undefined: it does. */
function lackOf(
  inline: PathSources['inline'],
  { table }: DesiredRow,
  off: InlineOff | undefined,
): InlineOff | undefined {
  const isHeld = partly.includes(off?.reason) && table !== undefined && inline.holds(table);
  return isHeld ? undefined : off;
}
