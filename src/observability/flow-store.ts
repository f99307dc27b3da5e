// SPDX-License-Identifier: Apache-2.0
import type { FlowEvent, FlowQuery, FlowSource, FlowStats, LossSource } from '../core/flow-filter.ts';
import type { FlowWriter, FlowWriterClass } from '../core/port/flow-writer.ts';
import { ChangeSignal } from './change-signal.ts';
import { ENTRY_HEADER } from './flow-arena.ts';
import type { FlowNames } from './flow-names.ts';
import { FlowRate } from './flow-rate.ts';
import { IndexedRing } from './indexed-ring.ts';
import { LossLog } from './loss-log.ts';
import { FlowWalk } from './query.ts';
import { seenNamespaces } from './seen-namespaces.ts';
import { RECORD_SIZE } from './record-layout.ts';
import { WallClockOffset } from './wall-clock.ts';

/** What a flow takes in the arena on average, for capacity in flows: a request with a path and a host. */
const USUAL_SIZE = RECORD_SIZE + 32 + ENTRY_HEADER;

export interface FlowStoreOptions {
  /** Memory for allowed, audited and failed flows. */
  readonly bytes: number;
  /** Memory for denials, which other flows can't push out. */
  readonly denialBytes: number;
  readonly names: FlowNames;
  readonly writer: FlowWriterClass;
  readonly clock?: { current(): bigint };
}

/** Looks at a record as it came: its first byte is `bytes[at]`, its time the kernel's. Must not keep the buffer. */
export type RecordObserver = (bytes: Buffer, at: number) => void;

/**
 * Keeps raw flow records in memory of a fixed size. Appending is a copy in native code; names, text and filters cost the one
 * who asks. Followers read from the same memory at their own pace and are told how much they missed.
 */
export class FlowStore implements FlowSource {
  /** Flows, and denials. */
  readonly #rings: readonly [IndexedRing, IndexedRing];
  readonly #writer: FlowWriter;
  readonly #options: FlowStoreOptions;
  readonly #clock: { current(): bigint };
  readonly #losses = new LossLog();
  readonly #changes = new ChangeSignal();
  readonly #rate = new FlowRate();
  readonly #observers: RecordObserver[] = [];
  #seen = 0;
  /** Where records of the batch at hand begin that observers are to see. */
  #noted = new Uint32Array(1024);

  constructor(options: FlowStoreOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new WallClockOffset();
    this.#rings = [new IndexedRing(options.bytes), new IndexedRing(options.denialBytes)];
    const [flows, denials] = this.#rings;
    this.#writer = new options.writer(flows.arena.memory, denials.arena.memory);
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
    const count = Math.max(0, offsets.length - 1);
    if (this.#noted.length < count) this.#noted = new Uint32Array(count);
    const starts = offsets instanceof Uint32Array ? offsets : Uint32Array.from(offsets);
    const before = this.#appended;
    // From here on records carry the wall clock's time, so later steps of that clock don't touch them.
    const wall = BigInt.asUintN(64, this.#clock.current());
    const noted = count === 0 ? 0 : this.#writer.append(bytes, starts, wall, this.#noted);
    for (const ring of this.#rings) ring.grown();
    for (let index = 0; index < noted; index += 1)
      for (const observer of this.#observers) observer(bytes, this.#noted[index] ?? 0);
    const malformed = count - (this.#appended - before);
    this.#seen += count;
    this.#rate.add(count);
    if (malformed > 0) this.lost('store', malformed);
    this.#changes.notify();
    return malformed;
  }

  get #appended(): number {
    return this.#rings.reduce((sum, { arena }) => sum + arena.appended, 0);
  }

  /** Counts records that were lost before they got here; followers are told. `time`: wall clock, ns. */
  lost(source: LossSource, count: number, time?: bigint): void {
    if (count <= 0) return;
    this.#losses.add(source, count, time ?? this.#clock.current() + process.hrtime.bigint());
    this.#changes.notify();
  }

  query(query: FlowQuery, signal: AbortSignal): AsyncIterable<FlowEvent> {
    const store = { rings: this.#rings, losses: this.#losses, changes: this.#changes };
    return new FlowWalk(store, query, this.#options.names, signal).events();
  }

  stats(): FlowStats {
    const arenas = this.#rings.map(({ arena }) => arena);
    const capacityBytes = this.#rings.reduce((sum, ring) => sum + ring.budget, 0);
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
    return seenNamespaces(this.#rings, this.#options.names);
  }
}
