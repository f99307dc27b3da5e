// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RequestCountKey, httpMethod, requestCountKey } from '../../src/core/abi/http.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import { INLINE_LATENCY_BOUNDS } from '../../src/core/http/latency.ts';
import type { Maps } from '../../src/datapath/maps.ts';
import type { DesiredState } from '../../src/core/state/desired.ts';
import { StaleRequestCounts, readRequestCounts } from '../../src/datapath/request-counts.ts';
import { requestTotals } from '../../src/observability/metrics/request-totals.ts';
import { TotalsHistogram } from '../../src/observability/metrics/totals-histogram.ts';
import { Registry } from 'prom-client';
import { names } from '../support/flow-records.ts';

const CPUS = 3;
const BYTES = 144;
const NOBODY: RequestCountKey = {
  ...{ sourceIdentity: 0, sourceWorkload: 0, workload: 0, status: 0 },
  ...{ method: httpMethod.other, verdict: verdict.allowed },
};

type Key = RequestCountKey;
/** Of one processor: how many took how long, ns. */
type Durations = readonly (readonly [count: number, ns: number])[];

const bucketOf = (ns: number): number => {
  const found = INLINE_LATENCY_BOUNDS.findIndex((bound) => ns < bound * 1e9);
  return found === -1 ? INLINE_LATENCY_BOUNDS.length : found;
};

/** The map as the kernel fills it: each processor has its copy. */
class CountsMap {
  readonly entries: (readonly [Key, readonly Durations[]])[] = [];
  readonly entrySize = CPUS * BYTES;

  dump() {
    const keys = this.entries.map(([key]) => requestCountKey.encode(key));
    const values = this.entries.map(([, cpus]) => {
      const bytes = Buffer.alloc(this.entrySize);
      cpus.forEach((durations, cpu) => {
        for (const [count, ns] of durations) {
          const at = cpu * BYTES;
          const add = (offset: number, value: number): void => {
            bytes.writeBigUInt64LE(bytes.readBigUInt64LE(at + offset) + BigInt(value), at + offset);
          };
          add(0, count);
          add(8, count * ns);
          add(16 + 8 * bucketOf(ns), count);
        }
      });
      return bytes;
    });
    return { keys: Buffer.concat(keys), values: Buffer.concat(values), count: keys.length };
  }

  delete(key: Uint8Array): boolean {
    const at = this.entries.findIndex(([known]) => Buffer.compare(requestCountKey.encode(known), key) === 0);
    if (at >= 0) this.entries.splice(at, 1);
    return at >= 0;
  }
}

function maps(...entries: (readonly [Partial<Key>, readonly Durations[]])[]) {
  const map = new CountsMap();
  for (const [key, cpus] of entries) map.entries.push([{ ...NOBODY, ...key }, cpus]);
  return { map, request_counts: map as unknown as Maps['request_counts'] };
}

const web = { sourceWorkload: 1, workload: 2, method: httpMethod.get };

test('the copies of all processors are one count, with its durations', () => {
  const one = maps(
    [
      { ...web, status: 200 },
      [
        [
          [2, 10_000],
          [1, 40_000],
        ],
        [[1, 2 ** 40]],
      ],
    ],
    [{ sourceIdentity: 2 }, []],
  );
  const [row, empty] = readRequestCounts(one);
  assert.equal(row?.method, 'GET');
  assert.equal(row.count, 4);
  assert.equal(row.seconds, (2 * 10_000 + 40_000 + 2 ** 40) / 1e9);
  assert.deepEqual(
    [row.buckets.length, row.buckets[0], row.buckets[1], row.buckets[15]],
    [INLINE_LATENCY_BOUNDS.length + 1, 2, 1, 1],
  );
  assert.deepEqual([empty?.method, empty?.count], ['other', 0]);
});

test('what has the same names is one series; what found no room says overflow', async () => {
  const one = maps(
    [{ ...web, status: 200, verdict: verdict.allowed }, [[[3, 1000]]]],
    [{ ...web, status: 200, verdict: verdict.audited }, [[], [[4, 50_000]]]],
    [{ ...web, status: 403, verdict: verdict.denied }, [[[1, 0]]]],
    [{}, [[[9, 1000]]]],
  );
  const { requests, durations } = requestTotals(readRequestCounts(one), names);
  const pair = { source_workload: 'shop/web', destination_workload: 'shop/api', path_mode: 'inline' };
  const none = { source_workload: 'overflow', destination_workload: 'overflow', path_mode: 'inline' };
  assert.deepEqual(requests, [
    { labels: { ...none, method: 'other', code: '0' }, value: 9 },
    { labels: { ...pair, method: 'GET', code: '200' }, value: 7 },
    { labels: { ...pair, method: 'GET', code: '403' }, value: 1 },
  ]);
  const registry = new Registry();
  const histogram = new TotalsHistogram({
    ...{ name: 'perigee_seconds', help: 'Seconds', registers: [registry] },
    buckets: [...INLINE_LATENCY_BOUNDS],
  });
  assert.equal(histogram.show(durations, 10), 0);
  const text = await registry.metrics();
  const parties = 'source_workload="shop/web",destination_workload="shop/api",path_mode="inline"';
  for (const line of [
    '# TYPE perigee_seconds histogram',
    `perigee_seconds_bucket{${parties},le="0.000032768"} 4`,
    `perigee_seconds_bucket{${parties},le="0.000065536"} 8`,
    `perigee_seconds_bucket{${parties},le="+Inf"} 8`,
    `perigee_seconds_sum{${parties}} 0.000203`,
    `perigee_seconds_count{${parties}} 8`,
  ])
    assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
  assert.equal(histogram.show(durations, 1), 1);
  const limited = await registry.metrics();
  assert.match(limited, /_count\{source_workload="overflow".*path_mode="inline"\} 9/);
  assert.match(limited, /_count\{source_workload="overflow".*path_mode="overflow"\} 8/);
});

test('counts of peers that are gone leave the map, after somebody could read the last of them', () => {
  const one = maps(
    [web, []],
    [{ ...web, workload: 7 }, []],
    [{ ...web, sourceWorkload: 8 }, []],
    [{ sourceIdentity: 5, workload: 2 }, []],
    [{ sourceIdentity: 6, workload: 2 }, []],
    [{}, []],
  );
  const stale = new StaleRequestCounts(one);
  const known = (...ids: number[]): DesiredState =>
    ({
      workloads: ids.map((id) => ({ id })),
      ipcache: [{ identity: 5 }],
      policy: [],
    }) as unknown as DesiredState;
  assert.equal(stale.remove(known(1, 2)), 0);
  assert.equal(one.map.entries.length, 6);
  assert.equal(stale.remove(known(1, 2, 8)), 2, 'the client is back');
  assert.deepEqual(
    one.map.entries.map(([{ sourceWorkload, sourceIdentity, workload }]) => [
      sourceWorkload || sourceIdentity,
      workload,
    ]),
    [
      [1, 2],
      [8, 2],
      [5, 2],
      [0, 0],
    ],
  );
});
