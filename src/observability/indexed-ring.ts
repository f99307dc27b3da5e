// SPDX-License-Identifier: Apache-2.0
import { ChunkSummaries } from './chunk-summaries.ts';
import { chunkBytesOf, FlowArena } from './flow-arena.ts';
import type { Matcher } from './match/matcher.ts';
import { likeness, sameSummary } from './record-likeness.ts';

/** Bytes of records that may wait for their summary: a search that comes then takes some tens of ms longer. */
const MAX_WAITING = 32 * 1024 * 1024;

/** Power of two: as many kinds of records of one chunk are remembered. */
const KNOWN = 256;

/**
 * A ring of records and the summaries of its chunks, together in no more than a number of bytes. Records are
 * summarised when somebody searches: it costs several times what keeping them does, and nobody asks for most.
 */
export class IndexedRing {
  readonly arena: FlowArena;
  /** What it may take; a few bytes less are taken. */
  readonly budget: number;
  readonly #summaries: ChunkSummaries;
  /** Where the records begin that have no summary yet. */
  #from = 0;
  #open = -1;
  /** Offsets of records of the open chunk that were summarised, by their likeness; -1: none. */
  readonly #known = new Int32Array(KNOWN).fill(-1);

  /** @param chunkBytes for tests: a ring of a few records still has several chunks */
  constructor(bytes: number, chunkBytes: number = chunkBytesOf(bytes)) {
    this.budget = bytes;
    const perSlot = ChunkSummaries.bytesPerSlot(chunkBytes);
    // One summary more than there are chunks.
    const chunks = Math.max(1, Math.ceil((bytes - perSlot) / (chunkBytes + perSlot)));
    this.arena = new FlowArena(bytes - (chunks + 1) * perSlot, chunkBytes);
    this.#summaries = new ChunkSummaries(this.arena.slots, chunkBytes);
  }

  /** As they are now: of all records. */
  get summaries(): ChunkSummaries {
    this.#summarise();
    return this.#summaries;
  }

  #summarise(): void {
    const { arena } = this;
    let position = Math.max(this.#from, arena.tail);
    // What is known of the open chunk may have been overwritten.
    if (arena.chunkOf(arena.tail) >= this.#open) this.#known.fill(-1);
    while (position < arena.head) {
      position = arena.skipFiller(position);
      const chunk = arena.chunkOf(position);
      if (chunk !== this.#open) {
        this.#open = chunk;
        this.#summaries.open(chunk % arena.slots);
        this.#known.fill(-1);
      }
      position = arena.visit(chunk, position, this.#add);
    }
    this.#from = position;
  }

  /** Most records are like an earlier one of their chunk in all that a summary says. */
  readonly #add = (at: number): void => {
    const { arena } = this;
    const slot = likeness(arena, at) & (KNOWN - 1);
    const known = this.#known[slot] ?? -1;
    if (known >= 0 && sameSummary(arena, known, at)) {
      this.#summaries.addLike(arena, at);
      return;
    }
    this.#known[slot] = at;
    this.#summaries.add(arena, at);
  };

  /** To be called when records were appended: keeps those that wait for their summary from becoming too many. */
  grown(): void {
    const { head, tail } = this.arena;
    // What was overwritten meanwhile waits no more: a ring smaller than that is summarised only for those who search.
    if (head - Math.max(this.#from, tail) > MAX_WAITING) this.#summarise();
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
