// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../core/abi/flow.ts';
import { verdict } from '../core/abi/policy.ts';
import type { FlowEvent, FlowQuery, FlowSource, FlowStats, LossSource } from '../core/flow-filter.ts';
import { ChangeSignal } from './change-signal.ts';
import { ENTRY_HEADER } from './flow-arena.ts';
import type { FlowNames } from './flow-names.ts';
import { FlowRate } from './flow-rate.ts';
import { IndexedRing } from './indexed-ring.ts';
import { LossLog } from './loss-log.ts';
import { FlowWalk } from './query.ts';
import { seenNamespaces } from './seen-namespaces.ts';
import { Offset, RECORD_SIZE, recordLength } from './record-layout.ts';
import { WallClockOffset } from './wall-clock.ts';

/** What a flow takes in the arena on average, for capacity in flows: a request with a path and a host. */
const USUAL_SIZE = RECORD_SIZE + 32 + ENTRY_HEADER;

export interface FlowStoreOptions {
  /** Memory for allowed, audited and failed flows. */
  readonly bytes: number;
  /** Memory for denials, which other flows can't push out. */
  readonly denialBytes: number;
  readonly names: FlowNames;
  readonly clock?: { current(): bigint };
}

/** Looks at a stored record: its first byte is `bytes[at]`. Must not keep the buffer. */
export type RecordObserver = (bytes: Buffer, at: number) => void;

/**
 * Keeps raw flow records in memory of a fixed size. Appending is a copy; names, text and filters cost the one
 * who asks. Followers read from the same memory at their own pace and are told how much they missed.
 */
export class FlowStore implements FlowSource {
  readonly #flows: IndexedRing;
  readonly #denials: IndexedRing;
  readonly #options: FlowStoreOptions;
  readonly #clock: { current(): bigint };
  readonly #losses = new LossLog();
  readonly #changes = new ChangeSignal();
  readonly #rate = new FlowRate();
  readonly #observers: RecordObserver[] = [];
  #seen = 0;
  /** From the monotonic clock to the wall clock for the batch at hand, ns, in two halves. */
  #offsetLow = 0;
  #offsetHigh = 0;

  constructor(options: FlowStoreOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new WallClockOffset();
    this.#flows = new IndexedRing(options.bytes);
    this.#denials = new IndexedRing(options.denialBytes);
  }

  /**
   * Calls `observer` for each record that is appended from then on, but for those of allowed requests: they are nearly all,
   * and counted where they were judged.
   */
  onRecord(observer: RecordObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Copies records in: record i is bytes[offsets[i]] to bytes[offsets[i + 1]]. Returns how many were malformed
   * and left out; those count as lost in the store.
   */
  append(bytes: Buffer, offsets: Uint32Array | readonly number[]): number {
    const offset = BigInt.asUintN(64, this.#clock.current());
    this.#offsetLow = Number(offset & 0xffff_ffffn);
    this.#offsetHigh = Number(offset >> 32n);
    const count = offsets.length - 1;
    let malformed = 0;
    for (let index = 0; index < count; index += 1) {
      const start = offsets[index] ?? 0;
      if (!this.#appendOne(bytes, start, offsets[index + 1] ?? start)) malformed += 1;
    }
    this.#seen += Math.max(0, count);
    this.#rate.add(Math.max(0, count));
    if (malformed > 0) this.lost('store', malformed);
    this.#changes.notify();
    return malformed;
  }

  #appendOne(bytes: Buffer, start: number, end: number): boolean {
    const length = recordLength(bytes, start, Math.min(end, bytes.length));
    if (length < 0) return false;
    const ring = bytes[start + Offset.verdict] === verdict.denied ? this.#denials : this.#flows;
    // From here on the record carries the wall clock's time, so later steps of that clock don't touch it.
    const at = ring.append(bytes, start, start + length, this.#offsetLow, this.#offsetHigh);
    if (at < 0) return false;
    if (bytes[start + Offset.kind] === flowKind.request && bytes[start + Offset.verdict] === verdict.allowed)
      return true;
    for (const observer of this.#observers) observer(ring.arena.bytes, at);
    return true;
  }

  /** Counts records that were lost before they got here; followers are told. `time`: wall clock, ns. */
  lost(source: LossSource, count: number, time?: bigint): void {
    if (count <= 0) return;
    this.#losses.add(source, count, time ?? this.#clock.current() + process.hrtime.bigint());
    this.#changes.notify();
  }

  query(query: FlowQuery, signal: AbortSignal): AsyncIterable<FlowEvent> {
    const store = { rings: [this.#flows, this.#denials], losses: this.#losses, changes: this.#changes };
    return new FlowWalk(store, query, this.#options.names, signal).events();
  }

  stats(): FlowStats {
    const rings = [this.#flows, this.#denials];
    const arenas = rings.map(({ arena }) => arena);
    const capacityBytes = rings.reduce((sum, ring) => sum + ring.budget, 0);
    const recordBytes = arenas.reduce((sum, { capacity }) => sum + capacity, 0);
    return {
      stored: arenas.reduce((sum, arena) => sum + arena.stored, 0),
      capacity: Math.floor(recordBytes / USUAL_SIZE),
      seen: this.#seen,
      bytes: arenas.reduce((sum, arena) => sum + (arena.head - arena.tail), 0),
      capacityBytes,
      lost: this.#losses.totals(),
      rate: this.#rate.perSecond(),
    };
  }

  namespaces(): readonly string[] {
    return seenNamespaces([this.#flows, this.#denials], this.#options.names);
  }
}
