// SPDX-License-Identifier: Apache-2.0
// Latency of one workload while another one floods, beside the same without a flood, in interleaved turns.
// usage: neighbour.ts, with SECONDS=… (of one turn, default 4) and ROUNDS=… (default 7) in the environment
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentProcess } from '../test/support/agent-process.ts';
import { floods } from '../test/support/flood.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { checkArmed } from './armed.ts';
import { RULED_PORT } from './cases.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { collect, measure } from './load.ts';
import { describeMachine } from './machine-use.ts';
import {
  type FloodName,
  floodNames,
  neighbourCase,
  neighbourRows,
  renderNeighbour,
} from './neighbour-rows.ts';
import type { NeighbourRow, Turn } from './neighbour-rows.ts';
import { addMachine, createNetwork, destroyNetwork, type Network, startServer } from './network.ts';
import { wholeNumber } from './options.ts';
import { perigeePaths } from './paths/perigee.ts';
import { publishSection } from './section.ts';
import { messageOf } from '../src/lib/errors.ts';

const NAME = 'pgnear';
const DEFAULT_SECONDS = 4;
const DEFAULT_ROUNDS = 7;
/** Silent connections that the flood of limits holds, or tries to: more than its share. */
const SILENT = 5000;
/** The flood needs this long to be one, ms. */
const RISE_MS = 1500;
const resultsFile = new URL('results/neighbour.json', import.meta.url);

const workload = (name: string, app: string, netns: string): string => `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: bench, labels: {app: ${app}}}
spec: {netns: ${netns}}
`;

/** Two more machines under the same policy: who floods, and a server of its own, so that only Perigee is shared. */
async function addFoe(
  network: Network,
  cgroup: GovernedCgroup,
): Promise<(name: FloodName) => ChildProcess[]> {
  const foe = addMachine(network, 'foe');
  const target = addMachine(network, 'foe-server');
  await startServer(network, target, cgroup);
  const text = [workload('foe', 'client', foe.netns), workload('foe-server', 'server', target.netns)].join(
    '---\n',
  );
  writeFileSync(join(network.folder, 'resources/foe.yaml'), text);
  const commandsOf = (name: FloodName): readonly (readonly string[])[] => {
    if (name === 'none') return [];
    if (name === 'requests') return floods.requests(target.address4, RULED_PORT);
    return floods.limits(target.address4, RULED_PORT, SILENT, '/bulk');
  };
  return (name) =>
    commandsOf(name).map((command) => {
      const child = network.start(foe, command, cgroup);
      child.stdout?.resume();
      child.stderr?.resume();
      return child;
    });
}

async function end(children: readonly ChildProcess[]): Promise<void> {
  const ended = children.map((child) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`a flood ended before its time: ${child.spawnargs.slice(-6).join(' ')}`);
    }
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    return gone;
  });
  await Promise.all(ended);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function main(rounds: number, seconds: number, signal: AbortSignal): Promise<readonly NeighbourRow[]> {
  const network = createNetwork(NAME);
  const cgroup = new GovernedCgroup(`perigee-${NAME}`);
  let agent: AgentProcess | undefined;
  try {
    const { agent: governor, direct, proxied } = await perigeePaths(network, cgroup, `perigee-${NAME}`);
    agent = governor;
    const flood = await addFoe(network, cgroup);
    await agent.clear();
    await agent.start();
    const paths = [proxied, direct];
    for (const path of paths) await checkArmed(path, signal);
    const turns: Turn[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const name of round % 2 === 0 ? floodNames : floodNames.toReversed()) {
        const children = flood(name);
        await pause(RISE_MS);
        for (const path of paths) {
          const { p50Us = 0, p99Us = 0, rate } = await measure(path, neighbourCase, seconds, signal);
          turns.push({ round, path: path.name, flood: name, p50Us, p99Us, rate });
          console.log(
            `round ${round + 1} ${path.name.padEnd(8)} ${name.padEnd(9)} p50 ${p50Us} p99 ${p99Us} µs`,
          );
        }
        await end(children);
        await collect(proxied.start(['sleep', '0.5']), signal); // what the flood held is let go
      }
    }
    return neighbourRows(turns);
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
  const { env } = process;
  const seconds = wholeNumber('SECONDS', env['SECONDS'], DEFAULT_SECONDS);
  const rounds = wholeNumber('ROUNDS', env['ROUNDS'], DEFAULT_ROUNDS);
  await onlyOne('neighbour bench');
  const rows = await main(rounds, seconds, stop.signal);
  const date = new Date().toISOString();
  const text = renderNeighbour(rows, { date, rounds, seconds });
  console.log(`\n${text}`);
  mkdirSync(new URL('.', resultsFile), { recursive: true });
  const results = { machine: describeMachine({}), date, rounds, seconds, rows };
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  console.log('the results are in bench/results/neighbour.json');
  if (seconds >= DEFAULT_SECONDS && rounds >= DEFAULT_ROUNDS) publishSection('bench-neighbour', text);
} catch (error) {
  console.error(`neighbour: ${messageOf(error)}`);
  process.exitCode = 1;
}
