// SPDX-License-Identifier: Apache-2.0
import { HeadStatus, RequestHead, type HeadLimits } from '../core/automaton/executor.ts';
import type { HeadTable } from '../core/automaton/table.ts';
import { direction } from '../core/abi/policy.ts';
import { reason } from '../core/abi/reason.ts';
import type { Ruling } from './policy.ts';

/** One request head before the automata of both sides; each that has one must allow. */
export class Gate {
  /** Its facts are the request's: grammar and spans are the same in every table. */
  readonly head: RequestHead;
  /** The deciding rules of the two sides, 0: none. */
  egressRule = 0;
  ingressRule = 0;
  allowed = false;
  private readonly second: RequestHead;
  private both = false;
  private ruling: Ruling | null = null;

  constructor(table: HeadTable, limits: HeadLimits) {
    this.head = new RequestHead(table, limits);
    this.second = new RequestHead(table, limits);
  }

  /** Ready for a head under this ruling. Without automata the rules allow everything, the grammar still holds. */
  begin(tables: readonly HeadTable[], ruling: Ruling): void {
    const egress = ruling.egressAutomaton;
    const ingress = ruling.ingressAutomaton;
    this.ruling = ruling;
    this.both = egress >= 0 && ingress >= 0;
    this.head.reset(tables[egress >= 0 ? egress : Math.max(ingress, 0)]);
    if (this.both) this.second.reset(tables[ingress]);
  }

  run(bytes: Uint8Array, start: number, end: number): HeadStatus {
    const status = this.head.run(bytes, start, end);
    const other = this.both ? this.second.run(bytes, start, end) : status;
    if (status === HeadStatus.Rejected || other === HeadStatus.Rejected) {
      if (status !== HeadStatus.Rejected) this.head.reason = this.second.reason;
      return HeadStatus.Rejected;
    }
    if (status === HeadStatus.Done && this.ruling !== null) this.judge(this.ruling);
    return status;
  }

  /** Why it isn't allowed. */
  get denial(): number {
    const denying = this.both && this.head.allowed ? this.second : this.head;
    return denying.rule !== 0 ? reason['http-denied'] : reason['http-no-rule'];
  }

  /** The side that doesn't allow it, enum direction. */
  get denyingSide(): number {
    const egress = this.both ? !this.head.allowed : (this.ruling?.egressAutomaton ?? -1) >= 0;
    return egress ? direction.egress : direction.ingress;
  }

  private judge(ruling: Ruling): void {
    const { head, second, both } = this;
    const governed = ruling.egressAutomaton >= 0 || ruling.ingressAutomaton >= 0;
    this.allowed = !governed || (head.allowed && (!both || second.allowed));
    this.egressRule = ruling.egressAutomaton >= 0 ? head.rule : ruling.egressRule;
    this.ingressRule = ruling.ingressAutomaton < 0 ? ruling.ingressRule : both ? second.rule : head.rule;
  }
}
