// SPDX-License-Identifier: Apache-2.0

/** Each entry: u32 its size with this header and the padding, u32 unused: records start at multiples of 8. */
export const ENTRY_HEADER = 8;
const ALIGNMENT = 8;

/** Size of the filler that closes a round of the ring where the next entry does not fit. */
const FILLER = 0x8000_0000;

/** Chunks of a ring, if they are neither too small to be worth a summary nor too large to be skipped. */
const CHUNKS = 64;
const SMALLEST_CHUNK = 4096;
const LARGEST_CHUNK = 128 * 1024;

function padded(length: number): number {
  return (length + ENTRY_HEADER + ALIGNMENT - 1) & -ALIGNMENT;
}

/** Bytes of the chunks that a ring of so many bytes is divided into. */
export function chunkBytesOf(capacity: number): number {
  const even = Math.ceil(capacity / CHUNKS / ALIGNMENT) * ALIGNMENT;
  return Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, even));
}

/**
 * A ring of raw records with a fixed number of bytes: appending copies the bytes and overwrites the oldest
 * ones. Positions grow for ever (bytes ever written); entries never straddle the end of the ring. It is divided
 * into chunks, whose numbers grow, too, so that a search can pass over those that hold nothing it looks for.
 */
export class FlowArena {
  readonly capacity: number;
  readonly bytes: Buffer;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** Records ever appended and overwritten. */
  appended = 0;
  evicted = 0;
  /** Where the next entry goes, and where the oldest one is. */
  head = 0;
  tail = 0;
  /** Their offsets in the views: a remainder of such large numbers costs more than all else of an append. */
  #headOffset = 0;
  #tailOffset = 0;
  /** The chunk that the newest entry starts in, -1: none yet. */
  chunk = -1;
  /** Offset where the memory of that chunk ends, 0: the next entry begins a chunk. */
  #chunkEnd = 0;
  readonly #chunkBytes: number;
  readonly #chunksPerRound: number;
  /** One more than a round has: the oldest chunk is still there while its memory is being overwritten. */
  readonly slots: number;
  /** By slot: number of the chunk, position of its first entry, records appended before that. */
  readonly #numbers: Float64Array;
  readonly #firsts: Float64Array;
  readonly #indexes: Float64Array;

  constructor(capacityBytes: number, chunkBytes?: number) {
    this.capacity = Math.max(SMALLEST_CHUNK, capacityBytes - (capacityBytes % ALIGNMENT));
    const memory = new ArrayBuffer(this.capacity);
    this.bytes = Buffer.from(memory);
    this.u16 = new Uint16Array(memory);
    this.u32 = new Uint32Array(memory);
    this.#chunkBytes = chunkBytes ?? chunkBytesOf(this.capacity);
    this.#chunksPerRound = Math.ceil(this.capacity / this.#chunkBytes);
    this.slots = this.#chunksPerRound + 1;
    this.#numbers = new Float64Array(this.slots).fill(-1);
    this.#firsts = new Float64Array(this.slots);
    this.#indexes = new Float64Array(this.slots);
  }

  get stored(): number {
    return this.appended - this.evicted;
  }

  /** Offset in the views of the record whose entry is at `position`. */
  recordAt(position: number): number {
    return (position % this.capacity) + ENTRY_HEADER;
  }

  /** Copies a record in and returns the offset of its first byte, or -1 if it is larger than the ring. */
  append(source: Buffer, start: number, end: number): number {
    const size = padded(end - start);
    if (size > this.capacity) return -1;
    const room = this.capacity - this.#headOffset;
    if (room < size) {
      this.#evictBelow(this.head + room - this.capacity);
      this.u32[this.#headOffset >> 2] = FILLER + room;
      this.#passHead(room);
    }
    this.#evictBelow(this.head + size - this.capacity);
    const offset = this.#headOffset;
    if (this.appended === this.evicted) {
      this.tail = this.head;
      this.#tailOffset = offset;
    }
    if (offset >= this.#chunkEnd) this.#enter(offset);
    this.u32[offset >> 2] = size;
    source.copy(this.bytes, offset + ENTRY_HEADER, start, end);
    this.#passHead(size);
    this.appended += 1;
    return offset + ENTRY_HEADER;
  }

  #passHead(size: number): void {
    this.head += size;
    this.#headOffset += size;
    if (this.#headOffset < this.capacity) return;
    this.#headOffset = 0;
    this.#chunkEnd = 0;
  }

  /** Begins the chunk of the entry that comes to `offset`. */
  #enter(offset: number): void {
    this.chunk = this.chunkOf(this.head);
    this.#chunkEnd = offset - (offset % this.#chunkBytes) + this.#chunkBytes;
    const slot = this.chunk % this.slots;
    this.#numbers[slot] = this.chunk;
    this.#firsts[slot] = this.head;
    this.#indexes[slot] = this.appended;
  }

  #evictBelow(limit: number): void {
    while (this.tail < limit && this.evicted < this.appended) {
      this.#passTail(this.u32[this.#tailOffset >> 2] ?? 0);
      this.evicted += 1;
      if (this.evicted === this.appended) return;
      const filler = (this.u32[this.#tailOffset >> 2] ?? 0) - FILLER;
      if (filler >= 0) this.#passTail(filler);
    }
  }

  #passTail(size: number): void {
    this.tail += size;
    this.#tailOffset += size;
    if (this.#tailOffset >= this.capacity) this.#tailOffset = 0;
  }

  /** Position of the entry behind the one at `position`; `head` if that was the newest. */
  after(position: number): number {
    const next = position + (this.u32[(position % this.capacity) >> 2] ?? 0);
    if (next >= this.head) return this.head;
    const size = this.u32[(next % this.capacity) >> 2] ?? 0;
    return size >= FILLER ? Math.min(next + size - FILLER, this.head) : next;
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
      if (this.#numbers[next % this.slots] === next) return next;
    return -1;
  }

  /** Position of the first entry of a chunk that has some, and how many records came before it. */
  firstOf(chunk: number): number {
    return this.#firsts[chunk % this.slots] ?? 0;
  }

  indexOf(chunk: number): number {
    return this.#indexes[chunk % this.slots] ?? 0;
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
      if (size >= FILLER) return base + at + size - FILLER;
      look(at + ENTRY_HEADER);
      at += size;
    }
    return base + at;
  }

  /** Adds the positions of a chunk's entries whose record is wanted, oldest first; returns how many it looked at. */
  collect(chunk: number, wanted: (arena: FlowArena, at: number) => boolean, into: number[]): number {
    if (this.#numbers[chunk % this.slots] !== chunk) return 0;
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
    return size >= FILLER ? position + size - FILLER : position;
  }
}
