// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from 'node:timers/promises';
import type { FlowEvent, FlowQuery } from '../core/flow-filter.ts';
import type { ChangeSignal } from './change-signal.ts';
import { decodeFlow, endsHere } from './decode.ts';
import type { FlowArena } from './flow-arena.ts';
import { flowUuid } from './flow-uuid.ts';
import type { IndexedRing } from './indexed-ring.ts';
import type { LossLog } from './loss-log.ts';
import type { FlowNames } from './flow-names.ts';
import { compileQuery } from './match/filter.ts';
import type { Matcher } from './match/matcher.ts';
import { MatchCursor } from './match-cursor.ts';
import { Offset } from './record-layout.ts';

/** Records looked at before other work of the process gets its turn: a few ms. */
const SLICE = 65_536;
/** Names may change: a follower asks for them again after this many ms. */
const NAMES_AGE_MS = 1000;

export interface QueryStore {
  readonly rings: readonly IndexedRing[];
  readonly losses: LossLog;
  readonly changes: ChangeSignal;
}

interface Found {
  readonly arena: FlowArena;
  readonly position: number;
}

function timeOf({ arena, position }: Found): bigint {
  return arena.bytes.readBigUInt64LE(arena.recordAt(position) + Offset.time);
}

function byTime(a: Found, b: Found): number {
  const difference = timeOf(a) - timeOf(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The newest matches of one ring, at most `limit`, in no order: a small answer is quick in a large store. */
async function newestOf(
  ring: IndexedRing,
  matcher: Matcher,
  limit: number,
  signal: AbortSignal,
): Promise<Found[]> {
  const { arena } = ring;
  const found: Found[] = [];
  let looked = 0;
  for (const chunk of ring.chunks()) {
    if (found.length >= limit) break;
    if (!ring.mayMatch(chunk, matcher)) continue;
    const positions: number[] = [];
    looked += arena.collect(chunk, matcher.record, positions);
    for (const position of positions.slice(-(limit - found.length))) found.push({ arena, position });
    if (looked < SLICE) continue;
    looked = 0;
    // Appends overwrite from the old end: what they reach meanwhile is gone.
    await setImmediate();
    if (signal.aborted) break;
  }
  return found;
}

function lostInStore(count: number): FlowEvent {
  return { type: 'lost', source: 'store', count, time: BigInt(Date.now()) * 1_000_000n };
}

/** Answers one query. The caller's pace is the pace of the walk: nothing is queued for a slow one. */
export class FlowWalk {
  readonly #store: QueryStore;
  readonly #query: FlowQuery;
  readonly #names: FlowNames;
  readonly #signal: AbortSignal;
  #matcher: Matcher;
  #compiledAt = performance.now();

  constructor(store: QueryStore, query: FlowQuery, names: FlowNames, signal: AbortSignal) {
    this.#store = store;
    this.#query = query;
    this.#names = names;
    this.#signal = signal;
    this.#matcher = compileQuery(query, names);
  }

  async *events(): AsyncGenerator<FlowEvent, void, undefined> {
    const { limit, end, follow, since = 0n, until } = this.#query;
    const { rings, losses } = this.#store;
    const mark = losses.end;
    if (limit === undefined || end === 'oldest') {
      for (const loss of losses.between(since, until)) yield { type: 'lost', ...loss };
      const cursors = rings.map((ring) => new MatchCursor(ring, 'oldest'));
      yield* this.#forward(cursors, limit ?? Infinity, mark);
      return;
    }
    const cursors = rings.map((ring) => new MatchCursor(ring, 'end'));
    yield* this.#newest(limit);
    if (follow) yield* this.#forward(cursors, Infinity, mark);
  }

  #event({ arena, position }: Found): FlowEvent {
    const at = arena.recordAt(position);
    const flow = decodeFlow(arena, at, this.#names);
    return { type: 'flow', uuid: flowUuid(arena.bytes, at), flow, here: endsHere(arena, at) };
  }

  async *#newest(limit: number): AsyncGenerator<FlowEvent, void, undefined> {
    const { rings, losses } = this.#store;
    const found: Found[] = [];
    for (const ring of rings) found.push(...(await newestOf(ring, this.#matcher, limit, this.#signal)));
    const answer = found
      .filter(({ arena, position }) => position >= arena.tail)
      .sort(byTime)
      .slice(-limit);
    const [first] = limit > 0 ? answer : [];
    if (first === undefined) return;
    for (const loss of losses.between(timeOf(first), this.#query.until)) yield { type: 'lost', ...loss };
    let gone = 0;
    for (const entry of answer) {
      if (this.#signal.aborted) return;
      if (entry.position < entry.arena.tail) gone += 1;
      else yield this.#event(entry);
    }
    if (gone > 0) yield lostInStore(gone);
  }

  async *#forward(
    cursors: readonly MatchCursor[],
    limit: number,
    mark: number,
  ): AsyncGenerator<FlowEvent, void, undefined> {
    const { losses, changes } = this.#store;
    let told = mark;
    for (let left = limit; left > 0 && !this.#signal.aborted;) {
      const missed = cursors.reduce((sum, cursor) => sum + cursor.overtaken(), 0);
      if (missed > 0) yield lostInStore(missed);
      const cursor = await this.#nextMatch(cursors);
      if (cursor === 'paused') continue;
      if (cursor !== undefined) {
        const event = this.#event({ arena: cursor.arena, position: cursor.position });
        cursor.next();
        left -= 1;
        yield event;
        continue;
      }
      const fresh = losses.since(told);
      told = losses.end;
      for (const loss of fresh) yield { type: 'lost', ...loss };
      if (fresh.length > 0) continue;
      if (!this.#query.follow) return;
      await changes.wait(this.#signal);
      this.#renewNames();
    }
  }

  /**
   * Moves every cursor to its next match and returns the one whose match is the oldest; undefined at the end.
   * 'paused': other work had its turn, so the cursors may have been overtaken.
   */
  async #nextMatch(cursors: readonly MatchCursor[]): Promise<MatchCursor | 'paused' | undefined> {
    let oldest: { readonly cursor: MatchCursor; readonly time: bigint } | undefined;
    for (const cursor of cursors) {
      const position = cursor.seek(this.#matcher, SLICE);
      if (position === MatchCursor.unfinished) {
        await setImmediate();
        return 'paused';
      }
      if (position < 0) continue;
      const time = timeOf({ arena: cursor.arena, position });
      if (oldest === undefined || time < oldest.time) oldest = { cursor, time };
    }
    return oldest?.cursor;
  }

  #renewNames(): void {
    if (performance.now() - this.#compiledAt < NAMES_AGE_MS) return;
    this.#matcher = compileQuery(this.#query, this.#names);
    this.#compiledAt = performance.now();
  }
}
