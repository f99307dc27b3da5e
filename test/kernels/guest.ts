// SPDX-License-Identifier: Apache-2.0
// Runs in a kernel under test (tools/test-kernels.ts): loads every program as the agent does, tries the attached hooks
// with real connections, and writes one report to standard output. What a person may read goes to the console.
import { type StdioOptions, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { release, version } from 'node:os';
import { basename } from 'node:path';
import { runChecks } from '../../src/agent/check.ts';
import { removeDatapath } from '../../src/datapath/cleanup.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { ensurePinFolders, openObject } from '../../src/datapath/loader.ts';
import { NativeError, loadNative } from '../../src/datapath/native.ts';
import type { KernelReport } from '../../tools/kernels/report.ts';
import { KernelScene, objects } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import {
  echoServer,
  holdingClient,
  tcpClient,
  tcpServer,
  udpClient,
  udpServer,
} from '../support/programs.ts';

/** For programs to start; an emulated processor is slow. */
const PATIENCE_MS = 60_000;

/** Of Services in the scene. */
const CLUSTER = '10.96.0.10';

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** The verifier's own words, if it said any. */
function reasonOf(error: unknown): string {
  if (!(error instanceof NativeError)) return String(error);
  return error.verifierSummary?.at(-1) === undefined ? error.message : error.verifierSummary.join(' | ');
}

/** Loads every object that was built, whoever uses it. */
function loadEvery(): Pick<KernelReport, 'instructions' | 'rejected'> {
  const options = { native: loadNative(), layout: pinLayout('/sys/fs/bpf/perigee-every'), objects };
  const instructions: Record<string, number> = {};
  const rejected: Record<string, string> = {};
  ensurePinFolders(options);
  for (const file of readdirSync(objects).filter((name) => name.endsWith('.bpf.o'))) {
    const name = basename(file, '.bpf.o');
    using object = openObject(options, name);
    try {
      object.load();
      for (const program of object.programs) {
        instructions[`${name}/${program}`] = object.program(program).verifiedInstructions;
      }
      say(`loaded ${name}`);
    } catch (error) {
      rejected[name] = reasonOf(error);
      say(`rejected ${name}: ${rejected[name]}`);
    }
  }
  removeDatapath(options.native, options.layout.root);
  return { instructions, rejected };
}

/** An emulated processor may be too slow for a client's patience, which says nothing of the verdict. */
function patiently(expected: string, act: () => string): string {
  let found = '';
  for (let attempt = 0; attempt < 5; attempt += 1) {
    found = act().split(' ')[0] ?? '';
    if (found === expected || !['silence', 'TimeoutError', 'ETIMEDOUT'].includes(found)) break;
  }
  return found;
}

/** How an open connection ends when policy forbids it. */
async function forbidOpen(scene: KernelScene, client: LabHost, server: LabHost): Promise<string> {
  const command = ['python3', '-c', holdingClient, server.address4, '8082', 'tcp'];
  const stdio: StdioOptions = ['pipe', 'pipe', 'inherit'];
  const lines = linesOf(scene.lab.start(client, scene.inside(command), { stdio }));
  await until('a connection to hold', () => lines.length > 0, PATIENCE_MS);
  scene.govern([{ host: client, egress: [] }, { host: server }]);
  scene.datapath.sweep('first');
  await until('its end', () => lines.length > 1 || lines[0] !== 'open', PATIENCE_MS);
  return lines.at(-1) ?? '';
}

/** A governed client, its server and a stranger: verdicts at connect(), on arrival and on datagrams. */
async function smoke(): Promise<KernelReport['smoke']> {
  const steps: KernelReport['smoke'] = [];
  const scene = new KernelScene('kernels');
  const client = scene.lab.host('client');
  const server = scene.lab.host('server');
  const stranger = scene.lab.host('stranger');
  const step = (name: string, expected: string, act: () => string): void => {
    const found = patiently(expected, act);
    say(`${name}: ${found}`);
    steps.push({ step: name, expected, found });
  };
  for (const port of ['8080', '8081']) scene.serve(server, tcpServer, port);
  scene.serve(server, echoServer, '8082');
  scene.serve(server, udpServer, '53');
  await until(
    'the servers',
    () => scene.lab.run(server, ['ss', '-Hltnu']).stdout.trim().split('\n').length === 4,
    PATIENCE_MS,
  );
  const governed = [
    {
      host: client,
      egress: [
        { peer: server, port: 8080, action: 'allow' },
        { peer: server, port: 8082, action: 'allow' },
        { peer: server, protocol: 'UDP', port: 53, action: 'allow' },
      ],
    },
    {
      host: server,
      ingress: [
        { peer: client, port: 8080, action: 'allow' },
        { peer: client, port: 8082, action: 'allow' },
        { peer: client, protocol: 'UDP', port: 53, action: 'allow' },
      ],
    },
  ] as const;
  scene.govern(governed, [
    { id: 501, address: CLUSTER, port: 80, picked: [[server.address4, 8080]] },
    { id: 502, address: CLUSTER, port: 81, picked: [] },
    { id: 503, address: CLUSTER, port: 53, protocol: 'UDP', picked: [[server.address4, 53]] },
  ]);
  for (const address of [server.address4, server.address6, `::ffff:${server.address4}`]) {
    step(`an allowed connection to ${address}`, 'ok', () => scene.python(client, tcpClient, address, '8080'));
    step(`a refused connection to ${address}`, 'EPERM', () =>
      scene.python(client, tcpClient, address, '8081'),
    );
  }
  step('a stranger from outside', 'ECONNREFUSED', () =>
    scene.python(stranger, tcpClient, server.address4, '8080'),
  );
  const datagram = (from: LabHost, to: LabHost): string =>
    scene.python(from, udpClient, to.address4, '53', 'unconnected');
  step('an allowed datagram', 'ok', () => datagram(client, server));
  step('a connection to a Service', 'ok', () => scene.python(client, tcpClient, CLUSTER, '80'));
  step('a Service that nobody serves', 'ECONNREFUSED', () => scene.python(client, tcpClient, CLUSTER, '81'));
  step('a datagram to a Service', 'ok', () => scene.python(client, udpClient, CLUSTER, '53', 'unconnected'));
  step('a refused datagram', 'EPERM', () => datagram(client, stranger));
  step('a datagram of a stranger', 'silence', () => datagram(stranger, server));
  const ended = await forbidOpen(scene, client, server);
  step('an open connection that a change forbids', 'ECONNABORTED', () => ended);
  await scene.destroy();
  return steps;
}

async function main(): Promise<void> {
  const loaded = loadEvery();
  const isWhole = Object.keys(loaded.rejected).length === 0;
  const checks = await runChecks();
  spawnSync(process.execPath, ['src/cli/main.js', 'check'], { stdio: ['ignore', 2, 2] });
  const report: KernelReport = {
    version: /Debian (\S+)/.exec(version())?.[1] ?? release(),
    ...loaded,
    capabilities: Object.fromEntries(checks.map(({ name, ok, detail }) => [name, ok ? detail : null])),
    smoke: isWhole ? await smoke() : [],
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

await main();
