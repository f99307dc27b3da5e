// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cases } from '../../bench/cases.ts';
import { isWithinBar, killRows, type KillRun, renderKills } from '../../bench/kill-rows.ts';
import type { Sample } from '../../bench/load.ts';
import { busySeconds } from '../../bench/machine-use.ts';
import { replaceSection, type Results, updatePage } from '../../bench/markdown.ts';
import { readOptions } from '../../bench/options.ts';
import { missingRow, rowOf } from '../../bench/rows.ts';
import type { Measured } from '../../bench/rounds.ts';
import { neighbourRows, renderNeighbour } from '../../bench/neighbour-rows.ts';
import { median } from '../../bench/statistics.ts';

const sample = (rate: number, more: Partial<Sample> = {}): Sample => ({ rate, rssMib: 0, ...more });

const measured: Measured = {
  rounds: [
    new Map([
      ['bare', sample(100)],
      ['haproxy', sample(40, { p50Us: 10, rssMib: 15 })],
    ]),
    new Map([
      ['bare', sample(50)],
      ['haproxy', sample(30, { p50Us: 30, rssMib: 17 })],
    ]),
    new Map([
      ['bare', sample(200)],
      ['haproxy', sample(100, { p50Us: 20, rssMib: 16 })],
    ]),
  ],
  failures: new Map([['direct', 'connect refused']]),
};

test('the ratio is the median over pairs of one round, with its range', () => {
  const row = rowOf(cases.keepalive, 'haproxy', measured);
  assert.deepEqual([row.ratioLow, row.ratioToBare, row.ratioHigh], [0.4, 0.5, 0.6]);
  assert.deepEqual([row.rps, row.gbitPerSecond, row.p50Us, row.rssMiB], [40, null, 20, 17]);
});

test('bulk rows have Gbit per second and no requests', () => {
  const row = rowOf(cases.bulk, 'haproxy', measured);
  assert.deepEqual([row.rps, row.gbitPerSecond, row.cpuSecondsPer100k], [null, 40, null]);
});

test('a path that failed has a row of nulls that says why', () => {
  const row = rowOf(cases.keepalive, 'direct', measured);
  assert.deepEqual([row.rps, row.ratioToBare, row.missing], [null, null, 'connect refused']);
});

test('the median of an even number of values is the mean of the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('the long heads have 370 bytes whatever the host is called', () => {
  for (const load of [cases['keepalive-1k'], cases.varied]) {
    assert.ok(load.type === 'requests');
    for (const host of ['10.0.0.1:80', '10.77.0.123:8081']) {
      const lines: string[] = [`GET ${load.path} HTTP/1.1`, `Host: ${host}`, ...load.headers(host), '', ''];
      assert.equal(lines.join('\r\n').length, 370);
    }
  }
});

test('idle, waiting and stolen time are not work', () => {
  assert.equal(busySeconds('cpu  100 200 300 9999 8888 400 500 7777 0 0\ncpu0 1\n'), 15);
});

test('CASES, PATHS and ROUNDS narrow the run, and bare is always in it', () => {
  const options = readOptions({ CASES: 'short,bulk', PATHS: 'envoy proxied', ROUNDS: '3' }, []);
  assert.deepEqual(options.cases, ['short', 'bulk']);
  assert.deepEqual(options.paths, ['bare', 'proxied', 'envoy']);
  assert.equal(options.rounds, 3);
  assert.equal(readOptions({ CASES: '', PATHS: '' }, []).cases.length, 6);
});

test('a misspelt case, path or count is an error, not an empty run', () => {
  for (const env of [{ CASES: 'shrt' }, { PATHS: 'squid' }, { ROUNDS: '0' }, { ROUNDS: 'many' }]) {
    assert.throws(() => readOptions(env, []), /shrt|squid|0|many/);
  }
  assert.throws(() => readOptions({}, ['--fast']), /--fast/);
});

test('the generated part of the page is replaced and the rest stays', () => {
  const results: Results = {
    machine: { kernel: '6.1', cpu: 'test', cores: 2, memoryGib: 4, versions: {} },
    date: '2026-01-02T03:04:05.000Z',
    rounds: 3,
    secondsPerTurn: 2,
    rows: [
      rowOf(cases.keepalive, 'haproxy', measured),
      missingRow('keepalive', { name: 'envoy', missing: 'no PyPI' }),
    ],
  };
  const first = updatePage(undefined, results);
  assert.match(first, /haproxy {2}█{15} 0\.50/);
  assert.match(first, /envoy was not measured: no PyPI/);
  const edited = `${first}\nwritten by hand\n`;
  const second = updatePage(edited, { ...results, date: '2026-02-03T00:00:00.000Z' });
  assert.match(second, /2026-02-03/);
  assert.doesNotMatch(second, /2026-01-02/);
  assert.match(second, /written by hand/);
  assert.equal(second.split('# Performance').length, 2);
});

test('kills are judged by medians of the largest latencies, and shown with the differences of pairs', () => {
  const run = (pair: number, killed: boolean, maxLatencyMs: number): KillRun => {
    const counts = { kills: killed ? 5 : 0, requests: 1000, failed: 0, complaints: [] };
    return { path: 'direct', pair, killed, maxLatencyMs, ...counts };
  };
  // One phase was hit by something else; the medians don't show it, the range does.
  const runs = [10, 20, 30].flatMap((control, pair) => [
    run(pair, false, control),
    run(pair, true, [25, 40, 900][pair] ?? 0),
  ]);
  const [row] = killRows(runs);
  assert.ok(row !== undefined);
  assert.deepEqual([row.kills, row.requests, row.controlMaxMs, row.killedMaxMs], [15, 6000, 20, 40]);
  assert.deepEqual(row.difference, { median: 20, low: 15, high: 870 });
  assert.equal(isWithinBar(row), true);
  assert.equal(isWithinBar({ ...row, killedMaxMs: 71 }), false);
  assert.equal(isWithinBar({ ...row, failed: 1 }), false);
  const text = renderKills([row], { date: '2026-01-02T00:00:00Z', pairs: 3, seconds: 12 });
  assert.match(text, /^\| direct \| 15 \| 6,000 \| 0 \| 20 \| 40 \| 20 \(15 to 870\) \|$/m);
});

test("a neighbour's p99 is compared with that of the same round without a flood", () => {
  const turn = (round: number, flood: 'none' | 'requests', p99Us: number) =>
    ({ round, path: 'proxied', flood, p50Us: p99Us / 2, p99Us, rate: 1000 }) as const;
  const alone = [100, 200, 400].map((p99Us, round) => turn(round, 'none', p99Us));
  const rows = neighbourRows([
    ...alone,
    ...alone.map(({ round, p99Us }) => turn(round, 'requests', p99Us * (round + 1))),
  ]);
  const flooded = rows.find(({ flood }) => flood === 'requests');
  assert.deepEqual(flooded?.p99ToAlone, { median: 2, low: 1, high: 3 });
  const text = renderNeighbour(rows, { date: '2026-01-02T00:00:00Z', rounds: 3, seconds: 4 });
  assert.match(text, /^\| proxied \| requests \| 200 \| 400 \| 2\.0 \| 1\.0–3\.0 \| 1,000 \|$/m);
});

test('sections of several commands stand side by side on the page', () => {
  const page = replaceSection(replaceSection('# Page\n', 'a', 'one'), 'b', 'two');
  const again = replaceSection(page, 'a', 'three');
  assert.doesNotMatch(again, /one/);
  assert.match(again, /three\n[^]*two\n/);
});
