// SPDX-License-Identifier: Apache-2.0
import { reason } from '../core/abi/reason.ts';
import type { Context } from './context.ts';
import type { SlotOwner } from './owner.ts';
import type { Session } from './session.ts';
import type { Upstream } from './upstream.ts';

/** An exchange's connection to the server: none, its own, or one that another client has left. */
export class ServerEnd {
  private upstream: Upstream | null = null;
  private readonly owner: SlotOwner;
  private readonly session: Session;
  private readonly context: Context;

  constructor(owner: SlotOwner, session: Session, context: Context) {
    this.owner = owner;
    this.session = session;
    this.context = context;
  }

  /** -1: there is no connection. */
  get slot(): number {
    return this.upstream === null ? -1 : this.upstream.slot;
  }

  get isConnecting(): boolean {
    return this.upstream !== null && !this.upstream.isOpen;
  }

  /** It has served a request before the last one: the server may have been about to close it. */
  get wasUsed(): boolean {
    return this.upstream !== null && this.upstream.requests > 1;
  }

  /** Sees to it that there is a connection. Returns why none could be had, enum reason; 0: there is one. */
  open(mayReuse: boolean): number {
    if (this.upstream !== null) return reason.none;
    const { context, session } = this;
    const { share } = session.route;
    let upstream = mayReuse ? context.pool.take(session.route) : undefined;
    if (upstream === undefined) {
      if (!context.budget.admits(share, 1)) return reason['connection-limit'];
      upstream = context.upstreams.open(session);
      if (upstream === undefined) return reason['upstream-unreachable'];
    }
    share.servers++;
    this.upstream = upstream;
    context.owners.set(upstream.slot, this.owner);
    return reason.none;
  }

  requestSent(): void {
    if (this.upstream !== null) this.upstream.requests++;
  }

  connected(): void {
    if (this.upstream !== null) this.context.upstreams.connected(this.upstream);
  }

  /** Ends it: by reset, or when all that was queued is sent. */
  drop(abort: boolean): void {
    const upstream = this.release();
    if (upstream === null) return;
    const { budget, reactor, upstreams } = this.context;
    if (!upstream.isOpen) upstreams.connectFailed(upstream);
    if (abort) reactor.reset(upstream.slot);
    else budget.close(upstream.route.share, upstream.slot);
  }

  /** Leaves it to the next client of the same workload. */
  leave(): void {
    if (this.isConnecting) {
      this.drop(true);
      return;
    }
    const { budget, nowMs, pool } = this.context;
    const upstream = this.release();
    if (upstream === null || pool.put(upstream, nowMs)) return;
    budget.close(upstream.route.share, upstream.slot);
  }

  /** Hands it over; the caller sees to it from now on. */
  release(): Upstream | null {
    const { upstream } = this;
    if (upstream === null) return null;
    this.upstream = null;
    upstream.route.share.servers--;
    this.context.owners.clear(upstream.slot);
    return upstream;
  }
}
