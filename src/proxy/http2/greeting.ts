// SPDX-License-Identifier: Apache-2.0
import { reason } from '../../core/abi/reason.ts';
import { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { Exchange } from '../exchange.ts';
import { Mode, type PolicyTable } from '../policy.ts';
import type { Session } from '../session.ts';
import { Http2Connection } from './connection.ts';
import { PREFACE } from './frame-watch.ts';

/** A client that may speak HTTP/1 or HTTP/2, until its first bytes say which. */
export class Greeting extends Connection {
  private held = Buffer.alloc(0);

  constructor(session: Session, context: Context) {
    super(session, context);
    this.touch();
  }

  data(_slot: number, offset: number, length: number): void {
    const { context, held } = this;
    if (held.length === 0) context.timers.set(this, context.nowMs + context.limits.headTimeoutMs);
    this.held = Buffer.concat([held, context.reactor.slab.subarray(offset, offset + length)]);
    const seen = Math.min(this.held.length, PREFACE.length);
    const isPreface = this.held.compare(PREFACE, 0, seen, 0, seen) === 0;
    if (isPreface && seen < PREFACE.length) return;
    const { due } = this;
    // Policy may have changed since the connection began.
    const ruling = this.session.route.rulingOf(context.policy);
    const isHttp2 = isPreface && context.rules.keepsHttp2(ruling);
    const session = this.continued();
    if (isHttp2) new Http2Connection(session, context).takeOver(this.held);
    else new Exchange(session, context).takeOver(this.held, due);
  }

  end(): void {
    this.finish(this.held.length === 0 ? reason.none : reason['http-malformed']);
  }

  failed(): void {
    this.finish(reason.none);
  }

  reviewed(policy: PolicyTable): void {
    const ruling = this.session.route.rulingOf(policy);
    if (ruling.mode === Mode.deny) this.finish(reason['policy-changed']);
  }

  terminate(why: number): void {
    this.finish(why);
  }

  override expired(): void {
    this.finish(reason[this.held.length === 0 ? 'idle-timeout' : 'http-head-timeout']);
  }

  connected(): void {}
  drained(): void {}
  congested(): void {}
  relayEnded(): void {}

  /** The session for whoever goes on with it: what is given back here must not be what that works with. */
  private continued(): Session {
    const session = { ...this.session, template: this.session.template.slice() };
    this.release();
    return session;
  }

  private finish(why: number): void {
    if (this.hasEnded) return;
    this.ends(why);
    this.release();
    this.context.reactor.reset(this.session.client);
  }
}
