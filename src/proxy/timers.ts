// SPDX-License-Identifier: Apache-2.0

/** Something with a deadline. Moving `due` later costs one store; the wheel notices when it gets there. */
export abstract class Timed {
  /** ms on the wheel's clock; 0: none. */
  due = 0;
  /** When the wheel will look; 0: not in the wheel. */
  looksAt = 0;
  /** Neighbours in a bucket; itself when it is in none. */
  next: Timed = this;
  previous: Timed = this;

  /** The deadline has passed. Not in the wheel any more when this is called. */
  abstract expired(nowMs: number): void;
}

class Bucket extends Timed {
  override expired(): void {}
}

const BUCKETS = 512;

/**
 * Hashed timer wheel with lazy deadlines: a connection that is active all the time moves its deadline without
 * touching the wheel, and is looked at once a revolution at most.
 */
export class TimerWheel {
  private readonly buckets: Bucket[] = [];
  private readonly tickMs: number;
  private position: number;

  constructor(nowMs: number, tickMs = 50) {
    this.tickMs = tickMs;
    this.position = Math.floor(nowMs / tickMs);
    for (let i = 0; i < BUCKETS; i++) {
      this.buckets.push(new Bucket());
    }
  }

  /** Sets a deadline. */
  set(timed: Timed, due: number): void {
    timed.due = due;
    if (timed.looksAt !== 0 && timed.looksAt <= due) return;
    if (timed.looksAt !== 0) unlink(timed);
    this.insert(timed);
  }

  /** Forgets a deadline. */
  clear(timed: Timed): void {
    timed.due = 0;
    if (timed.looksAt === 0) return;
    unlink(timed);
    timed.looksAt = 0;
  }

  /** Calls `expired` on everything whose deadline has passed. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / this.tickMs);
    // After a long pause (suspended machine) one revolution sees everything.
    if (target - this.position > BUCKETS) this.position = target - BUCKETS;
    while (this.position < target) {
      this.position++;
      this.visit(this.buckets[this.position % BUCKETS] as Bucket, nowMs);
    }
  }

  private visit(bucket: Bucket, nowMs: number): void {
    let timed: Timed = bucket.next;
    while (timed !== bucket) {
      unlink(timed);
      timed.looksAt = 0;
      if (timed.due !== 0 && timed.due <= nowMs) {
        timed.due = 0;
        timed.expired(nowMs);
      } else if (timed.due !== 0) {
        // Never into this bucket again: insert() looks at most one tick less than a revolution ahead.
        this.insert(timed);
      }
      timed = bucket.next;
    }
  }

  private insert(timed: Timed): void {
    const wanted = Math.ceil(timed.due / this.tickMs);
    const tick = Math.max(this.position + 1, Math.min(wanted, this.position + BUCKETS - 1));
    timed.looksAt = tick * this.tickMs;
    const bucket = this.buckets[tick % BUCKETS] as Bucket;
    timed.next = bucket;
    timed.previous = bucket.previous;
    bucket.previous.next = timed;
    bucket.previous = timed;
  }
}

function unlink(timed: Timed): void {
  timed.previous.next = timed.next;
  timed.next.previous = timed.previous;
  timed.next = timed;
  timed.previous = timed;
}
