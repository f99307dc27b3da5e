// SPDX-License-Identifier: Apache-2.0
// How long a scrape of the agent takes with many series; the proxy hands over its text and does nothing else.
// usage: scrape.ts, with PAIRS=… (of workloads, default 1000) and ROUNDS=… (default 50) in the environment
import { writeFileSync } from 'node:fs';
import { startMetricsServer } from '../src/observability/metrics/server.ts';
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
}

function render({ machine, date, rounds, series, medianMs, p99Ms }: ScrapeResults): string {
  return `## A scrape of the agent

${series.toLocaleString('en')} series: median ${medianMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms of ${String(rounds)}, over HTTP. Bar: ${String(BAR_MS)} ms. Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of
${machine.cpu}, Linux ${machine.kernel}. \`make bench-scrape\` repeats it.
`;
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
  const text = await scrape();
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    await scrape();
    times.push(performance.now() - started);
  }
  const { Perigee, 'Node.js': node } = readVersions();
  const machine = describeMachine({ Perigee: Perigee ?? '', 'Node.js': node ?? '' });
  const date = new Date().toISOString();
  const results = { machine, date, rounds, series, medianMs: median(times), p99Ms: percentile(times, 0.99) };
  console.log(
    `${String(series)} series: median ${results.medianMs.toFixed(1)} ms, p99 ${results.p99Ms.toFixed(1)} ms`,
  );
  if (series >= 10_000 && rounds >= DEFAULT_ROUNDS) {
    writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
    publishSection('bench-scrape', render(results));
    console.log('the results are in bench/results/scrape.json and docs/performance.md');
  }
  if (results.medianMs > BAR_MS) process.exitCode = 1;
} finally {
  await server.close();
}
