// SPDX-License-Identifier: Apache-2.0
import type { FlowArena } from './flow-arena.ts';
import type { IndexedRing } from './indexed-ring.ts';
import type { Matcher } from './match/matcher.ts';

const END = -1;
const UNFINISHED = -2;

/** Walks a ring from old to new, from match to match, and notices when it was overtaken. */
export class MatchCursor {
  /** What `seek` returns when it has looked at so much that others should have their turn. */
  static readonly unfinished = UNFINISHED;
  readonly arena: FlowArena;
  readonly #ring: IndexedRing;
  #position: number;
  /** Records appended before the one at the position. */
  #index: number;
  /** The record at the position is known to match. */
  #isMatch = false;
  /** Where the chunk ends that is known to be worth looking at, as a position. */
  #worthUntil = 0;

  /** Starts at the oldest record, or behind the newest. */
  constructor(ring: IndexedRing, from: 'oldest' | 'end') {
    const { arena } = ring;
    this.arena = arena;
    this.#ring = ring;
    this.#position = from === 'oldest' ? arena.tail : arena.head;
    this.#index = from === 'oldest' ? arena.evicted : arena.appended;
  }

  /** Of the match that `seek` found. */
  get position(): number {
    return this.#position;
  }

  /** Records that were overwritten before this cursor came by; it then stands at the oldest. */
  overtaken(): number {
    const lost = this.arena.evicted - this.#index;
    if (lost <= 0) return 0;
    this.#index = this.arena.evicted;
    this.#moveTo(this.arena.tail);
    return lost;
  }

  /** Moves to the next match, or the one that it stands at. Returns its position, -1 at the end, or `unfinished`. */
  seek(matcher: Matcher, budget: number): number {
    const { arena } = this;
    if (this.#isMatch) return this.#position;
    for (let left = budget; this.#index < arena.appended; left -= 1) {
      if (left === 0) return UNFINISHED;
      // Waiting at the end, the cursor may stand before a filler.
      this.#position = arena.skipFiller(this.#position);
      if (this.#position >= this.#worthUntil && this.#passesOver(matcher)) continue;
      if (matcher.record(arena, arena.recordAt(this.#position))) {
        this.#isMatch = true;
        return this.#position;
      }
      this.next();
    }
    return END;
  }

  /** Leaves the match behind. */
  next(): void {
    this.#moveTo(this.arena.after(this.#position));
    this.#index += 1;
  }

  #moveTo(position: number): void {
    this.#position = position;
    this.#isMatch = false;
  }

  /** Enters the chunk at the position, or leaves it out. */
  #passesOver(matcher: Matcher): boolean {
    const { arena } = this;
    const chunk = arena.chunkOf(this.#position);
    if (this.#ring.mayMatch(chunk, matcher)) {
      this.#worthUntil = arena.endOf(chunk);
      return false;
    }
    // The newest chunk still grows: it is asked again when there is more of it.
    const next = arena.chunkFrom(chunk + 1);
    this.#moveTo(next === -1 ? arena.head : arena.firstOf(next));
    this.#index = next === -1 ? arena.appended : arena.indexOf(next);
    return true;
  }
}
