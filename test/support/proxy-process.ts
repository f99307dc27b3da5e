// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flowRecord, type FlowRecord } from '../../src/core/abi/flow.ts';
import { compile } from '../../src/core/automaton/compile.ts';
import { tableDigest } from '../../src/core/automaton/digest.ts';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { type ProxyConfig, proxyLimits, type ProxyVerdict } from '../../src/core/proxy/config.ts';
import type { ProxyLack, ProxyStatus } from '../../src/core/proxy/control.ts';
import type { KernelScene } from './kernel-scene.ts';
import { type LabHost, until } from './lab.ts';

const perigee = join(import.meta.dirname, '../../bin/perigee');

export const workloadId = (host: LabHost): number => 1000 + Number(host.address4.split('.')[3]);
export const identityOf = (host: LabHost): number => 2000 + Number(host.address4.split('.')[3]);

export interface FlowText extends FlowRecord {
  readonly method: string;
  readonly target: string;
  readonly host: string;
}

/** `perigee proxy` as its own process, driven over its control socket as the agent does it. */
export class ProxyProcess {
  readonly folder: string;
  readonly flows: FlowText[] = [];
  private readonly scene: KernelScene;
  private readonly children: ChildProcess[] = [];
  /** By digest, those that its configurations name. */
  readonly tables = new Map<string, Uint8Array>();
  private revision = 0;

  constructor(scene: KernelScene) {
    this.scene = scene;
    this.folder = mkdtempSync(join(tmpdir(), 'perigee-proxy-'));
  }

  get control(): string {
    return join(this.folder, 'proxy.sock');
  }

  /** Starts one more; it takes over from the one before. Returns its process when it is ready. */
  async start(...flags: string[]): Promise<ChildProcess> {
    const state = join(this.folder, 'state.json');
    const command = [perigee, 'proxy', '--control', this.control, '--state', state, ...flags];
    const child = spawn('sh', this.scene.inside(command).slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
    this.children.push(child);
    await until('the proxy', () => {
      if (child.exitCode !== null) throw new Error(`the proxy ended: ${log}`);
      return log.includes('"ready"');
    });
    return child;
  }

  /** A configuration for hosts of the scene. */
  config(
    hosts: readonly LabHost[],
    verdicts: readonly ProxyVerdict[],
    rules: readonly RuleSet[],
    limits = {},
  ): ProxyConfig {
    const { datapath } = this.scene;
    return {
      version: 3,
      revision: ++this.revision,
      mapsRoot: datapath.layout.maps,
      workloads: hosts.map((host) => ({
        id: workloadId(host),
        identity: identityOf(host),
        namespace: 'lab',
        name: host.name,
        netns: host.path,
        netnsCookie: String(
          datapath.enrolled.find((entry) => entry.workload.id === workloadId(host))?.kernelId,
        ),
      })),
      verdicts: [...verdicts],
      automata: rules.map((set) => {
        const { bytes, readHeaders } = compile(set);
        const table = tableDigest(bytes);
        this.tables.set(table, bytes);
        return {
          table,
          readHeaders: [...readHeaders],
          defaultDeny: 0,
        };
      }),
      limits: proxyLimits.parse(limits),
    };
  }

  async put(config: unknown): Promise<{ readonly code: number; readonly body: ProxyStatus }> {
    const first = await this.ask('PUT', '/v1/config', JSON.stringify(config));
    if (first.code !== 409) return { code: first.code, body: JSON.parse(first.text) as ProxyStatus };
    for (const digest of (JSON.parse(first.text) as ProxyLack).missing)
      await this.ask('PUT', `/v1/tables/${digest}`, this.tables.get(digest));
    const { code, text } = await this.ask('PUT', '/v1/config', JSON.stringify(config));
    return { code, body: JSON.parse(text) as ProxyStatus };
  }

  async status(): Promise<ProxyStatus> {
    return JSON.parse((await this.ask('GET', '/v1/status')).text) as ProxyStatus;
  }

  ask(
    method: string,
    path: string,
    body?: string | Uint8Array,
  ): Promise<{ readonly code: number; readonly text: string }> {
    return new Promise((resolve, reject) => {
      const asking = request({ socketPath: this.control, path, method }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      asking.on('error', reject);
      asking.end(body);
    });
  }

  /** Reads the flow stream into `flows`. */
  follow(): void {
    request({ socketPath: this.control, path: '/v1/flows' }, (response) => {
      let rest = Buffer.alloc(0);
      response.on('error', () => {});
      response.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
          const length = rest.readUInt32LE(0);
          this.flows.push(decode(rest.subarray(4, 4 + length)));
          rest = rest.subarray(4 + length);
        }
      });
    })
      .on('error', () => {})
      .end();
  }

  /** Resident memory of a process, bytes. */
  rss(child: ChildProcess): number {
    const status = readFileSync(`/proc/${String(child.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  async destroy(): Promise<void> {
    for (const child of this.children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.folder, { recursive: true });
  }
}

function decode(bytes: Buffer): FlowText {
  const record = flowRecord.decode(bytes);
  let at = flowRecord.size;
  const text = (length: number): string => bytes.toString('latin1', at, (at += length));
  return {
    ...record,
    method: text(record.methodLength),
    target: text(record.pathLength),
    host: text(record.hostLength),
  };
}

/** A row of the verdict table for one peer. */
export function row(
  direction: 'egress' | 'ingress',
  host: LabHost,
  peer: LabHost | number,
  [port, action, automaton]: readonly [number, 'allow' | 'deny' | 'http', number?],
): ProxyVerdict {
  return {
    workload: workloadId(host),
    direction,
    identity: typeof peer === 'number' ? peer : identityOf(peer),
    from: port,
    to: port,
    action,
    rule: 7,
    ...(automaton === undefined ? {} : { automaton }),
  };
}
