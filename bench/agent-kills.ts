// SPDX-License-Identifier: Apache-2.0
// Kills the shipped agent with -9 under load, again and again, each time after it was ready, and compares with a phase
// that lets it live: pairs of both, interleaved, so that what the machine does meanwhile hits both alike.
// usage: agent-kills.ts, with SECONDS=… (of one phase, default 60) and PAIRS=… (default 1) in the environment
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentProcess } from '../test/support/agent-process.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { parseWrk, type WrkReport, wrkCommand } from '../test/support/wrk.ts';
import { checkArmed } from './armed.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { BAR_MS, isWithinBar, killRows, type KillRow, type KillRun, renderKills } from './kill-rows.ts';
import { collect } from './load.ts';
import { describeMachine } from './machine-use.ts';
import { createNetwork, destroyNetwork } from './network.ts';
import { wholeNumber } from './options.ts';
import type { BenchPath } from './path.ts';
import { perigeePaths } from './paths/perigee.ts';
import { publishSection } from './section.ts';
import { shippedLauncher } from './shipped.ts';
import { messageOf } from '../src/lib/errors.ts';

const NAME = 'pgkills';
const CONNECTIONS = 64;
/** 60 s of load under more than 20 kills. */
const DEFAULT_SECONDS = 60;
const DEFAULT_PAIRS = 1;
/** From one kill to the next, if the agent is ready by then, ms. */
const KILL_EVERY_MS = 2500;
const resultsFile = new URL('results/agent-kills.json', import.meta.url);

interface Plan {
  readonly seconds: number;
  readonly pairs: number;
}

/** Both ports at once, as one node has them: the kills of one phase then count for both. */
async function loadAll(
  paths: readonly BenchPath[],
  seconds: number,
  signal: AbortSignal,
): Promise<readonly WrkReport[]> {
  const run = async (path: BenchPath): Promise<WrkReport> => {
    const command = wrkCommand(`http://${path.authority}/`, seconds, CONNECTIONS);
    return parseWrk(await collect(path.start(command), signal));
  };
  return Promise.all(paths.map(run));
}

/** How often agents of this run have come to their first reconcile: after it they are ready. */
function reconciles(agent: AgentProcess): number {
  return readFileSync(join(agent.runDirectory, 'agent.log'), 'utf8').split('"revision":1,').length - 1;
}

async function kill(agent: AgentProcess): Promise<void> {
  const before = reconciles(agent);
  await agent.end('SIGKILL');
  // Looked up in the log: a command line that asks again and again would be a load of its own.
  await agent.start({ isReady: () => Promise.resolve(reconciles(agent) > before) });
}

async function measure(
  paths: readonly BenchPath[],
  seconds: number,
  agent: AgentProcess | undefined,
  signal: AbortSignal,
): Promise<readonly Omit<KillRun, 'pair'>[]> {
  const loaded = new AbortController();
  let kills = 0;
  const loads = loadAll(paths, seconds, signal).finally(() => loaded.abort());
  const killing = async (): Promise<void> => {
    while (agent !== undefined && !loaded.signal.aborted) {
      kills += 1;
      const next = sleep(KILL_EVERY_MS, undefined, { signal: loaded.signal }).catch(() => undefined);
      await kill(agent);
      await next;
    }
  };
  const [reports] = await Promise.all([loads, killing()]);
  return reports.map(({ requests, failed, complaints, maxLatencyUs }, index) => {
    const path = paths[index]?.name ?? '';
    const maxLatencyMs = maxLatencyUs / 1000;
    return { path, killed: agent !== undefined, kills, requests, failed, complaints, maxLatencyMs };
  });
}

async function main({ seconds, pairs }: Plan, signal: AbortSignal): Promise<readonly KillRun[]> {
  const network = createNetwork(NAME);
  const cgroup = new GovernedCgroup(`perigee-${NAME}`);
  let agent: AgentProcess | undefined;
  try {
    const {
      agent: governor,
      direct,
      proxied,
    } = await perigeePaths(network, cgroup, `perigee-${NAME}`, {
      program: shippedLauncher(),
    });
    agent = governor;
    await agent.clear();
    await agent.start();
    const paths = [proxied, direct];
    for (const path of paths) await checkArmed(path, signal);
    await measure(paths, 1, undefined, signal); // warms up
    const runs: KillRun[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      for (const victim of pair % 2 === 0 ? [undefined, agent] : [agent, undefined]) {
        const phase = await measure(paths, seconds, victim, signal);
        runs.push(...phase.map((run) => ({ ...run, pair })));
        phase.forEach(print);
      }
    }
    return runs;
  } catch (error) {
    console.error(agent?.logs(30) ?? '');
    throw error;
  } finally {
    await agent?.cleanup();
    await destroyNetwork(network);
    await cgroup.remove();
  }
}

function print(run: Omit<KillRun, 'pair'>): void {
  const what = run.killed ? `${String(run.kills)} kills` : 'control';
  const line = `${run.requests} requests, ${run.failed} failed, largest latency ${run.maxLatencyMs} ms`;
  console.log(`${run.path.padEnd(8)} ${what.padEnd(9)} ${line}`);
  for (const complaint of run.complaints) console.log(`  ${complaint}`);
}

function conclude(row: KillRow): void {
  const { path, kills, controlMaxMs, killedMaxMs, failed } = row;
  const found = `${String(failed)} failed, largest latency ${killedMaxMs.toFixed(1)} ms against ${controlMaxMs.toFixed(1)} ms`;
  const verdict = isWithinBar(row) ? 'within' : 'NOT within';
  console.log(`${path}: ${String(kills)} kills, ${found} (medians): ${verdict} ${String(BAR_MS)} ms`);
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  const { env } = process;
  const plan = {
    seconds: wholeNumber('SECONDS', env['SECONDS'], DEFAULT_SECONDS),
    pairs: wholeNumber('PAIRS', env['PAIRS'], DEFAULT_PAIRS),
  };
  await onlyOne('agent-kills bench');
  const runs = await main(plan, stop.signal);
  const rows = killRows(runs);
  rows.forEach(conclude);
  const date = new Date().toISOString();
  const results = { machine: describeMachine({}), date, ...plan, rows, runs };
  mkdirSync(new URL('.', resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  console.log('the results are in bench/results/agent-kills.json');
  if (plan.seconds >= DEFAULT_SECONDS && plan.pairs >= DEFAULT_PAIRS) {
    publishSection('bench-kills', renderKills(rows, { date, ...plan }));
  }
  if (rows.some(({ failed }) => failed > 0)) process.exitCode = 1;
} catch (error) {
  console.error(`agent-kills: ${messageOf(error)}`);
  process.exitCode = 1;
}
