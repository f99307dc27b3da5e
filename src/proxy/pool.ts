// SPDX-License-Identifier: Apache-2.0
import type { Reactor } from '../core/port/reactor.ts';
import type { Owners, SlotOwner } from './owner.ts';
import type { Share } from './limits.ts';
import type { Route } from './route.ts';
import { Timed, type TimerWheel } from './timers.ts';
import type { Upstream } from './upstream.ts';

/** Kept long enough for the next of many short client connections, shorter than any server's keep-alive. */
const IDLE_MS = 3000;
const PER_ROUTE = 256;

/** An upstream connection between two clients. Whatever happens on it but reuse ends it. */
export class IdleUpstream extends Timed implements SlotOwner {
  readonly upstream: Upstream;
  private readonly pool: Pool;

  constructor(upstream: Upstream, pool: Pool) {
    super();
    this.upstream = upstream;
    this.pool = pool;
  }

  get netnsFd(): number {
    return this.upstream.route.listener.netnsFd;
  }

  override expired(): void {
    this.pool.drop(this);
  }

  connected(): void {}

  /** A server that speaks unasked can't be trusted with a request. */
  data(): void {
    this.pool.drop(this);
  }

  end(): void {
    this.pool.drop(this);
  }

  failed(): void {
    this.pool.drop(this);
  }

  drained(): void {}
  congested(): void {}
  relayEnded(): void {}
  reviewed(): void {}
  drain(): void {}

  terminate(): void {
    this.pool.drop(this);
  }
}

/**
 * Idle upstream connections, so that short client connections don't pay a second handshake. One is only handed to
 * a client of the same workload, to the same server; a server that asks for its peer's name still sees the port of
 * the client for whom the connection was opened.
 */
export class Pool {
  private readonly reactor: Reactor;
  private readonly owners: Owners;
  private readonly timers: TimerWheel;
  private readonly capacity: number;
  /** Oldest first. */
  private readonly all = new Set<IdleUpstream>();
  isOn = true;

  constructor(reactor: Reactor, owners: Owners, timers: TimerWheel, capacity: number) {
    this.reactor = reactor;
    this.owners = owners;
    this.timers = timers;
    this.capacity = capacity;
  }

  get size(): number {
    return this.all.size;
  }

  take(route: Route): Upstream | undefined {
    const idle = route.idle.pop();
    if (idle === undefined) return undefined;
    this.forget(idle);
    return idle.upstream;
  }

  /** Keeps an upstream whose last exchange ended cleanly; false: there is no room for it. */
  put(upstream: Upstream, nowMs: number): boolean {
    const { route } = upstream;
    if (!this.isOn || this.size >= this.capacity || route.idle.length >= PER_ROUTE) return false;
    const idle = new IdleUpstream(upstream, this);
    route.idle.push(idle);
    this.all.add(idle);
    route.share.pooled++;
    this.owners.set(upstream.slot, idle);
    this.timers.set(idle, nowMs + IDLE_MS);
    this.reactor.resume(upstream.slot);
    return true;
  }

  /** Nothing waits on it in either direction: its descriptor is free at once. */
  drop(idle: IdleUpstream): void {
    const { upstream } = idle;
    const at = upstream.route.idle.indexOf(idle);
    if (at < 0) return;
    upstream.route.idle.splice(at, 1);
    this.forget(idle);
    this.owners.clear(upstream.slot);
    this.reactor.reset(upstream.slot);
  }

  /** Ends the oldest of a workload's; false: it has none. */
  evict(share: Share, count: number): boolean {
    if (share.pooled === 0) return false;
    let left = count;
    for (const idle of this.all) {
      if (idle.upstream.route.share !== share) continue;
      this.drop(idle);
      if (--left === 0) break;
    }
    return true;
  }

  private forget(idle: IdleUpstream): void {
    this.all.delete(idle);
    idle.upstream.route.share.pooled--;
    this.timers.clear(idle);
  }
}
