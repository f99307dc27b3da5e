// SPDX-License-Identifier: Apache-2.0
import type { Reactor } from '../core/port/reactor.ts';
import type { Share, Shares } from './limits.ts';
import type { Pool } from './pool.ts';

/**
 * Who may have how many of a worker's sockets. Half of them is divided evenly: that part is a workload's own, whatever
 * the others do. The other half is for whoever needs more.
 */
export class SocketBudget {
  private readonly reactor: Reactor;
  private readonly shares: Shares;
  private readonly pool: Pool;
  /** Of each workload. */
  private own = 0;
  /** For all. */
  private common = 0;

  constructor(reactor: Reactor, shares: Shares, pool: Pool) {
    this.reactor = reactor;
    this.shares = shares;
    this.pool = pool;
  }

  /** @param sockets of this worker in all @param workloads how many share them */
  divide(sockets: number, workloads: number): void {
    this.own = Math.floor(sockets / 2 / Math.max(workloads, 1));
    this.common = sockets - this.own * workloads;
  }

  /** Whether a workload may have so many sockets more. */
  admits(share: Share, count: number): boolean {
    if (this.hasRoom(share, count)) return true;
    this.settle();
    if (this.hasRoom(share, count)) return true;
    // What waits for a next client makes room for one that is here.
    return this.pool.evict(share, count) && this.hasRoom(share, count);
  }

  /** Closes a socket behind what is queued on it; its workload is charged until it is gone. */
  close(share: Share, slot: number): void {
    this.reactor.close(slot);
    share.closing.push(slot);
  }

  /** Forgets the sockets that have closed. To be called now and then. */
  settle(): void {
    for (const share of this.shares.all()) {
      if (share.closing.length === 0) continue;
      share.closing = share.closing.filter((slot) => this.reactor.fd(slot) >= 0);
    }
  }

  private hasRoom(share: Share, count: number): boolean {
    const wanted = share.sockets + count;
    if (wanted <= this.own) return true;
    let borrowed = wanted - this.own;
    for (const other of this.shares.all()) {
      if (other !== share) borrowed += Math.max(other.sockets - this.own, 0);
    }
    return borrowed <= this.common;
  }
}
