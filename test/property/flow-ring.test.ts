// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexedRing } from '../../src/observability/indexed-ring.ts';
import { compileQuery } from '../../src/observability/match/filter.ts';
import { MatchCursor } from '../../src/observability/match-cursor.ts';
import { names, record } from '../support/flow-records.ts';
import { appender } from '../support/flow-stores.ts';

test('a ring and its summaries stay within their budget', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 << 18, max: 1 << 26 }), (budget) => {
      const { arena, summaries } = new IndexedRing(budget);
      assert.ok(arena.capacity + summaries.bytes <= budget);
      assert.ok(arena.capacity > budget * 0.8, `${String(arena.capacity)} of ${String(budget)}`);
    }),
    { numRuns: 100 },
  );
});

test('a cursor that searches while records are appended sees each match once, or counts it as missed', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 })), { maxLength: 300 });
  fc.assert(
    fc.property(steps, (plan) => {
      const ring = new IndexedRing(8192, 1024);
      const append = appender(ring.arena);
      const cursor = new MatchCursor(ring, 'end');
      const matcher = compileQuery(
        { include: [{ methods: ['GET'] }], exclude: [], end: 'oldest', follow: true },
        names,
      );
      const appended: bigint[] = [];
      const seen: bigint[] = [];
      let lost = 0;
      plan.forEach(([isWanted, reads], index) => {
        const bytes = record({ time: BigInt(index), method: isWanted ? 'GET' : 'POST', urlPath: '/x' });
        if (isWanted) appended.push(BigInt(index));
        append(bytes);
        for (let read = 0; read < reads; read += 1) {
          lost += cursor.overtaken();
          const position = cursor.seek(matcher, 1000);
          if (position < 0) break;
          seen.push(ring.arena.bytes.readBigUInt64LE(ring.arena.recordAt(position)));
          cursor.next();
        }
      });
      lost += cursor.overtaken();
      for (let at = cursor.seek(matcher, 1000); at >= 0; at = cursor.seek(matcher, 1000)) {
        seen.push(ring.arena.bytes.readBigUInt64LE(ring.arena.recordAt(at)));
        cursor.next();
      }
      assert.deepEqual(seen, [...new Set(seen)]);
      assert.ok(seen.every((time) => appended.includes(time)));
      assert.ok(appended.length - seen.length <= lost);
      if (lost === 0) assert.deepEqual(seen, appended);
    }),
    { numRuns: 300 },
  );
});
