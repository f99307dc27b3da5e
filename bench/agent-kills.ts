// SPDX-License-Identifier: Apache-2.0
// Kills the agent with -9 under load, each time it is ready again, and compares with a run that lets it live.
// usage: agent-kills.ts, with SECONDS=… in the environment for the length of each run (default 60)
import { mkdirSync, writeFileSync } from 'node:fs';
import type { AgentProcess } from '../test/support/agent-process.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { parseWrk, type WrkReport, wrkCommand } from '../test/support/wrk.ts';
import { checkArmed } from './armed.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { collect } from './load.ts';
import { describeMachine } from './machine-use.ts';
import { createNetwork, destroyNetwork } from './network.ts';
import type { BenchPath } from './path.ts';
import { perigeePaths } from './paths/perigee.ts';

const NAME = 'pgkills';
const CONNECTIONS = 64;
const DEFAULT_SECONDS = 60;
const resultsFile = new URL('results/agent-kills.json', import.meta.url);

interface Run {
  readonly path: string;
  readonly killed: boolean;
  /** How often the agent was killed while the load ran. */
  readonly kills: number;
  readonly requests: number;
  readonly failed: number;
  readonly complaints: readonly string[];
  readonly maxLatencyMs: number;
}

function readSeconds(text: string | undefined): number {
  const seconds = text === undefined || text === '' ? DEFAULT_SECONDS : Number(text);
  if (Number.isInteger(seconds) && seconds >= 2 && seconds <= 3600) return seconds;
  throw new Error(`SECONDS=${String(text)}: not a whole number from 2 to 3600`);
}

/** Both ports at once, as one node has them: the kills of one run then count for both. */
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

async function measure(
  paths: readonly BenchPath[],
  seconds: number,
  agent: AgentProcess | undefined,
  signal: AbortSignal,
): Promise<readonly Run[]> {
  const loaded = new AbortController();
  let kills = 0;
  const loads = loadAll(paths, seconds, signal).finally(() => loaded.abort());
  const killing = async (): Promise<void> => {
    while (agent !== undefined && !loaded.signal.aborted) {
      kills += 1;
      await agent.end('SIGKILL');
      await agent.start();
    }
  };
  const [reports] = await Promise.all([loads, killing()]);
  return reports.map(({ requests, failed, complaints, maxLatencyUs }, index) => {
    const path = paths[index]?.name ?? '';
    const maxLatencyMs = maxLatencyUs / 1000;
    return { path, killed: agent !== undefined, kills, requests, failed, complaints, maxLatencyMs };
  });
}

async function main(seconds: number, signal: AbortSignal): Promise<readonly Run[]> {
  const network = createNetwork(NAME);
  const cgroup = new GovernedCgroup(`perigee-${NAME}`);
  let agent: AgentProcess | undefined;
  try {
    const { agent: governor, direct, proxied } = await perigeePaths(network, cgroup, `perigee-${NAME}`);
    agent = governor;
    await agent.clear();
    await agent.start();
    const paths = [proxied, direct];
    for (const path of paths) await checkArmed(path, signal);
    const control = await measure(paths, seconds, undefined, signal);
    const killed = await measure(paths, seconds, agent, signal);
    return [...control, ...killed];
  } catch (error) {
    console.error(agent?.logs(30) ?? '');
    throw error;
  } finally {
    await agent?.cleanup();
    await destroyNetwork(network);
    await cgroup.remove();
  }
}

function print(runs: readonly Run[]): void {
  for (const run of runs) {
    const what = run.killed ? `${String(run.kills)} kills` : 'control';
    const line = `${run.requests} requests, ${run.failed} failed, largest latency ${run.maxLatencyMs} ms`;
    console.log(`${run.path.padEnd(8)} ${what.padEnd(9)} ${line}`);
    for (const complaint of run.complaints) console.log(`  ${complaint}`);
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  const seconds = readSeconds(process.env['SECONDS']);
  await onlyOne('agent-kills bench');
  const runs = await main(seconds, stop.signal);
  print(runs);
  const results = { machine: describeMachine({}), date: new Date().toISOString(), seconds, runs };
  mkdirSync(new URL('.', resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  console.log('the results are in bench/results/agent-kills.json');
  if (runs.some(({ failed }) => failed > 0)) process.exitCode = 1;
} catch (error) {
  console.error(`agent-kills: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
