// SPDX-License-Identifier: Apache-2.0
import { HeadStatus, RequestHead, type HeadLimits } from '../core/automaton/executor.ts';
import type { HeadTable } from '../core/automaton/table.ts';
import { direction } from '../core/abi/policy.ts';
import { reason } from '../core/abi/reason.ts';
import { Mode, type Row, type Ruling, ungoverned } from './policy.ts';
import type { RequestRules, RuleLists } from './request-rules.ts';

/** What one side says of a request. */
class Side {
  row: Row = ungoverned;
  head: RequestHead | null = null;
  rules: RequestRules | undefined = undefined;
  allowed = false;
  /** Allowed, and a policy in Audit mode would refuse it. */
  audited = false;
  tooComplex = false;
  /** The rule that decided, or would; 0: none. */
  rule = 0;

  begin(row: Row, head: RequestHead | null, lists: RuleLists): void {
    this.row = row;
    this.head = head;
    this.rules = lists.at(row.automaton);
  }

  judge(bytes: Uint8Array, start: number): void {
    const { head, row } = this;
    this.allowed = true;
    this.audited = this.tooComplex = false;
    this.rule = row.rule;
    if (head !== null && row.mode === Mode.http) this.decide(head, bytes, start);
  }

  /** Of an allowed request. `unread`: the table could not read the head, and nothing of it is enforced. */
  report(bytes: Uint8Array, start: number, unread: boolean): void {
    const { head, row, rules } = this;
    let audit = -1;
    if (row.audit !== 0) audit = row.audit;
    else if (unread) audit = rules?.defaultDeny ?? 0;
    else if (head?.audited === true) audit = head.auditRule;
    else if (head !== null && rules?.direct?.reports === true) {
      const would = rules.direct.verdict(head, bytes, start, true);
      if (!would.allowed && !would.tooComplex) audit = would.rule !== 0 ? would.rule : rules.defaultDeny;
    }
    if (audit < 0) return;
    this.audited = true;
    this.rule = audit;
  }

  private decide(head: RequestHead, bytes: Uint8Array, start: number): void {
    const direct = this.rules?.direct;
    if (direct?.decides !== true) {
      this.allowed = head.allowed;
      this.rule = head.rule;
      return;
    }
    const verdict = direct.verdict(head, bytes, start, false);
    this.allowed = verdict.allowed;
    this.rule = verdict.rule;
    this.tooComplex = verdict.tooComplex;
  }
}

/** One request head before the automata of both sides; each that enforces rules must allow. */
export class Gate {
  /** Its facts are the request's: grammar and spans are the same in every table. */
  head: RequestHead;
  allowed = false;
  private other: RequestHead;
  private readonly egress = new Side();
  private readonly ingress = new Side();
  private both = false;
  private otherEnforces = false;
  private otherFailed = false;

  constructor(table: HeadTable, limits: HeadLimits) {
    this.head = new RequestHead(table, limits);
    this.other = new RequestHead(table, limits);
  }

  /** Ready for a head under this ruling. Without automata the rules allow everything, the grammar still holds. */
  begin(lists: RuleLists, { egress, ingress }: Ruling): void {
    const ofEgress = egress.automaton >= 0;
    const ofIngress = ingress.automaton >= 0;
    this.both = ofEgress && ofIngress;
    // Where one side only reports, what the other one can't read is what counts.
    const egressFirst = ofEgress && !(ofIngress && egress.mode !== Mode.http && ingress.mode === Mode.http);
    const first = egressFirst ? egress : ingress;
    const second = egressFirst ? ingress : egress;
    this.head.reset(lists.at(first.automaton)?.table ?? lists.at(0)?.table);
    if (this.both) this.other.reset(lists.at(second.automaton)?.table);
    this.otherEnforces = second.mode === Mode.http;
    this.otherFailed = false;
    this.egress.begin(egress, ofEgress ? (egressFirst ? this.head : this.other) : null, lists);
    this.ingress.begin(
      ingress,
      ofIngress ? (egressFirst && this.both ? this.other : this.head) : null,
      lists,
    );
  }

  /** Once done, `judge` says what comes of it. */
  run(bytes: Uint8Array, start: number, end: number): HeadStatus {
    const status = this.head.run(bytes, start, end);
    if (status === HeadStatus.Rejected || !this.both || this.otherFailed) return status;
    if (this.other.run(bytes, start, end) !== HeadStatus.Rejected) return status;
    if (!this.otherEnforces) {
      this.otherFailed = true;
      return status;
    }
    this.head.reason = this.other.reason;
    return HeadStatus.Rejected;
  }

  /** The whole head lies at `start`. */
  judge(bytes: Uint8Array, start: number): void {
    const { egress, ingress, otherFailed } = this;
    egress.judge(bytes, start);
    ingress.judge(bytes, start);
    this.allowed = egress.allowed && ingress.allowed;
    if (!this.allowed) return;
    egress.report(bytes, start, otherFailed && egress.head === this.other);
    ingress.report(bytes, start, otherFailed && ingress.head === this.other);
  }

  /** The deciding rules of the two sides, 0: none. Of a side that would refuse, the rule that would. */
  get egressRule(): number {
    return this.egress.rule;
  }

  get ingressRule(): number {
    return this.ingress.rule;
  }

  /** Allowed, and a policy in Audit mode would refuse it. */
  get audited(): boolean {
    return this.allowed && (this.egress.audited || this.ingress.audited);
  }

  /** Why it isn't allowed. */
  get denial(): number {
    const denying = this.egress.allowed ? this.ingress : this.egress;
    if (denying.tooComplex) return reason['http-too-complex'];
    return denying.rule !== 0 ? reason['http-denied'] : reason['http-no-rule'];
  }

  /** The side that doesn't allow it, or wouldn't, enum direction; 0: both do. */
  get refusingSide(): number {
    const { egress, ingress } = this;
    if (!egress.allowed) return direction.egress;
    if (!ingress.allowed) return direction.ingress;
    if (egress.audited) return direction.egress;
    return ingress.audited ? direction.ingress : 0;
  }
}
