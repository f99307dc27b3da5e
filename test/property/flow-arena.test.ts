// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FlowArena, ForwardCursor } from '../../src/observability/flow-arena.ts';

function payload(arena: FlowArena, position: number): number {
  return arena.bytes.readUInt32LE(arena.recordAt(position));
}

function forwards(arena: FlowArena): number[] {
  const cursor = new ForwardCursor(arena, 'oldest');
  const found: number[] = [];
  for (let position = cursor.peek(); position >= 0; position = cursor.peek()) {
    found.push(payload(arena, position));
    cursor.next();
  }
  return found;
}

function backwards(arena: FlowArena): number[] {
  const found: number[] = [];
  for (let position = arena.newest; position >= 0; position = arena.before(position))
    found.push(payload(arena, position));
  return found;
}

test('a ring of any records holds the newest ones, the same from both ends, within its size', () => {
  const sizes = fc.array(fc.integer({ min: 4, max: 1500 }), { maxLength: 200 });
  fc.assert(
    fc.property(sizes, (lengths) => {
      const arena = new FlowArena(4096);
      lengths.forEach((length, index) => {
        const bytes = Buffer.alloc(length, 0xaa);
        bytes.writeUInt32LE(index);
        assert.ok(arena.append(bytes, 0, length) >= 0);
        assert.ok(arena.head - arena.tail <= arena.capacity);
      });
      const kept = forwards(arena);
      const expected = lengths.map((_, index) => index).slice(lengths.length - arena.stored);
      assert.deepEqual(kept, expected);
      assert.deepEqual(backwards(arena), expected.toReversed());
      assert.equal(arena.appended, lengths.length);
    }),
    { numRuns: 300 },
  );
});

test('a cursor that reads while records are appended sees each record once, or counts it as missed', () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 4, max: 900 }), fc.integer({ min: 0, max: 3 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, (plan) => {
      const arena = new FlowArena(4096);
      const cursor = new ForwardCursor(arena, 'end');
      let next = 0;
      plan.forEach(([length, reads], index) => {
        const bytes = Buffer.alloc(length);
        bytes.writeUInt32LE(index);
        arena.append(bytes, 0, length);
        for (let read = 0; read < reads; read += 1) {
          next += cursor.overtaken();
          const position = cursor.peek();
          if (position < 0) break;
          assert.equal(payload(arena, position), next);
          cursor.next();
          next += 1;
        }
      });
      assert.ok(next <= plan.length);
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
