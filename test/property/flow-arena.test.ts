// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ENTRY_HEADER, FlowArena } from '../../src/observability/flow-arena.ts';
import { Offset, RECORD_SIZE } from '../../src/observability/record-layout.ts';
import { record } from '../support/flow-records.ts';
import { appender } from '../support/flow-stores.ts';

const LONGEST = 1500;

function numbered(index: number, length: number): Buffer {
  const urlPath = 'x'.repeat(length - RECORD_SIZE - 'GET'.length);
  return record({ connection: BigInt(index), method: 'GET', urlPath });
}

function payload(arena: FlowArena, position: number): number {
  return arena.bytes.readUInt32LE(arena.recordAt(position) + Offset.connection);
}

/** Entry by entry, from the oldest on. */
function forwards(arena: FlowArena): number[] {
  const found: number[] = [];
  for (let left = arena.stored, at = arena.tail; left > 0; left -= 1, at = arena.after(at))
    found.push(payload(arena, at));
  return found;
}

/** Chunk by chunk, as a search does. */
function byChunks(arena: FlowArena): number[] {
  const positions: number[] = [];
  let looked = 0;
  const start = arena.stored === 0 ? 0 : arena.chunkOf(arena.tail);
  for (let chunk = arena.chunkFrom(start); chunk >= 0; chunk = arena.chunkFrom(chunk + 1))
    looked += arena.collect(chunk, () => true, positions);
  assert.equal(looked, arena.stored);
  return positions.map((position) => payload(arena, position));
}

test('a ring of any records holds the newest ones, entry by entry and chunk by chunk, within its size', () => {
  const sizes = fc.array(fc.integer({ min: RECORD_SIZE + 3, max: LONGEST }), { maxLength: 200 });
  const chunkSizes = fc.constantFrom(512, 1000, 1024, 4096);
  fc.assert(
    fc.property(sizes, chunkSizes, fc.integer({ min: 1, max: 40 }), (lengths, chunkBytes, batches) => {
      const arena = new FlowArena(4096, chunkBytes);
      const append = appender(arena);
      const all = lengths.map((length, index) => numbered(index, length));
      for (let from = 0, count = 1; from < all.length; from += count, count = (count % batches) + 1) {
        append(...all.slice(from, from + count));
        assert.ok(arena.head - arena.tail <= arena.capacity);
        if (arena.evicted > 0)
          assert.ok(arena.head - arena.tail > arena.capacity - chunkBytes - 2 * (LONGEST + ENTRY_HEADER));
      }
      const kept = forwards(arena);
      const expected = lengths.map((_, index) => index).slice(lengths.length - arena.stored);
      assert.deepEqual(kept, expected);
      assert.deepEqual(byChunks(arena), expected);
      assert.equal(arena.appended, lengths.length);
      let index = arena.evicted;
      for (let at = arena.tail; index < arena.appended; at = arena.after(at), index += 1) {
        const chunk = arena.chunkOf(at);
        if (arena.firstOf(chunk) === at) assert.equal(arena.indexOf(chunk), index);
        assert.ok(at < arena.endOf(chunk));
      }
    }),
    { numRuns: 300 },
  );
});

test('a record larger than the ring is refused and harms nothing', () => {
  const arena = new FlowArena(4096);
  appender(arena)(numbered(0, 1000), numbered(1, 5000), numbered(2, 1000));
  assert.deepEqual(forwards(arena), [0, 2]);
});
