// SPDX-License-Identifier: Apache-2.0
// Measures how long a saved file takes to be in force in the kernel, at several sizes of a node.
// usage: control.ts, with SIZES=20x10,… and ROUNDS=… in the environment
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentProcess } from '../test/support/agent-process.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { type ChangeKind, changeKinds, ControlFolder, type Size } from './control-folder.ts';
import { type ControlResults, type ControlRow, updateControlPage } from './control-table.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { describeMachine, residentMib } from './machine-use.ts';
import { median, percentile } from './statistics.ts';
import { messageOf } from '../src/lib/errors.ts';

const NAME = 'pgcontrol';
const DEFAULT_SIZES = '20x10,200x100,1000x300';
const DEFAULT_ROUNDS = 20;
/** A change that takes longer than this has failed, ms. */
const GIVE_UP_MS = 30_000;
/** A large node loads one program per namespace first, ms. */
const START_MS = 240_000;
const resultsFile = new URL('results/control.json', import.meta.url);
const pageFile = new URL('../docs/performance.md', import.meta.url);

/** What the agent logs when a state is in force. */
interface Reconciled {
  readonly msg: string;
  /** ISO 8601, to the millisecond. */
  readonly time: string;
}

/** Make passes on what is not set as empty text. */
function settingOf(name: string, byDefault: string): string {
  const text = process.env[name] ?? '';
  return text === '' ? byDefault : text;
}

function readSizes(text: string): readonly Size[] {
  return text.split(',').map((word) => {
    const match = /^(\d+)x(\d+)$/.exec(word);
    if (match === null) throw new Error(`SIZES=${text}: write WORKLOADSxPOLICIES, such as 200x100`);
    return { workloads: Number(match[1]), policies: Number(match[2]) };
  });
}

function readRounds(text: string): number {
  const rounds = Number(text);
  if (Number.isInteger(rounds) && rounds >= 2 && rounds <= 1000) return rounds;
  throw new Error(`ROUNDS=${text}: not a whole number from 2 to 1000`);
}

function nameOf(index: number): string {
  return `${NAME}-${String(index)}`;
}

/** Namespaces without anything in them: what is measured is who is governed, not traffic. */
class Namespaces {
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
    this.#all('add');
  }

  remove(): void {
    this.#all('del');
  }

  #all(verb: 'add' | 'del'): void {
    const lines = Array.from({ length: this.#count }, (_, index) => `netns ${verb} ${nameOf(index)}`);
    execFileSync('ip', ['-force', '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
  }
}

function reconciled(agent: AgentProcess): readonly Reconciled[] {
  const lines = readFileSync(join(agent.runDirectory, 'agent.log'), 'utf8').split('\n');
  const entries = lines
    .filter((line) => line.includes('"reconciled"'))
    .map((line) => JSON.parse(line) as Reconciled);
  return entries.filter(({ msg }) => msg === 'reconciled');
}

/** From before the file is saved until the agent has written the last map, ms. */
async function timeChange(
  agent: AgentProcess,
  folder: ControlFolder,
  kind: ChangeKind,
  signal: AbortSignal,
): Promise<number> {
  const before = reconciled(agent).length;
  const saved = Date.now();
  folder.change(kind);
  while (Date.now() - saved < GIVE_UP_MS) {
    await sleep(5, undefined, { signal });
    const entry = reconciled(agent)[before];
    if (entry !== undefined) return Date.parse(entry.time) - saved;
  }
  throw new Error(`a change of ${kind} was not in force after ${String(GIVE_UP_MS)} ms\n${agent.logs(5)}`);
}

async function measure(size: Size, rounds: number, signal: AbortSignal): Promise<ControlRow> {
  const namespaces = new Namespaces(size.workloads + 1);
  const folder = new ControlFolder(size, nameOf);
  const cgroup = new GovernedCgroup(`perigee-${NAME}`);
  const agent = new AgentProcess({ name: `perigee-${NAME}`, config: folder.directory, cgroup: cgroup.path });
  try {
    await agent.clear();
    const started = Date.now();
    await agent.start({ readyMs: START_MS });
    const [first] = reconciled(agent);
    if (first === undefined) throw new Error(`the agent is ready but reconciled nothing\n${agent.logs(5)}`);
    const coldStartMs = Date.parse(first.time) - started;
    await agent.end('SIGKILL');
    const again = Date.now();
    const seen = reconciled(agent).length;
    await agent.start({ readyMs: START_MS });
    const restartMs = Date.parse(reconciled(agent)[seen]?.time ?? '') - again;
    const changes: Partial<Record<ChangeKind, ReturnType<typeof summarise>>> = {};
    for (const kind of changeKinds) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        times.push(await timeChange(agent, folder, kind, signal));
        // Not in step with the agent's own clock.
        await sleep(50 + Math.random() * 200, undefined, { signal });
      }
      changes[kind] = summarise(times);
    }
    const agentMib = residentMib([agent.pid]);
    const proxyMib = residentMib(agent.proxyPids());
    return { ...size, coldStartMs, restartMs, changes: changes as ControlRow['changes'], agentMib, proxyMib };
  } catch (error) {
    console.error(agent.logs(20));
    throw error;
  } finally {
    await agent.cleanup();
    await cgroup.remove();
    folder.remove();
    namespaces.remove();
  }
}

function summarise(times: readonly number[]): ControlRow['changes'][ChangeKind] {
  const sorted = [...times].sort((a, b) => a - b);
  return {
    medianMs: median(sorted),
    p99Ms: percentile(sorted, 0.99),
    lowMs: sorted[0] ?? Number.NaN,
    highMs: sorted.at(-1) ?? Number.NaN,
  };
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}
try {
  const sizes = readSizes(settingOf('SIZES', DEFAULT_SIZES));
  const rounds = readRounds(settingOf('ROUNDS', String(DEFAULT_ROUNDS)));
  await onlyOne('control bench');
  const rows: ControlRow[] = [];
  for (const size of sizes) {
    const row = await measure(size, rounds, stop.signal);
    rows.push(row);
    console.log(JSON.stringify(row));
  }
  const results: ControlResults = {
    machine: describeMachine({}),
    date: new Date().toISOString(),
    rounds,
    rows,
  };
  mkdirSync(new URL('.', resultsFile), { recursive: true });
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(pageFile, updateControlPage(readFileSync(pageFile, 'utf8'), results));
  console.log('the results are in bench/results/control.json and docs/performance.md');
} catch (error) {
  console.error(`control: ${messageOf(error)}`);
  process.exitCode = 1;
}
