// SPDX-License-Identifier: Apache-2.0
import type { Reactor } from '../core/port/reactor.ts';
import type { Owners, SlotOwner } from './owner.ts';
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
  size = 0;
  isOn = true;

  constructor(reactor: Reactor, owners: Owners, timers: TimerWheel, capacity: number) {
    this.reactor = reactor;
    this.owners = owners;
    this.timers = timers;
    this.capacity = capacity;
  }

  take(route: Route): Upstream | undefined {
    const idle = route.idle.pop();
    if (idle === undefined) return undefined;
    this.size--;
    this.timers.clear(idle);
    return idle.upstream;
  }

  /** Keeps an upstream whose last exchange ended cleanly, or closes it. */
  put(upstream: Upstream, nowMs: number): void {
    const { route } = upstream;
    if (!this.isOn || this.size >= this.capacity || route.idle.length >= PER_ROUTE) {
      this.owners.clear(upstream.slot);
      this.reactor.close(upstream.slot);
      return;
    }
    const idle = new IdleUpstream(upstream, this);
    route.idle.push(idle);
    this.size++;
    this.owners.set(upstream.slot, idle);
    this.timers.set(idle, nowMs + IDLE_MS);
    this.reactor.resume(upstream.slot);
  }

  drop(idle: IdleUpstream): void {
    const { upstream } = idle;
    const at = upstream.route.idle.indexOf(idle);
    if (at < 0) return;
    upstream.route.idle.splice(at, 1);
    this.size--;
    this.timers.clear(idle);
    this.owners.clear(upstream.slot);
    this.reactor.close(upstream.slot);
  }
}
