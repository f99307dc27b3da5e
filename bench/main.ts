// SPDX-License-Identifier: Apache-2.0
// Compares what Perigee costs with bare TCP and with other proxies, side by side in one run.
// usage: main.ts [--quick], with CASES=… PATHS=… ROUNDS=… in the environment
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { onlyOne } from '../test/support/only-one.ts';
import { checkArmed } from './armed.ts';
import { cases, isMeasuredOn, MOST_ROUNDS } from './cases.ts';
import { describeMachine } from './machine-use.ts';
import { renderBars, type Results, updatePage } from './markdown.ts';
import { isWhole, type Options, readOptions } from './options.ts';
import type { PathName } from './path.ts';
import { envoyVersion } from './paths/envoy.ts';
import { measureCase } from './rounds.ts';
import { missingRow, type Row, rowOf } from './rows.ts';
import { Testbed } from './testbed.ts';
import { readVersions } from './versions.ts';
import { messageOf } from '../src/lib/errors.ts';

const resultsFile = new URL('results/latest.json', import.meta.url);
const page = new URL('../docs/performance.md', import.meta.url);

function say(line: string): void {
  const seconds = Math.round(performance.now() / 1000);
  console.log(`${String(seconds).padStart(4)} s  ${line}`);
}

async function run(options: Options, testbed: Testbed, signal: AbortSignal): Promise<Row[]> {
  const { paths, missing } = await testbed.build(options.paths);
  for (const { name, missing: reason } of missing) say(`${name} is left out: ${reason}`);
  for (const path of paths) await checkArmed(path, signal);
  say(`${paths.map(({ name }) => name).join(', ')}: up, and each enforces its rule`);
  const rows: Row[] = [];
  for (const name of options.cases) {
    const load = cases[name];
    say(`${name}: ${load.description}`);
    const { seconds } = options;
    const rounds = Math.min(options.rounds, MOST_ROUNDS[name] ?? options.rounds);
    const isMeasured = (name: PathName): boolean => isMeasuredOn(load, name);
    const among = paths.filter(({ name }) => isMeasured(name));
    const measured = await measureCase(among, load, {
      rounds,
      seconds,
      signal,
      report: (line) => say(`  ${line}`),
    });
    const own = options.paths.filter(isMeasured).map((path) => {
      const absent = missing.find((entry) => entry.name === path);
      return absent === undefined ? rowOf(load, path, measured) : missingRow(name, absent);
    });
    console.log(`\n${renderBars(own)}\n`);
    rows.push(...own);
  }
  return rows;
}

function publish(options: Options, rows: readonly Row[]): void {
  const hasEnvoy = rows.some((row) => row.path === 'envoy' && row.missing === undefined);
  const versions = { ...readVersions(), ...(hasEnvoy ? { Envoy: envoyVersion } : {}) };
  const results: Results = {
    machine: describeMachine(versions),
    date: new Date().toISOString(),
    rounds: options.rounds,
    secondsPerTurn: options.seconds,
    rows,
  };
  mkdirSync(new URL('.', resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  say(`${rows.length} rows are in bench/results/latest.json`);
  if (!isWhole(options)) return;
  const before = existsSync(page) ? readFileSync(page, 'utf8') : undefined;
  mkdirSync(new URL('.', page), { recursive: true });
  writeFileSync(page, updatePage(before, results));
  say('docs/performance.md has the new table');
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
const testbed = new Testbed('pgbench');
try {
  const options = readOptions(process.env, process.argv.slice(2));
  await onlyOne('bench');
  const rows = await run(options, testbed, stop.signal);
  publish(options, rows);
  const failed = rows.filter((row) => row.missing !== undefined && row.path !== 'envoy');
  for (const row of failed) console.error(`${row.case}, ${row.path}: ${row.missing ?? ''}`);
  if (failed.some(({ path }) => path === 'direct' || path === 'inline' || path === 'proxied'))
    console.error(testbed.logs());
  if (failed.length > 0) process.exitCode = 1;
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
try {
  await testbed.destroy();
} catch (error) {
  console.error(`bench: not everything was removed: ${messageOf(error)}`);
  process.exitCode = 1;
}
