// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from 'node:timers/promises';
import type { FlowEvent, FlowQuery } from '../core/flow-filter.ts';
import type { ChangeSignal } from './change-signal.ts';
import { decodeFlow } from './decode.ts';
import { type FlowArena, ForwardCursor } from './flow-arena.ts';
import { flowUuid } from './flow-uuid.ts';
import type { LossLog } from './loss-log.ts';
import type { FlowNames } from './flow-names.ts';
import { compileQuery } from './match/filter.ts';
import type { Predicate } from './match/predicate.ts';
import { Offset } from './record-layout.ts';

/** Records looked at before other work of the process gets its turn. */
const SLICE = 65_536;
/** Names may change: a follower asks for them again after this many ms. */
const NAMES_AGE_MS = 1000;

export interface QueryStore {
  readonly arenas: readonly FlowArena[];
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

/** The newest matches of one ring, at most `limit`, newest first: a small answer is quick in a large store. */
async function newestOf(
  arena: FlowArena,
  matches: Predicate,
  limit: number,
  signal: AbortSignal,
): Promise<Found[]> {
  const found: Found[] = [];
  let position = arena.newest;
  for (let looked = 1; position >= 0 && found.length < limit; looked += 1) {
    if (matches(arena, arena.recordAt(position))) found.push({ arena, position });
    position = arena.before(position);
    if (looked % SLICE !== 0) continue;
    await setImmediate();
    // Appends overwrite from the old end: what they reached meanwhile is gone.
    if (signal.aborted || position < arena.tail) break;
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
  #matches: Predicate;
  #compiledAt = performance.now();

  constructor(store: QueryStore, query: FlowQuery, names: FlowNames, signal: AbortSignal) {
    this.#store = store;
    this.#query = query;
    this.#names = names;
    this.#signal = signal;
    this.#matches = compileQuery(query, names);
  }

  async *events(): AsyncGenerator<FlowEvent, void, undefined> {
    const { limit, end, follow, since = 0n, until } = this.#query;
    const { arenas, losses } = this.#store;
    const mark = losses.end;
    if (limit === undefined || end === 'oldest') {
      for (const loss of losses.between(since, until)) yield { type: 'lost', ...loss };
      const cursors = arenas.map((arena) => new ForwardCursor(arena, 'oldest'));
      yield* this.#forward(cursors, limit ?? Infinity, mark);
      return;
    }
    const cursors = arenas.map((arena) => new ForwardCursor(arena, 'end'));
    yield* this.#newest(limit);
    if (follow) yield* this.#forward(cursors, Infinity, mark);
  }

  #event({ arena, position }: Found): FlowEvent {
    const at = arena.recordAt(position);
    return { type: 'flow', uuid: flowUuid(arena.bytes, at), flow: decodeFlow(arena, at, this.#names) };
  }

  async *#newest(limit: number): AsyncGenerator<FlowEvent, void, undefined> {
    const { arenas, losses } = this.#store;
    const found: Found[] = [];
    for (const arena of arenas) found.push(...(await newestOf(arena, this.#matches, limit, this.#signal)));
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
    cursors: readonly ForwardCursor[],
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
        const event = this.#event({ arena: cursor.arena, position: cursor.peek() });
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
  async #nextMatch(cursors: readonly ForwardCursor[]): Promise<ForwardCursor | 'paused' | undefined> {
    let oldest: { readonly cursor: ForwardCursor; readonly time: bigint } | undefined;
    let looked = 0;
    for (const cursor of cursors) {
      const { arena } = cursor;
      let position = cursor.peek();
      for (; position >= 0 && !this.#matches(arena, arena.recordAt(position)); position = cursor.peek()) {
        cursor.next();
        looked += 1;
        if (looked % SLICE !== 0) continue;
        await setImmediate();
        return 'paused';
      }
      if (position < 0) continue;
      const time = timeOf({ arena, position });
      if (oldest === undefined || time < oldest.time) oldest = { cursor, time };
    }
    return oldest?.cursor;
  }

  #renewNames(): void {
    if (performance.now() - this.#compiledAt < NAMES_AGE_MS) return;
    this.#matches = compileQuery(this.#query, this.#names);
    this.#compiledAt = performance.now();
  }
}
