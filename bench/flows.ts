// SPDX-License-Identifier: Apache-2.0
// How long the flow API takes to answer, with a large store and filters that match little.
// usage: flows.ts, with FLOWS=… (default 1000000) and ROUNDS=… (default 30) in the environment
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { AgentClient } from '../src/api/client.ts';
import type { FlowQuery } from '../src/core/flow-filter.ts';
import {
  BAR_MS,
  type FlowsResults,
  type FlowsRow,
  questions,
  renderFlows,
  type ServerFacts,
} from './flows-rows.ts';
import { describeMachine } from './machine-use.ts';
import { wholeNumber } from './options.ts';
import { publishSection } from './section.ts';
import { median, percentile } from './statistics.ts';
import { readVersions } from './versions.ts';

const DEFAULT_FLOWS = 1_000_000;
const DEFAULT_ROUNDS = 30;
const resultsFile = new URL('results/flows.json', import.meta.url);
const never = new AbortController().signal;

async function ask(client: AgentClient, query: FlowQuery): Promise<{ flows: number; ms: number }> {
  const started = performance.now();
  let flows = 0;
  for await (const { flow } of client.flows(query, never)) if (flow !== undefined) flows += 1;
  return { flows, ms: performance.now() - started };
}

async function measure(client: AgentClient, question: string, rounds: number): Promise<FlowsRow> {
  const query = questions[question];
  if (query === undefined) throw new Error(`no question ${question}`);
  const { flows } = await ask(client, query);
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) times.push((await ask(client, query)).ms);
  return { question, flows, medianMs: median(times), p99Ms: percentile(times, 0.99) };
}

const flows = wholeNumber('FLOWS', process.env['FLOWS'], DEFAULT_FLOWS, 10_000_000);
const rounds = wholeNumber('ROUNDS', process.env['ROUNDS'], DEFAULT_ROUNDS, 1000);
const folder = mkdtempSync(join(tmpdir(), 'pgflows-'));
const socketPath = join(folder, 'agent.sock');
const program = join(import.meta.dirname, 'flows-server.ts');
const server = spawn(process.execPath, [program, socketPath, String(flows)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const { value: line } = await createInterface(server.stdout)[Symbol.asyncIterator]().next();
  if (line === undefined) throw new Error('the server ended before it served');
  const facts = JSON.parse(line) as ServerFacts;
  const client = await AgentClient.connect(socketPath);
  const rows: FlowsRow[] = [];
  for (const question of Object.keys(questions)) {
    const row = await measure(client, question, rounds);
    rows.push(row);
    console.log(
      `${question.padEnd(30)} ${String(row.flows).padStart(5)} flows  ${row.medianMs.toFixed(1)} ms  p99 ${row.p99Ms.toFixed(1)} ms`,
    );
  }
  client.close();
  const { Perigee, 'Node.js': node } = readVersions();
  const machine = describeMachine({ Perigee: Perigee ?? '', 'Node.js': node ?? '' });
  const results: FlowsResults = { machine, date: new Date().toISOString(), rounds, server: facts, rows };
  console.log(`storing a flow: ${facts.appendNs.toFixed(0)} ns`);
  if (flows >= DEFAULT_FLOWS && rounds >= DEFAULT_ROUNDS) {
    writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
    publishSection('bench-flows', renderFlows(results));
    console.log('the results are in bench/results/flows.json and docs/performance.md');
  }
  const over = rows.filter(({ medianMs }) => medianMs > BAR_MS);
  for (const { question } of over) console.error(`${question}: over ${String(BAR_MS)} ms`);
  if (over.length > 0) process.exitCode = 1;
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
