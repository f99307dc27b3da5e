// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type LabHost, listening, until } from './lab.ts';
import type { NodeScene } from './node-scene.ts';
import { parseWrk, type WrkReport, wrkCommand } from './wrk.ts';

/** Ports of the server: what HTTP rules govern, and what is governed at layer 4 only. */
export const RULED = 8080;
export const PLAIN = 9000;
/** Size of `/big`, bytes: far more than all buffers between a server and a client hold. */
export const BIG_BYTES = 64 * 1024 * 1024;
/** More than a test file may take. */
const LONGEST_LOAD_SECONDS = 600;

/** Workloads of a scene, each labelled with its machine's name; in namespace `shop`. */
export function workloadsYaml(...hosts: readonly LabHost[]): string {
  return hosts
    .map(
      ({ name, netns }) => `apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}
spec: {netns: ${netns}}
`,
    )
    .join('---\n');
}

/** The same for all of `hosts`, of which some ask for boost. */
export function boostedYaml(asking: readonly LabHost[], hosts: readonly LabHost[]): string {
  const label = 'labels: {perigee.dev/boost: enabled, ';
  return hosts
    .map((host) =>
      asking.includes(host) ? workloadsYaml(host).replace('labels: {', label) : workloadsYaml(host),
    )
    .join('---\n');
}

/** The server lets everybody GET and POST below `/`, by request on one port and by connection on the other. */
export function serverPolicyYaml(server: LabHost): string {
  return `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${server.name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${server.name}}}
  ingress:
  - name: requests
    action: Allow
    to: [{port: ${String(RULED)}}]
    http: [{methods: [GET, POST], path: {type: PathPrefix, value: /}}]
  - name: not-the-admin-pages
    action: Deny
    to: [{port: ${String(RULED)}}]
    http: [{path: {type: PathPrefix, value: /admin}}]
  - name: connections
    action: Allow
    to: [{port: ${String(PLAIN)}}]
`;
}

/** nginx with one worker on both ports; in the governed cgroup. */
export async function startNginx(node: NodeScene, host: LabHost): Promise<ChildProcess> {
  const folder = mkdtempSync(join(node.run, `nginx-${host.name}-`));
  writeFileSync(join(folder, 'big'), Buffer.alloc(BIG_BYTES, 'perigee '));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((use) => `${use}_temp_path ${folder}/${use};`)
    .join(' ');
  const listen = [RULED, PLAIN].map(
    (port) => `listen ${String(port)} backlog=4096; listen [::]:${String(port)} backlog=4096;`,
  );
  const config = `user root; worker_processes 1; worker_rlimit_nofile 16384; daemon off; pid ${folder}/pid;
error_log ${folder}/log;
events { worker_connections 16000; }
http {
  access_log off; ${temporary} keepalive_requests 1000000000; keepalive_timeout 600; client_max_body_size 0;
  server {
    ${listen.join(' ')}
    location / { return 200 "hello\\n"; }
    location = /big { default_type application/octet-stream; alias ${folder}/big; }
  }
}
`;
  writeFileSync(join(folder, 'conf'), config);
  const child = node.startIn(host, ['nginx', '-p', folder, '-c', `${folder}/conf`, '-e', `${folder}/log`]);
  await listening(node.lab, host, RULED);
  await listening(node.lab, host, PLAIN);
  return child;
}

/** Runs wrk in a machine, in the governed cgroup; its report when it has ended. */
export async function load(
  node: NodeScene,
  host: LabHost,
  url: string,
  { seconds, connections = 16, flags = [] }: LoadOptions & { readonly seconds: number },
): Promise<WrkReport> {
  const command = node.inside(wrkCommand(url, seconds, connections, ...flags));
  const child = node.lab.start(host, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  return parseWrk(await output(child));
}

export interface LoadOptions {
  readonly connections?: number;
  readonly flags?: readonly string[];
}

/** Runs several loads at once until `act` has ended; their reports. */
export async function underLoad(
  node: NodeScene,
  loads: readonly (LoadOptions & { readonly from: LabHost; readonly url: string })[],
  act: () => void | Promise<void>,
): Promise<WrkReport[]> {
  const running = loads.map(({ from, url, connections = 16, flags = [] }) => {
    const command = node.inside(wrkCommand(url, LONGEST_LOAD_SECONDS, connections, ...flags));
    const child = node.lab.start(from, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    return { child, report: output(child) };
  });
  await until('the loads', () => running.every(({ child }) => reportsWhenInterrupted(child)));
  await act();
  for (const { child } of running) child.kill('SIGINT');
  return (await Promise.all(running.map(({ report }) => report))).map(parseWrk);
}

function output({ stdout }: ChildProcess): Promise<string> {
  return stdout === null ? Promise.resolve('') : text(stdout);
}

/** Whether wrk has come as far as to catch the signal that has it end and report. */
function reportsWhenInterrupted({ pid = 0 }: ChildProcess): boolean {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  const caught = BigInt(`0x${/^SigCgt:\s+(\w+)/m.exec(status)?.[1] ?? '0'}`);
  return ((caught >> BigInt(constants.signals.SIGINT - 1)) & 1n) === 1n;
}

/** Connections that are kept and such that aren't, judged by request and by connection. */
export function everyLoad(from: LabHost, server: LabHost): Parameters<typeof underLoad>[1] {
  return [RULED, PLAIN]
    .map((port) => `http://${server.address4}:${String(port)}/`)
    .flatMap((url) => [
      { from, url },
      { from, url, connections: 4, flags: shortLived },
    ]);
}

/** Ends every connection after its answer. */
export const shortLived = ['-H', 'Connection: close'] as const;

/** Connections of a machine in any state that the filter of `ss` names. */
export function connectionsIn(node: NodeScene, host: LabHost, ...filter: readonly string[]): number {
  const { stdout } = node.lab.run(host, ['ss', '-Hnta', ...filter]);
  return stdout.split('\n').filter((line) => line !== '').length;
}

/** Sockets that a process holds open. */
export function socketsOf(pid: number): number {
  const folder = `/proc/${String(pid)}/fd`;
  const targets = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(join(folder, fd));
    } catch {
      return ''; // closed meanwhile
    }
  });
  return targets.filter((target) => target.startsWith('socket:')).length;
}

/** Resident memory of a process, MiB. */
export function rssMib(pid: number): number {
  const status = readFileSync(`/proc/${String(pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024;
}
