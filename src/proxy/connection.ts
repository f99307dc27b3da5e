// SPDX-License-Identifier: Apache-2.0
import type { Context } from './context.ts';
import { reason } from '../core/abi/reason.ts';
import { connectionOf } from './flows.ts';
import type { SlotOwner } from './owner.ts';
import { type PolicyTable, recordedRule } from './policy.ts';
import { verdictOf } from './request-record.ts';
import type { Session } from './session.ts';
import { Timed } from './timers.ts';

/** One accepted connection, whatever it speaks, charged to its workload until it ends. */
export abstract class Connection extends Timed implements SlotOwner {
  readonly session: Session;
  protected readonly context: Context;
  protected hasEnded = false;
  /** Bytes of this connection that are charged to its workload. */
  private charged = 0;

  constructor(session: Session, context: Context) {
    super();
    this.session = session;
    this.context = context;
    session.route.share.connections++;
    context.owners.set(session.client, this);
  }

  get netnsFd(): number {
    return this.session.route.listener.netnsFd;
  }

  abstract connected(slot: number, errno: number): void;
  abstract data(slot: number, offset: number, length: number): void;
  abstract end(slot: number): void;
  abstract failed(slot: number, errno: number): void;
  abstract drained(slot: number): void;
  abstract congested(slot: number, bytes: number): void;
  abstract relayEnded(slot: number, errno: number): void;
  abstract reviewed(policy: PolicyTable): void;
  abstract terminate(why: number): void;

  /** Most see to it at their next request. */
  drain(): void {}

  /** Gives back what the connection held. Whoever calls this has dealt with the sockets. */
  protected release(): void {
    this.charge(0);
    this.hasEnded = true;
    this.session.route.share.connections--;
    this.context.timers.clear(this);
    this.context.owners.clear(this.session.client);
    this.context.templates.giveBack(this.session.template);
  }

  /** Sets how many bytes are held for this connection; false: the workload is over its share. */
  protected charge(bytes: number): boolean {
    const { share } = this.session.route;
    if (this.hasEnded) return true;
    share.bytes += bytes - this.charged;
    this.charged = bytes;
    return share.bytes <= this.context.limits.bytesPerWorkload;
  }

  /** Moves the idle deadline: a byte went one way or the other. */
  protected touch(): void {
    this.context.timers.set(this, this.context.nowMs + this.context.limits.idleTimeoutMs);
  }

  /** Says why it is about to be closed, enum reason: the kernel writes the record. 0: there is nothing to say. */
  protected ends(why: number): void {
    if (why === reason.none) return;
    const { context, session } = this;
    const { egress, ingress } = session.route.rulingOf(context.policy);
    context.kernel.tellEnding(connectionOf(session.template), {
      egressRule: recordedRule(egress),
      ingressRule: recordedRule(ingress),
      reason: why,
      verdict: verdictOf(why, false),
    });
    context.counters.drop(why);
  }
}
