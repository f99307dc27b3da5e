// SPDX-License-Identifier: Apache-2.0
import { ChunkSummaries } from './chunk-summaries.ts';
import { chunkBytesOf, FlowArena } from './flow-arena.ts';
import type { Matcher } from './match/matcher.ts';
import { Offset } from './record-layout.ts';

/** A ring of records and the summaries of its chunks, together in no more than a number of bytes. */
export class IndexedRing {
  readonly arena: FlowArena;
  readonly summaries: ChunkSummaries;
  /** What it may take; a few bytes less are taken. */
  readonly budget: number;
  #open = -1;

  /** @param chunkBytes for tests: a ring of a few records still has several chunks */
  constructor(bytes: number, chunkBytes: number = chunkBytesOf(bytes)) {
    this.budget = bytes;
    const perSlot = ChunkSummaries.bytesPerSlot(chunkBytes);
    // One summary more than there are chunks.
    const chunks = Math.max(1, Math.ceil((bytes - perSlot) / (chunkBytes + perSlot)));
    this.arena = new FlowArena(bytes - (chunks + 1) * perSlot, chunkBytes);
    this.summaries = new ChunkSummaries(this.arena.slots, chunkBytes);
  }

  /**
   * Copies a record in and adds the offset (u64 in two halves) to its time. Returns where its first byte is in
   * the arena, -1: it is too large.
   */
  append(bytes: Buffer, start: number, end: number, offsetLow: number, offsetHigh: number): number {
    const { arena, summaries } = this;
    const position = arena.append(bytes, start, end);
    if (position < 0) return -1;
    const at = arena.recordAt(position);
    const word = (at + Offset.time) >> 2;
    const low = (arena.u32[word] ?? 0) + offsetLow;
    const carry = low >= 2 ** 32 ? 1 : 0;
    arena.u32[word] = low;
    arena.u32[word + 1] = (arena.u32[word + 1] ?? 0) + offsetHigh + carry;
    if (arena.chunk !== this.#open) {
      this.#open = arena.chunk;
      summaries.open(arena.chunk % arena.slots);
    }
    summaries.add(arena, at);
    return at;
  }

  /** Whether some record of the chunk may match, as it stands. */
  mayMatch(chunk: number, matcher: Matcher): boolean {
    return matcher.chunk(this.summaries, chunk % this.arena.slots);
  }

  /** The chunks that hold records, from the newest to the oldest. */
  *chunks(): Generator<number, void, undefined> {
    const { arena } = this;
    for (let chunk = arena.chunk; arena.stored > 0 && chunk >= arena.chunkOf(arena.tail); chunk -= 1)
      yield chunk;
  }
}
