// SPDX-License-Identifier: Apache-2.0
import { FLOW_FILLER, FlowChunk, type FlowMemory, FlowState } from '../core/port/flow-writer.ts';

/** Each entry: u32 its size with this header and the padding, u32 unused: records start at multiples of 8. */
export const ENTRY_HEADER = 8;
const ALIGNMENT = 8;

/** Chunks of a ring, if they are neither too small to be worth a summary nor too large to be skipped. */
const CHUNKS = 64;
const SMALLEST_CHUNK = 4096;
const LARGEST_CHUNK = 128 * 1024;

/** Bytes of the chunks that a ring of so many bytes is divided into. */
export function chunkBytesOf(capacity: number): number {
  const even = Math.ceil(capacity / CHUNKS / ALIGNMENT) * ALIGNMENT;
  return Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, even));
}

/**
 * A ring of raw records with a fixed number of bytes, as it is read; a FlowWriter fills it, a chunk at a time over the oldest
 * ones. Entries never straddle the end of the ring. The chunks let a search pass over those that hold nothing it looks for.
 */
export class FlowArena {
  readonly capacity: number;
  readonly bytes: Buffer<ArrayBuffer>;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** For the writer. */
  readonly memory: FlowMemory;
  readonly slots: number;
  readonly #chunkBytes: number;
  readonly #chunksPerRound: number;
  readonly #state: Float64Array<ArrayBuffer>;
  readonly #chunks: Float64Array<ArrayBuffer>;

  constructor(capacityBytes: number, chunkBytes?: number) {
    this.capacity = Math.max(SMALLEST_CHUNK, capacityBytes - (capacityBytes % ALIGNMENT));
    const memory = new ArrayBuffer(this.capacity);
    this.bytes = Buffer.from(memory);
    this.u16 = new Uint16Array(memory);
    this.u32 = new Uint32Array(memory);
    this.#chunkBytes = chunkBytes ?? chunkBytesOf(this.capacity);
    this.#chunksPerRound = Math.ceil(this.capacity / this.#chunkBytes);
    this.slots = this.#chunksPerRound + 1;
    this.#state = new Float64Array(FlowState.words);
    this.#state[FlowState.chunk] = -1;
    this.#chunks = new Float64Array(this.slots * FlowChunk.columns).fill(-1);
    const { bytes } = this;
    this.memory = { bytes, chunkBytes: this.#chunkBytes, state: this.#state, chunks: this.#chunks };
  }

  /** Where the next entry goes, as a position. */
  get head(): number {
    return this.#state[FlowState.head] ?? 0;
  }

  /** Where the oldest entry is. */
  get tail(): number {
    return this.#state[FlowState.tail] ?? 0;
  }

  /** Records ever appended. */
  get appended(): number {
    return this.#state[FlowState.appended] ?? 0;
  }

  /** Records ever overwritten. */
  get evicted(): number {
    return this.#state[FlowState.evicted] ?? 0;
  }

  /** The chunk that the newest entry starts in, -1: none yet. */
  get chunk(): number {
    return this.#state[FlowState.chunk] ?? -1;
  }

  get stored(): number {
    return this.appended - this.evicted;
  }

  #column(chunk: number, column: number): number {
    return this.#chunks[(chunk % this.slots) * FlowChunk.columns + column] ?? -1;
  }

  /** Offset in the views of the record whose entry is at `position`. */
  recordAt(position: number): number {
    return (position % this.capacity) + ENTRY_HEADER;
  }

  /** Position of the entry behind the one at `position`; `head` if that was the newest. */
  after(position: number): number {
    const next = position + (this.u32[(position % this.capacity) >> 2] ?? 0);
    return next >= this.head ? this.head : Math.min(this.skipFiller(next), this.head);
  }

  /** Number of the chunk that an entry starts in. */
  chunkOf(position: number): number {
    const offset = position % this.capacity;
    const round = (position - offset) / this.capacity;
    return round * this.#chunksPerRound + Math.floor(offset / this.#chunkBytes);
  }

  /** Where the memory of a chunk ends, as a position. */
  endOf(chunk: number): number {
    const inRound = chunk % this.#chunksPerRound;
    const round = (chunk - inRound) / this.#chunksPerRound;
    return round * this.capacity + Math.min(this.capacity, (inRound + 1) * this.#chunkBytes);
  }

  /** The oldest chunk, from `chunk` on, with an entry of its own; -1: none. */
  chunkFrom(chunk: number): number {
    for (let next = chunk; next <= this.chunk; next += 1)
      if (this.#column(next, FlowChunk.number) === next) return next;
    return -1;
  }

  /** Position of the first entry of a chunk that has some, and how many records came before it. */
  firstOf(chunk: number): number {
    return this.#column(chunk, FlowChunk.first);
  }

  indexOf(chunk: number): number {
    return this.#column(chunk, FlowChunk.index);
  }

  /**
   * Calls `look` with the offset of each record of a chunk, oldest first, from the entry at `from` on if that is in it.
   * Returns the position where the next chunk's entries begin, or the head.
   */
  visit(chunk: number, from: number, look: (at: number) => void): number {
    const first = Math.max(this.firstOf(chunk), this.tail, from);
    const offset = first % this.capacity;
    const base = first - offset;
    const end = Math.min(this.endOf(chunk), this.head) - base;
    let at = offset;
    while (at < end) {
      const size = this.u32[at >> 2] ?? 0;
      if (size >= FLOW_FILLER) return this.skipFiller(base + at);
      look(at + ENTRY_HEADER);
      at += size;
    }
    return base + at;
  }

  /** Adds the positions of a chunk's entries whose record is wanted, oldest first; returns how many it looked at. */
  collect(chunk: number, wanted: (arena: FlowArena, at: number) => boolean, into: number[]): number {
    if (this.#column(chunk, FlowChunk.number) !== chunk) return 0;
    const first = Math.max(this.firstOf(chunk), this.tail);
    const base = first - (first % this.capacity) - ENTRY_HEADER;
    let looked = 0;
    this.visit(chunk, first, (at) => {
      looked += 1;
      if (wanted(this, at)) into.push(base + at);
    });
    return looked;
  }

  /** Passes over a filler, which stands where a round ends. */
  skipFiller(position: number): number {
    const size = this.u32[(position % this.capacity) >> 2] ?? 0;
    return size >= FLOW_FILLER ? position + size - FLOW_FILLER : position;
  }
}
