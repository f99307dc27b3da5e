// SPDX-License-Identifier: Apache-2.0
// Whether every request becomes a flow under load, and what flows cost.
// usage: flow-loss.ts, with SECONDS=… (default 60) and ROUNDS=… (of the cost, default 5) in the environment
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onlyOne } from '../test/support/only-one.ts';
import { cases } from './cases.ts';
import { faults, type FlowLossResults, renderFlowLoss } from './flow-loss-table.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { collect, measure } from './load.ts';
import { describeMachine } from './machine-use.ts';
import { createNetwork, destroyNetwork } from './network.ts';
import { wholeNumber } from './options.ts';
import { perigeePaths } from './paths/perigee.ts';
import type { BenchPath } from './path.ts';
import { publishSection } from './section.ts';
import { type Ratio, ratioOf } from './statistics.ts';
import { readVersions } from './versions.ts';
import { messageOf } from '../src/lib/errors.ts';

const NAME = 'pgloss';
const DEFAULT_SECONDS = 60;
const DEFAULT_ROUNDS = 5;
/** With 2 ms between two requests of each, some 20,000 a second. */
const CONNECTIONS = 96;
/** Length of a turn at full speed, s. */
const TURN_SECONDS = 3;
const TICKS_PER_SECOND = 100;
const METRICS = '127.0.0.1:19976';
const resultsFile = new URL('results/flow-loss.json', import.meta.url);
const paced = fileURLToPath(new URL('paced.lua', import.meta.url));

interface Paced {
  readonly sent: number;
  readonly answered: number;
  readonly durationUs: number;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly timeout: number;
}

async function load(
  path: BenchPath,
  target: string,
  { connections, seconds, pause }: { connections: number; seconds: number; pause: number },
  signal: AbortSignal,
): Promise<Paced> {
  const flags = ['-t1', `-c${String(connections)}`, `-d${String(seconds)}s`, '--timeout', '5s', '-s', paced];
  const command = ['wrk', ...flags, `http://${path.authority}${target}`, '--', String(pause)];
  const output = await collect(path.start(command), signal);
  const json = /^paced (.*)$/m.exec(output)?.[1];
  if (json === undefined) throw new Error(`wrk gave no report:\n${output}`);
  const report = JSON.parse(json) as Paced;
  if (report.connect + report.write + report.timeout > 0) throw new Error(`wrk failed: ${json}`);
  return report;
}

/** Sums of samples by the start of their lines. */
type Totals = (prefix: string) => number;

async function scrape(): Promise<Totals> {
  const lines = (await (await fetch(`http://${METRICS}/metrics`)).text()).split('\n');
  return (prefix) =>
    lines
      .filter((line) => line.startsWith(prefix))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Of one process, s. */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Records of requests: all that were seen, but those of connections. */
function requestsIn(totals: Totals): number {
  return (
    totals('perigee_flows_seen_total') -
    totals('perigee_tcp_connections_opened_total{') -
    totals('perigee_tcp_connections_closed_total{')
  );
}

async function count(path: BenchPath, pid: number, seconds: number, signal: AbortSignal) {
  const before = await scrape();
  const cpu = processorSeconds(pid);
  const [allowed, refused] = await Promise.all([
    load(path, '/', { connections: CONNECTIONS, seconds, pause: 2 }, signal),
    load(path, '/admin', { connections: 4, seconds, pause: 19 }, signal),
  ]);
  const share = (processorSeconds(pid) - cpu) / seconds;
  // The last records, and the closes of wrk's connections.
  await sleep(2000);
  const after = await scrape();
  const gained = (prefix: string): number => after(prefix) - before(prefix);
  const denied = gained('perigee_drops_total{reason="http-denied",component="kernel"}');
  const lostDenials = gained('perigee_flows_lost_total{ring="denials"}');
  const lost =
    gained('perigee_flows_lost_total{ring="flows"}') + gained('perigee_flows_lost_total{ring="store"}');
  const recorded = requestsIn(after) - requestsIn(before);
  console.log(JSON.stringify({ allowed, refused, denied, recorded, lost, lostDenials, share }));
  return {
    requests: { sent: allowed.sent + refused.sent, recorded },
    denials: { sent: refused.sent, recorded: denied - lostDenials },
    ...{ lost, lostDenials, agentShare: share },
  };
}

/** Full speed of a node that records every request, by that of one that records refused ones alone, round by round. */
async function cost(all: BenchPath, refused: BenchPath, rounds: number, signal: AbortSignal): Promise<Ratio> {
  const pairs: [number, number][] = [];
  const rateOf = async (path: BenchPath): Promise<number> =>
    (await measure(path, cases.keepalive, TURN_SECONDS, signal)).rate;
  await rateOf(refused);
  for (let round = 0; round < rounds; round += 1) {
    const first = await rateOf(round % 2 === 0 ? all : refused);
    const second = await rateOf(round % 2 === 0 ? refused : all);
    const [on, off] = round % 2 === 0 ? [first, second] : [second, first];
    pairs.push([on, off]);
    console.log(`${on.toFixed(0)} requests/s with flows, ${(on / off).toFixed(3)} of that without`);
  }
  const ratio = ratioOf(pairs);
  if (ratio === undefined) throw new Error('no round gave a ratio');
  return ratio;
}

async function main(seconds: number, rounds: number, signal: AbortSignal): Promise<FlowLossResults> {
  const network = createNetwork(NAME);
  const cgroups = ['a', 'b'].map((letter) => new GovernedCgroup(`perigee-${NAME}${letter}`));
  const [cgroup, quietCgroup] = cgroups as [GovernedCgroup, GovernedCgroup];
  const { agent, inline } = await perigeePaths(network, cgroup, `perigee-${NAME}a`, {
    flags: ['--metrics-address', METRICS],
  });
  const quiet = await perigeePaths(network, quietCgroup, `perigee-${NAME}b`, {
    flags: ['--request-flows', 'refused', '--metrics-address', 'off'],
    machines: 'quiet',
  });
  try {
    for (const each of [agent, quiet.agent]) {
      await each.clear();
      await each.start();
    }
    // The first moments of a process are no load.
    await measure(inline, cases.keepalive, 2, signal);
    await sleep(3000);
    const counted = await count(inline, agent.pid, seconds, signal);
    const ratio = await cost(inline, quiet.inline, rounds, signal);
    const machine = describeMachine(readVersions());
    return { machine, date: new Date().toISOString(), seconds, ...counted, cost: ratio };
  } catch (error) {
    console.error(agent.logs(10));
    throw error;
  } finally {
    for (const each of [agent, quiet.agent]) await each.cleanup();
    await destroyNetwork(network);
    for (const each of cgroups) await each.remove();
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  const seconds = wholeNumber('SECONDS', process.env['SECONDS'], DEFAULT_SECONDS, 600);
  const rounds = wholeNumber('ROUNDS', process.env['ROUNDS'], DEFAULT_ROUNDS, 99);
  await onlyOne('bench');
  const results = await main(seconds, rounds, stop.signal);
  console.log(renderFlowLoss(results));
  if (seconds >= DEFAULT_SECONDS && rounds >= DEFAULT_ROUNDS) {
    writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
    publishSection('bench-flow-loss', renderFlowLoss(results));
  }
  for (const fault of faults(results)) {
    console.error(fault);
    process.exitCode = 1;
  }
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
