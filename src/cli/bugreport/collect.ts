// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { arch, cpus, release, totalmem, version } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AgentClient } from '../../api/client.ts';
import { jsonpbData } from '../../api/flow-json.ts';
import type { WireFlowsResponse } from '../../api/wire.ts';
import type { FlowQuery } from '../../core/flow-filter.ts';
import { jsonText } from '../../lib/json-text.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { redactPath, redactResources, redactText } from './redact.ts';

/** One file of the report. */
export interface Piece {
  readonly name: string;
  readonly collect: () => Promise<string>;
}

const FLOWS = 500;
const LOG_LINES = 2000;
/** Of one resource file, one map: what is larger is left out by name. */
const MOST_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 10_000;
/** Maps whose entries are numbers that explain a verdict; the others are listed by size. */
const dumped = [
  'workloads',
  'ipcache',
  'policy',
  'services',
  'service_slots',
  'drops',
  'flows_lost',
  'inline_settings',
];

async function run(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    timeout: TIMEOUT_MS,
    maxBuffer: 2 * MOST_BYTES,
  });
  return stdout;
}

function redactFlow(response: WireFlowsResponse): WireFlowsResponse {
  const { flow } = response;
  if (flow === undefined) return response;
  const { l7, perigee, Summary: summary } = flow;
  return {
    ...response,
    flow: {
      ...flow,
      ...(summary === undefined ? {} : { Summary: redactPath(summary) }),
      ...(l7?.http === undefined
        ? {}
        : { l7: { ...l7, http: { ...l7.http, url: redactPath(l7.http.url ?? '') } } }),
      ...(perigee === undefined
        ? {}
        : { perigee: { ...perigee, http_path: redactPath(perigee.http_path ?? '') } }),
    },
  };
}

async function flowLines(client: AgentClient, include: FlowQuery['include']): Promise<string> {
  const query: FlowQuery = { include, exclude: [], end: 'newest', limit: FLOWS, follow: false };
  const lines: string[] = [];
  for await (const response of client.flows(query, AbortSignal.timeout(TIMEOUT_MS)))
    lines.push(`${jsonText(jsonpbData(redactFlow(response)))}\n`);
  return redactText(lines.join(''));
}

async function systemText(perigeeVersion: string): Promise<string> {
  const os = await readFile('/etc/os-release', 'utf8').catch(() => 'no /etc/os-release\n');
  return [
    `perigee ${perigeeVersion}, Node.js ${process.version}`,
    `kernel ${release()} ${version()} ${arch()}`,
    `${String(cpus().length)} processors, ${String(Math.round(totalmem() / 2 ** 20))} MiB`,
    os,
  ].join('\n');
}

async function resourcePieces(directory: string): Promise<readonly Piece[]> {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  return names
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => ({
      name: join('resources', name),
      collect: async () => {
        const path = join(directory, name);
        if ((await stat(path)).size > MOST_BYTES)
          throw new PerigeeError('ERR_TOO_LARGE', 'larger than 4 MiB');
        return redactResources(await readFile(path, 'utf8'));
      },
    }));
}

async function mapPieces(pinRoot: string): Promise<readonly Piece[]> {
  const pins = await readdir(pinRoot, { recursive: true }).catch(() => []);
  const piece = (name: string): Piece => ({
    name: join('maps', `${name.replaceAll('/', '-')}.json`),
    collect: () => run('bpftool', '-j', 'map', 'dump', 'pinned', join(pinRoot, name)),
  });
  return [
    { name: 'maps/pins.txt', collect: () => Promise.resolve(`${pins.toSorted().join('\n')}\n`) },
    { name: 'maps/maps.json', collect: () => run('bpftool', '-j', 'map', 'show') },
    { name: 'maps/programs.json', collect: () => run('bpftool', '-j', 'prog', 'show') },
    ...pins.filter((pin) => dumped.some((name) => pin.endsWith(`/${name}`) || pin === name)).map(piece),
  ];
}

export interface Sources {
  readonly client: AgentClient | undefined;
  /** Why the agent could not be asked. */
  readonly failure: string;
  readonly metrics: string;
  readonly version: string;
}

/** What is worth a look when something is wrong. Each piece can fail for itself. */
export async function pieces({ client, failure, metrics, version: own }: Sources): Promise<readonly Piece[]> {
  const always: readonly Piece[] = [
    { name: 'system.txt', collect: () => systemText(own) },
    {
      name: 'metrics.txt',
      collect: async () =>
        (await fetch(`http://${metrics}/metrics`, { signal: AbortSignal.timeout(TIMEOUT_MS) })).text(),
    },
    {
      name: 'log.txt',
      collect: async () =>
        redactText(
          await run(
            'journalctl',
            '--no-pager',
            '-n',
            String(LOG_LINES),
            '-u',
            'perigee-agent',
            '-u',
            'perigee-proxy',
          ),
        ),
    },
  ];
  if (client === undefined) {
    const refuse = (): Promise<string> => Promise.reject(new PerigeeError('ERR_AGENT_NOT_RUNNING', failure));
    return [...always, { name: 'status.json', collect: refuse }];
  }
  const status = await client.status();
  return [
    ...always,
    { name: 'status.json', collect: () => Promise.resolve(redactText(jsonText(status, 2))) },
    { name: 'check.json', collect: async () => jsonText(await client.check(), 2) },
    { name: 'flows.jsonl', collect: () => flowLines(client, []) },
    { name: 'denials.jsonl', collect: () => flowLines(client, [{ verdicts: ['denied'] }]) },
    ...(await resourcePieces(status.config.directory)),
    ...(await mapPieces(status.pinRoot)),
  ];
}
