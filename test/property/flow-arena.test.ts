// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlowArena } from '../../src/observability/flow-arena.ts';

function payload(arena: FlowArena, position: number): number {
  return arena.bytes.readUInt32LE(arena.recordAt(position));
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
  const sizes = fc.array(fc.integer({ min: 4, max: 1500 }), { maxLength: 200 });
  const chunkSizes = fc.constantFrom(512, 1000, 1024, 4096);
  fc.assert(
    fc.property(sizes, chunkSizes, (lengths, chunkBytes) => {
      const arena = new FlowArena(4096, chunkBytes);
      lengths.forEach((length, index) => {
        const bytes = Buffer.alloc(length, 0xaa);
        bytes.writeUInt32LE(index);
        assert.ok(arena.append(bytes, 0, length) >= 0);
        assert.ok(arena.head - arena.tail <= arena.capacity);
      });
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
  arena.append(Buffer.alloc(16), 0, 16);
  assert.equal(arena.append(Buffer.alloc(5000), 0, 5000), -1);
  assert.equal(arena.stored, 1);
});
