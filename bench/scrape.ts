// SPDX-License-Identifier: Apache-2.0
// How long a scrape of the agent takes with many series, and what a worker of the proxy does for one: it hands its counters to the
// proxy's main thread, which has no connections and makes the text.
// usage: scrape.ts, with PAIRS=… (of workloads, default 1000) and ROUNDS=… (default 50) in the environment
import { writeFileSync } from 'node:fs';
import { serialize } from 'node:v8';
import { startMetricsServer } from '../src/observability/metrics/server.ts';
import { Counters } from '../src/proxy/counters.ts';
import { exposition } from '../src/proxy/exposition.ts';
import { fullMetrics } from '../test/support/full-metrics.ts';
import { describeMachine, type Machine } from './machine-use.ts';
import { wholeNumber } from './options.ts';
import { publishSection } from './section.ts';
import { median, percentile } from './statistics.ts';
import { readVersions } from './versions.ts';

const DEFAULT_PAIRS = 1000;
const DEFAULT_ROUNDS = 50;
/** The most that a scrape of 10,000 series may take, ms. */
const BAR_MS = 100;
const resultsFile = new URL('results/scrape.json', import.meta.url);

interface ScrapeResults {
  readonly machine: Machine;
  /** ISO 8601. */
  readonly date: string;
  readonly rounds: number;
  readonly series: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  /** Of a worker's loop. */
  readonly worker: Times;
}

interface Times {
  readonly series: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

function render({ machine, date, rounds, series, medianMs, p99Ms, worker }: ScrapeResults): string {
  return `## A scrape of the agent

${series.toLocaleString('en')} series: median ${medianMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms of ${String(rounds)}, over HTTP. Bar: ${String(BAR_MS)} ms. Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of
${machine.cpu}, Linux ${machine.kernel}. \`make bench-scrape\` repeats it.

The proxy's text is made on its main thread, which has no connections. A worker hands over its counters: of ${worker.series.toLocaleString('en')} series in
${worker.medianMs.toFixed(1)} ms of its loop (median; p99 ${worker.p99Ms.toFixed(1)} ms).
`;
}

const STATUSES = [200, 404, 503];

/** What a worker does between the question and its answer: the copy, and writing it for the other thread. */
function handOver(pairs: number, rounds: number): Times {
  const counters = new Counters();
  for (let pair = 0; pair < pairs; pair += 1) {
    const meter = counters.meter(`shop/client-${String(pair)}`, `shop/server-${String(pair % 7)}`);
    for (const status of STATUSES) counters.request(meter, 0, status, 3e6);
  }
  const times = Array.from({ length: rounds }, () => {
    const started = performance.now();
    serialize(counters.snapshot());
    return performance.now() - started;
  });
  const worker = { counters: counters.snapshot(), byWorkload: [], netnsInUse: [] };
  const workers = [{ ...worker, connections: 0, queuedBytes: 0, pooled: 0 }];
  const series = seriesOf(exposition({ workers, rssBytes: 0, revision: 0 }));
  return { series, medianMs: median(times), p99Ms: percentile(times, 0.99) };
}

function seriesOf(text: string): number {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
}

const pairs = wholeNumber('PAIRS', process.env['PAIRS'], DEFAULT_PAIRS, 5000);
const rounds = wholeNumber('ROUNDS', process.env['ROUNDS'], DEFAULT_ROUNDS, 1000);
const server = await startMetricsServer({
  address: '127.0.0.1:0',
  metrics: fullMetrics(pairs),
  waitingFor: () => [],
});
const scrape = async (): Promise<string> => (await fetch(`http://${server.address}/metrics`)).text();
try {
  const series = seriesOf(await scrape());
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    await scrape();
    times.push(performance.now() - started);
  }
  const { Perigee, 'Node.js': node } = readVersions();
  const machine = describeMachine({ Perigee: Perigee ?? '', 'Node.js': node ?? '' });
  const date = new Date().toISOString();
  const worker = handOver(pairs, rounds);
  const figures = { series, medianMs: median(times), p99Ms: percentile(times, 0.99), worker };
  const results = { machine, date, rounds, ...figures };
  console.log(
    `${String(series)} series: median ${results.medianMs.toFixed(1)} ms, p99 ${results.p99Ms.toFixed(1)} ms`,
  );
  console.log(`a worker's part of ${String(worker.series)} series: median ${worker.medianMs.toFixed(1)} ms`);
  if (series >= 10_000 && rounds >= DEFAULT_ROUNDS) {
    writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
    publishSection('bench-scrape', render(results));
    console.log('the results are in bench/results/scrape.json and docs/performance.md');
  }
  if (results.medianMs > BAR_MS) process.exitCode = 1;
} finally {
  await server.close();
}
