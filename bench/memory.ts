// SPDX-License-Identifier: Apache-2.0
// Resident memory of the shipped agent and proxy: idle, under load and after it, and with many connections open.
// usage: memory.ts, after `make dist`
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AgentProcess } from '../test/support/agent-process.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { parseWrk, wrkCommand } from '../test/support/wrk.ts';
import { checkArmed } from './armed.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { collect } from './load.ts';
import { describeMachine, residence } from './machine-use.ts';
import { replaceSection } from './markdown.ts';
import { type MemoryResults, type MemoryRow, memoryBars, renderMemory } from './memory-table.ts';
import { createNetwork, destroyNetwork } from './network.ts';
import type { BenchPath } from './path.ts';
import { perigeePaths } from './paths/perigee.ts';
import { shippedLauncher } from './shipped.ts';
import { readVersions } from './versions.ts';
import { messageOf } from '../src/lib/errors.ts';

const NAME = 'pgmem';
const OPEN = 1000;
const LOAD_SECONDS = 10;
/** What a process does after a change (collecting garbage, giving pages back) is over by then, ms. */
const SETTLE_MS = 6000;
const SAMPLE_MS = 100;

const resultsFile = new URL('results/memory.json', import.meta.url);
const page = new URL('../docs/performance.md', import.meta.url);
const holder = fileURLToPath(new URL('hold-connections.ts', import.meta.url));

class Scales {
  readonly rows: MemoryRow[] = [];
  readonly #agent: AgentProcess;

  constructor(agent: AgentProcess) {
    this.#agent = agent;
  }

  /** Both processes as they are now. */
  take(state: MemoryRow['state']): void {
    this.#put(state, this.#look());
  }

  /** The most that either had while something ran. */
  async most<Result>(state: MemoryRow['state'], running: Promise<Result>): Promise<Result> {
    let most = this.#look();
    const timer = setInterval(() => {
      const now = this.#look();
      most = most.map((one, at) => ((now[at]?.rssMib ?? 0) > one.rssMib ? (now[at] ?? one) : one));
    }, SAMPLE_MS);
    try {
      return await running;
    } finally {
      clearInterval(timer);
      this.#put(state, most);
    }
  }

  #look(): Omit<MemoryRow, 'state'>[] {
    return [
      { process: 'agent', ...residence(this.#agent.pid) },
      { process: 'proxy', ...residence(this.#agent.proxyPid() ?? 0) },
    ];
  }

  #put(state: MemoryRow['state'], measured: readonly Omit<MemoryRow, 'state'>[]): void {
    for (const one of measured) {
      this.rows.push({ state, ...one });
      console.log(`${state.padEnd(8)} ${one.process} ${one.rssMib.toFixed(1)} MiB`);
    }
  }
}

/** All ports at once: the agent then stores flows of each kind of traffic. */
async function load(paths: readonly BenchPath[], connections: number, signal: AbortSignal): Promise<void> {
  const run = async (path: BenchPath): Promise<void> => {
    const command = wrkCommand(`http://${path.authority}/`, LOAD_SECONDS, connections);
    const { failed, complaints } = parseWrk(await collect(path.start(command), signal));
    if (failed > 0) throw new Error(`${path.name}: ${complaints.join(', ')}`);
  };
  await Promise.all(paths.map(run));
}

/** Idle connections of clients, each with its connection to the server. */
async function hold(path: BenchPath, whileOpen: () => Promise<void>): Promise<void> {
  const [host = '', port = ''] = path.authority.split(':');
  const command = ['sh', '-c', 'ulimit -n 8192 && exec "$0" "$@"'];
  const client = path.start([...command, process.execPath, holder, host, port, String(OPEN)]);
  let said = '';
  client.stdout?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  client.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()));
  while (!said.includes(`open ${String(OPEN)}`)) {
    if (client.exitCode !== null) throw new Error(`the client of ${String(OPEN)} connections ended: ${said}`);
    await sleep(SAMPLE_MS);
  }
  await whileOpen();
  client.kill('SIGTERM');
}

async function main(signal: AbortSignal): Promise<readonly MemoryRow[]> {
  const launcher = shippedLauncher();
  const network = createNetwork(NAME);
  const cgroup = new GovernedCgroup(`perigee-${NAME}`);
  let agent: AgentProcess | undefined;
  try {
    const {
      agent: governor,
      direct,
      inline,
      proxied,
    } = await perigeePaths(network, cgroup, `perigee-${NAME}`, { program: launcher });
    agent = governor;
    await agent.clear();
    await agent.start();
    const scales = new Scales(agent);
    for (const path of [proxied, inline, direct]) await checkArmed(path, signal);
    await sleep(SETTLE_MS);
    scales.take('idle');
    await hold(proxied, async () => {
      await sleep(SETTLE_MS);
      scales.take('open');
    });
    await scales.most('loaded', load([proxied, inline, direct], 64, signal));
    await scales.most('busy', load([proxied], OPEN, signal));
    await sleep(SETTLE_MS);
    scales.take('after');
    return scales.rows;
  } catch (error) {
    console.error(agent?.logs(30) ?? '');
    throw error;
  } finally {
    await agent?.cleanup();
    await destroyNetwork(network);
    await cgroup.remove();
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  await onlyOne('memory bench');
  const rows = await main(stop.signal);
  const { Perigee, 'Node.js': node } = readVersions();
  const machine = describeMachine({ Perigee: Perigee ?? '', 'Node.js': node ?? '' });
  const results: MemoryResults = { machine, date: new Date().toISOString(), connections: OPEN, rows };
  mkdirSync(new URL('.', resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  const before = existsSync(page) ? readFileSync(page, 'utf8') : undefined;
  writeFileSync(page, replaceSection(before, 'bench-memory', renderMemory(results)));
  console.log('the results are in bench/results/memory.json and docs/performance.md');
  const over = rows.filter(({ process: name, rssMib }) => rssMib > memoryBars[name]);
  for (const row of over)
    console.error(`${row.process}, ${row.state}: over ${String(memoryBars[row.process])} MiB`);
  if (over.length > 0) process.exitCode = 1;
} catch (error) {
  console.error(`memory: ${messageOf(error)}`);
  process.exitCode = 1;
}
