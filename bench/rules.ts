// SPDX-License-Identifier: Apache-2.0
// What a thousand rules cost on the inline path, against one: two ports of one server, in interleaved rounds.
// usage: rules.ts, with ROUNDS=… (default 9) and SECONDS=… (of one turn, default 2) in the environment
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile, describe, INLINE_LIMITS } from '../src/core/automaton/compile.ts';
import type { HttpMatch } from '../src/core/automaton/rules.ts';
import { AgentProcess } from '../test/support/agent-process.ts';
import { onlyOne } from '../test/support/only-one.ts';
import { INLINE_PORT, RULED_PORT, type RequestCase } from './cases.ts';
import { GovernedCgroup } from './governed-cgroup.ts';
import { collect, measure } from './load.ts';
import { describeMachine } from './machine-use.ts';
import { addMachine, createNetwork, destroyNetwork, startServer } from './network.ts';
import { wholeNumber } from './options.ts';
import type { BenchPath } from './path.ts';
import { renderRules, type RulesResults, type TableFacts } from './rules-table.ts';
import { publishSection } from './section.ts';
import { type Ratio, ratioOf } from './statistics.ts';
import { readVersions } from './versions.ts';
import { messageOf } from '../src/lib/errors.ts';

const NAME = 'pgrules';
/** What one policy may have; of several the rules are one list. */
const RULES_PER_POLICY = 128;
const DEFAULT_ROUNDS = 9;
const DEFAULT_SECONDS = 2;
const resultsFile = new URL('results/rules.json', import.meta.url);

/** The one that decides: an expression with a header condition. */
const deciding: HttpMatch = {
  path: { type: 'RegularExpression', value: '/[0-9]*' },
  headers: [{ name: 'x-tenant', type: 'Exact', value: 't19' }],
};

/** 500 exact paths, 300 prefixes, 200 expressions with a header condition; the last one decides. */
function thousand(): readonly HttpMatch[] {
  const exact = Array.from({ length: 500 }, (_, i): HttpMatch => ({
    methods: ['GET'],
    path: { type: 'Exact', value: `/api/items/${(i * 7919).toString(36)}/d${String(i)}` },
  }));
  const prefixes = Array.from({ length: 300 }, (_, i): HttpMatch => ({
    path: { type: 'PathPrefix', value: `/svc/${(i * 104729).toString(36)}/part${String(i % 17)}` },
  }));
  const expressions = Array.from({ length: 199 }, (_, i): HttpMatch => ({
    path: { type: 'RegularExpression', value: `/users/[0-9]+/r${String(i)}/[a-z0-9_-]{3,20}` },
    headers: [{ name: 'x-tenant', type: 'Exact', value: `t${String(i % 20)}` }],
  }));
  return [...exact, ...prefixes, ...expressions, deciding];
}

const ports: readonly { readonly port: number; readonly matches: readonly HttpMatch[] }[] = [
  { port: INLINE_PORT, matches: [deciding] },
  { port: RULED_PORT, matches: thousand() },
];

/** JSON is YAML. */
function resources(netns: string): string {
  const workload = {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'Workload',
    metadata: { name: 'server', namespace: 'bench', labels: { app: 'server' } },
    spec: { netns },
  };
  const ingress = ports.flatMap(({ port, matches }) =>
    matches.map((match, index) => ({
      name: `r${String(port)}-${String(index)}`,
      action: 'Allow',
      to: [{ port }],
      http: [match],
    })),
  );
  const policies = Array.from({ length: Math.ceil(ingress.length / RULES_PER_POLICY) }, (_, index) => ({
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { name: `server-${String(index)}`, namespace: 'bench' },
    spec: {
      selector: { matchLabels: { app: 'server' } },
      ingress: ingress.slice(index * RULES_PER_POLICY, (index + 1) * RULES_PER_POLICY),
    },
  }));
  return [workload, ...policies].map((resource) => JSON.stringify(resource)).join('\n---\n');
}

function factsOf(matches: readonly HttpMatch[]): TableFacts {
  const rules = matches.map((match, index) => ({
    rule: index + 1,
    action: 'Allow' as const,
    matches: [match],
  }));
  const started = performance.now();
  const automaton = compile(rules, { limits: INLINE_LIMITS });
  const compileMs = performance.now() - started;
  if (automaton.notInline !== undefined) throw new Error(`not inline: ${automaton.notInline}`);
  return {
    rules: rules.length,
    states: describe(automaton).states,
    bytes: automaton.bytes.length,
    compileMs,
  };
}

const load: RequestCase = {
  type: 'requests',
  name: 'keepalive',
  description: '64 connections kept open',
  connections: 64,
  path: '/',
  headers: () => ['X-Tenant: t19'],
};

async function compare(
  paths: readonly BenchPath[],
  rounds: number,
  seconds: number,
  signal: AbortSignal,
): Promise<Ratio> {
  for (const path of paths) {
    const command = ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `http://${path.authority}/`];
    const status = await collect(path.start(command), signal);
    if (status !== '403') throw new Error(`${path.authority} is not armed: ${status} without the header`);
    await measure(path, load, 1, signal);
  }
  const pairs: [number, number][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const rates: number[] = [];
    for (const index of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const path = paths[index];
      if (path !== undefined) rates[index] = (await measure(path, load, seconds, signal)).rate;
    }
    const [one = Number.NaN, many = Number.NaN] = rates;
    pairs.push([many, one]);
    console.log(
      `round ${String(round + 1)}: ${one.toFixed(0)} requests/s by 1 rule, ${(many / one).toFixed(3)} of that by 1,000`,
    );
  }
  const ratio = ratioOf(pairs);
  if (ratio === undefined) throw new Error('no round gave a ratio');
  return ratio;
}

async function main(rounds: number, seconds: number, signal: AbortSignal): Promise<RulesResults> {
  const network = createNetwork(NAME);
  const cgroup = new GovernedCgroup(`perigee-${NAME}`);
  let agent: AgentProcess | undefined;
  try {
    const client = addMachine(network, 'client');
    const server = addMachine(network, 'server');
    await startServer(network, server, cgroup);
    const config = join(network.folder, 'resources');
    mkdirSync(config);
    writeFileSync(join(config, 'rules.yaml'), resources(server.netns));
    const wrap = (command: readonly string[]): readonly string[] => cgroup.wrap(command);
    agent = new AgentProcess({ name: `perigee-${NAME}`, config, cgroup: cgroup.path, wrap });
    await agent.clear();
    await agent.start();
    const paths = ports.map(({ port }): BenchPath => ({
      name: 'inline',
      authority: `${server.address4}:${String(port)}`,
      start: (command) => network.start(client, command, cgroup),
      isRuled: true,
      middle: () => [],
    }));
    const ratio = await compare(paths, rounds, seconds, signal);
    const tables = ports.map(({ matches }) => factsOf(matches));
    const machine = describeMachine(readVersions());
    return { machine, date: new Date().toISOString(), rounds, ratio, tables };
  } catch (error) {
    console.error(agent?.logs(10) ?? '');
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
  const rounds = wholeNumber('ROUNDS', process.env['ROUNDS'], DEFAULT_ROUNDS, 999);
  const seconds = wholeNumber('SECONDS', process.env['SECONDS'], DEFAULT_SECONDS, 60);
  await onlyOne('bench');
  const results = await main(rounds, seconds, stop.signal);
  const text = renderRules(results);
  console.log(text);
  if (rounds >= DEFAULT_ROUNDS && seconds >= DEFAULT_SECONDS) {
    writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
    publishSection('bench-rules', text);
  }
} catch (error) {
  console.error(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
