// SPDX-License-Identifier: Apache-2.0

/**
 * One workload's use of the proxy. Charged is the workload in whose namespace the listener stands: it is the
 * one that can cause the load on it, or whose clients do, and nobody else's share is touched.
 */
export class Share {
  connections = 0;
  /** Connections to servers that clients use, or will as soon as they are there. */
  servers = 0;
  /** Streams of HTTP/2 that are open. */
  streams = 0;
  /** Bytes that wait in the proxy for a slow reader or an unfinished head. */
  bytes = 0;
  /** Connections to servers that wait for a next client. */
  pooled = 0;
  /** Slots that are closed but have output left, or a peer that hasn't closed yet. */
  closing: number[] = [];

  get sockets(): number {
    return this.connections + this.servers + this.pooled + this.closing.length;
  }
}

export class Shares {
  private readonly shares = new Map<number, Share>();

  /** The same object for the same workload, also across configurations. */
  of(workload: number): Share {
    let share = this.shares.get(workload);
    if (share === undefined) {
      share = new Share();
      this.shares.set(workload, share);
    }
    return share;
  }

  /** Forgets workloads that are gone and idle. */
  retain(workloads: ReadonlySet<number>): void {
    for (const [id, share] of this.shares) {
      if (!workloads.has(id) && share.sockets === 0) this.shares.delete(id);
    }
  }

  all(): Iterable<Share> {
    return this.shares.values();
  }

  get connections(): number {
    let sum = 0;
    for (const share of this.shares.values()) sum += share.connections;
    return sum;
  }

  byWorkload(): [number, number][] {
    return [...this.shares].map(([workload, share]) => [workload, share.connections]);
  }
}
