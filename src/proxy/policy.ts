// SPDX-License-Identifier: Apache-2.0
import type { ProxyVerdict } from '../core/proxy/config.ts';
import { reason } from '../core/abi/reason.ts';
import { REST } from '../core/state/desired.ts';

/** How a connection is handled. */
export const Mode = {
  allow: 1,
  deny: 2,
  /** Requests are judged. */
  http: 3,
  /** Allowed; requests are looked at to report what Audit would refuse, and nothing is refused for it. */
  observe: 4,
} as const;
export type Mode = (typeof Mode)[keyof typeof Mode];

/** Who talks to whom, in numbers. */
export interface Parties {
  readonly sourceWorkload: number;
  readonly sourceIdentity: number;
  /** 0: not on this node. */
  readonly destinationWorkload: number;
  readonly destinationIdentity: number;
  readonly destinationPort: number;
}

/** What policy says of a connection; both sides have had their say. */
export interface Ruling {
  readonly mode: Mode;
  readonly reason: number;
  readonly egress: Row;
  readonly ingress: Row;
}

/** What one side's policy says on a range of ports. */
export interface Row {
  readonly from: number;
  readonly to: number;
  readonly mode: Mode;
  /** The deciding rule, 0: none. */
  readonly rule: number;
  /** The rule that would refuse the connection if policies in Audit mode were enforced, 0: none would. */
  readonly audit: number;
  /** Index of the rules that this side's requests must pass, or in mode `allow` are compared with; -1: none. */
  readonly automaton: number;
}

type Direction = ProxyVerdict['direction'];

/** Nothing selects the workload. */
export const ungoverned: Row = { from: 0, to: 65535, mode: Mode.allow, rule: 0, audit: 0, automaton: -1 };
const noRow: Row = { ...ungoverned, mode: Mode.deny };

/** What is known of a workload of this node now. */
interface KnownWorkload {
  readonly identity: number;
  /** Of all its addresses. */
  readonly identities: readonly number[];
}

/** The verdict rows of a configuration, indexed. */
export class PolicyTable {
  private readonly rows = new Map<string, Row[]>();
  private readonly governed = new Set<string>();
  private readonly workloads: ReadonlyMap<number, KnownWorkload>;

  constructor(verdicts: readonly ProxyVerdict[], workloads: ReadonlyMap<number, KnownWorkload> = new Map()) {
    this.workloads = workloads;
    for (const verdict of verdicts) {
      this.governed.add(`${verdict.direction}/${verdict.workload}`);
      const key = rowKey(verdict.direction, verdict.workload, verdict.identity);
      const rows = this.rows.get(key);
      if (rows === undefined) this.rows.set(key, [toRow(verdict)]);
      else rows.push(toRow(verdict));
    }
  }

  /**
   * Both sides must allow; if either leaves it to the requests, the connection is HTTP. A workload of this node
   * may have another identity by now than when the connection was steered: a changed label is one.
   */
  rule(parties: Parties): Ruling {
    const port = parties.destinationPort;
    const source = this.workloads.get(parties.sourceWorkload)?.identity ?? parties.sourceIdentity;
    const egress = this.find('egress', parties.sourceWorkload, this.destinationNow(parties), port);
    const ingress = this.find('ingress', parties.destinationWorkload, source, port);
    const denied = egress.mode === Mode.deny ? egress : ingress.mode === Mode.deny ? ingress : undefined;
    const http = egress.mode === Mode.http || ingress.mode === Mode.http;
    const observed = egress.automaton >= 0 || ingress.automaton >= 0;
    const allowed = http ? Mode.http : observed ? Mode.observe : Mode.allow;
    return {
      mode: denied !== undefined ? Mode.deny : allowed,
      reason:
        denied === undefined
          ? reason.none
          : denied === noRow
            ? reason['policy-no-rule']
            : reason['policy-denied'],
      egress,
      ingress,
    };
  }

  /** Each address of a workload may have its own identity: what is still one of them stands. */
  private destinationNow({ destinationWorkload, destinationIdentity }: Parties): number {
    const now = this.workloads.get(destinationWorkload);
    if (now === undefined) return destinationIdentity;
    return now.identities.includes(destinationIdentity) ? destinationIdentity : now.identity;
  }

  /** Own rows, else those of the rest. */
  private find(direction: Direction, workload: number, peer: number, port: number): Row {
    if (workload === 0 || !this.governed.has(`${direction}/${workload}`)) return ungoverned;
    if (peer === 0) return noRow;
    const rows =
      this.rows.get(rowKey(direction, workload, peer)) ??
      this.rows.get(rowKey(direction, workload, REST)) ??
      [];
    return rows.find((row) => row.from <= port && port <= row.to) ?? noRow;
  }
}

function rowKey(direction: Direction, workload: number, identity: number): string {
  return `${direction}/${workload}/${identity}`;
}

/** An `http` row without an automaton can't be decided: it denies. */
function toRow({ from, to, rule, action, automaton = -1, audit = 0 }: ProxyVerdict): Row {
  if (action === 'allow') return { from, to, mode: Mode.allow, rule, audit, automaton };
  if (action === 'http' && automaton >= 0) return { from, to, mode: Mode.http, rule, audit, automaton };
  return { from, to, mode: Mode.deny, rule, audit: 0, automaton: -1 };
}

/** The rule that a connection is recorded under. */
export function recordedRule({ rule, audit }: Row): number {
  return audit !== 0 ? audit : rule;
}
