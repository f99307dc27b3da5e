// SPDX-License-Identifier: Apache-2.0

/** Each entry: u32 its size with this header and the padding, u32 distance back to the entry before it. */
export const ENTRY_HEADER = 8;
const ALIGNMENT = 8;

/** Size of the filler that closes a round of the ring where the next entry does not fit. */
const FILLER = 0x8000_0000;

function padded(length: number): number {
  return (length + ENTRY_HEADER + ALIGNMENT - 1) & -ALIGNMENT;
}

/**
 * A ring of raw records with a fixed number of bytes: appending copies the bytes and overwrites the oldest
 * ones. Positions grow for ever (bytes ever written); entries never straddle the end of the ring.
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
  /** The newest entry; meaningless while empty. */
  #newest = 0;

  constructor(capacityBytes: number) {
    this.capacity = Math.max(4096, capacityBytes - (capacityBytes % ALIGNMENT));
    const memory = new ArrayBuffer(this.capacity);
    this.bytes = Buffer.from(memory);
    this.u16 = new Uint16Array(memory);
    this.u32 = new Uint32Array(memory);
  }

  get stored(): number {
    return this.appended - this.evicted;
  }

  /** Offset in the views of the record whose entry is at `position`. */
  recordAt(position: number): number {
    return (position % this.capacity) + ENTRY_HEADER;
  }

  /** Copies a record in and returns its position, or -1 if it is larger than the ring. */
  append(source: Buffer, start: number, end: number): number {
    const size = padded(end - start);
    if (size > this.capacity) return -1;
    let offset = this.head % this.capacity;
    const room = this.capacity - offset;
    if (room < size) {
      this.#evictBelow(this.head + room - this.capacity);
      this.u32[offset >> 2] = FILLER + room;
      this.head += room;
      offset = 0;
    }
    this.#evictBelow(this.head + size - this.capacity);
    const position = this.head;
    const isOnly = this.stored === 0;
    this.u32[offset >> 2] = size;
    this.u32[(offset >> 2) + 1] = isOnly ? 0 : position - this.#newest;
    source.copy(this.bytes, offset + ENTRY_HEADER, start, end);
    if (isOnly) this.tail = position;
    this.#newest = position;
    this.head = position + size;
    this.appended += 1;
    return position;
  }

  #evictBelow(limit: number): void {
    while (this.tail < limit && this.stored > 0) {
      this.tail = this.after(this.tail);
      this.evicted += 1;
    }
  }

  /** Position of the entry behind the one at `position`; `head` if that was the newest. */
  after(position: number): number {
    const next = position + (this.u32[(position % this.capacity) >> 2] ?? 0);
    if (next >= this.head) return this.head;
    const size = this.u32[(next % this.capacity) >> 2] ?? 0;
    return size >= FILLER ? Math.min(next + size - FILLER, this.head) : next;
  }

  /** Position of the entry before the one at `position`, or -1 at the oldest. */
  before(position: number): number {
    const distance = this.u32[((position % this.capacity) >> 2) + 1] ?? 0;
    const previous = position - distance;
    return distance === 0 || previous < this.tail ? -1 : previous;
  }

  /** The newest entry, -1 while empty. */
  get newest(): number {
    return this.stored === 0 ? -1 : this.#newest;
  }
}

/** Walks from old to new and notices when it was overtaken. */
export class ForwardCursor {
  readonly arena: FlowArena;
  #position: number;
  /** Records appended before the one at the position. */
  #index: number;

  /** Starts at the oldest record, or behind the newest. */
  constructor(arena: FlowArena, from: 'oldest' | 'end') {
    this.arena = arena;
    this.#position = from === 'oldest' ? arena.tail : arena.head;
    this.#index = from === 'oldest' ? arena.evicted : arena.appended;
  }

  /** Records that were overwritten before this cursor came by; it then stands at the oldest. */
  overtaken(): number {
    const lost = this.arena.evicted - this.#index;
    if (lost <= 0) return 0;
    this.#index = this.arena.evicted;
    this.#position = this.arena.tail;
    return lost;
  }

  /** Position of the current entry, -1 at the end. */
  peek(): number {
    if (this.#index >= this.arena.appended) return -1;
    // Waiting at the end, the cursor may stand before a filler.
    const offset = this.#position % this.arena.capacity;
    const size = this.arena.u32[offset >> 2] ?? 0;
    if (size >= FILLER) this.#position += size - FILLER;
    return this.#position;
  }

  next(): void {
    this.#position = this.arena.after(this.#position);
    this.#index += 1;
  }
}
