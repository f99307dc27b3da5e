// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReasonName } from '../../src/core/reasons.ts';
import { type BoostCounts, readBoostCounts } from '../../src/datapath/boost/counts.ts';
import { readDrops } from '../../src/datapath/counters.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import type { MapName } from '../../src/datapath/maps.ts';
import { type BpfMap, loadNative } from '../../src/datapath/native.ts';
import { type CommandResult, Lab, type LabHost, cgroup2Root, until } from './lab.ts';

const perigee = join(import.meta.dirname, '../../bin/perigee');

/** The part of the status that tests look at. */
export interface NodeStatus {
  readonly ready: boolean;
  readonly config: { readonly revision: number };
  readonly proxy: { readonly state: string; readonly pid?: number; readonly revision?: number };
}

/** A node with the real agent and proxy, started as people start them, and machines in namespaces. */
export class NodeScene {
  readonly lab: Lab;
  readonly config: string;
  readonly run: string;
  readonly cgroup: string;
  readonly pinRoot: string;
  /** HTTP policy is decided by the proxy unless a scene says otherwise. */
  readonly inline: 'auto' | 'off';
  agent: ChildProcess | undefined;
  /** A command that starts the agent's, such as one that sets limits. */
  launcher: readonly string[] = [];
  /** The build whose agent is started. */
  program = perigee;

  constructor(name: string, { inline = 'off' }: { readonly inline?: 'auto' | 'off' } = {}) {
    this.inline = inline;
    this.lab = Lab.create(name);
    this.run = mkdtempSync(`/tmp/perigee-${name}-`);
    this.config = join(this.run, 'config');
    this.pinRoot = `/sys/fs/bpf/perigee-${name}`;
    this.cgroup = join(cgroup2Root(), `perigee-${name}`);
    mkdirSync(this.config);
    mkdirSync(this.cgroup, { recursive: true });
  }

  get #places(): string[] {
    return ['--pin-root', this.pinRoot, '--run-directory', this.run];
  }

  get socket(): string {
    return join(this.run, 'agent.sock');
  }

  /** One of the datapath's maps; the caller closes it. */
  pinnedMap(name: MapName): BpfMap {
    return loadNative().BpfMap.openPinned(join(pinLayout(this.pinRoot).maps, name));
  }

  /** Packets that were dropped for a reason. */
  drops(reason: ReasonName): number {
    using drops = this.pinnedMap('drops');
    return readDrops({ drops }).get(reason) ?? 0;
  }

  boostCounts(): BoostCounts {
    using counts = this.pinnedMap('boost_counts');
    return readBoostCounts({ boost_counts: counts });
  }

  /** Writes a file of the configuration in one step, as careful editors do. */
  write(file: string, text: string): void {
    writeFileSync(join(this.run, file), text);
    renameSync(join(this.run, file), join(this.config, file));
  }

  /** Runs a command line of Perigee to its end. */
  perigee(...args: string[]): string {
    return execFileSync(perigee, args, { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } });
  }

  /** Flows as `perigee observe` gives them, one object each. @param filter its flags */
  flows(...filter: readonly string[]): unknown[] {
    return this.perigee('observe', '--socket', this.socket, '-o', 'json', ...filter)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
  }

  /** A command in the governed cgroup. */
  inside(command: readonly string[]): string[] {
    return ['sh', '-c', `echo $$ > ${this.cgroup}/cgroup.procs && exec "$@"`, 'sh', ...command];
  }

  runIn(host: LabHost, command: readonly string[], input?: string): CommandResult {
    return this.lab.run(host, this.inside(command), input);
  }

  startIn(host: LabHost, command: readonly string[]): ChildProcess {
    return this.lab.start(host, this.inside(command));
  }

  /** Status and body of one request by curl; `000` when there was no answer. */
  curl(
    host: LabHost,
    url: string,
    ...options: string[]
  ): { readonly status: string; readonly body: string; readonly error: string } {
    const result = this.runIn(host, ['curl', '-sS', '-m', '5', '-w', '\n%{http_code}', ...options, url]);
    const at = result.stdout.lastIndexOf('\n');
    return {
      status: result.stdout.slice(at + 1),
      body: result.stdout.slice(0, at),
      error: result.stderr.trim(),
    };
  }

  /** Starts the agent, which starts the proxy; resolves when it is ready and the proxy has its configuration. */
  async startAgent(...flags: string[]): Promise<void> {
    const command = this.inside([
      ...this.launcher,
      this.program,
      'agent',
      ...[
        '--config',
        this.config,
        ...this.#places,
        '--cgroup',
        this.cgroup,
        '--metrics-address',
        'off',
        '--inline',
        this.inline,
        ...flags,
      ],
    ]);
    const [program = 'sh', ...rest] = command;
    this.agent = this.lab.own(spawn(program, rest, { stdio: ['ignore', 'ignore', 'inherit'] }));
    await until('the agent to be ready', () => this.status()?.ready === true);
  }

  /** What `perigee status` prints as JSON, whatever its exit code; empty while the agent does not answer. */
  statusText(): string {
    const { stdout } = spawnSync(perigee, ['status', '--socket', this.socket, '-o', 'json'], {
      encoding: 'utf8',
    });
    return stdout;
  }

  /** Undefined while the agent does not answer. */
  status(): NodeStatus | undefined {
    const text = this.statusText();
    return text === '' ? undefined : (JSON.parse(text) as NodeStatus);
  }

  /** Ready, and the proxy runs under the agent's revision. */
  async settled(revision = 0): Promise<void> {
    await until('agent and proxy to agree', () => {
      const now = this.status();
      if (now?.ready !== true || now.config.revision < revision) return false;
      return now.proxy.state === 'running' && now.proxy.revision === now.config.revision;
    });
  }

  async killAgent(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { agent } = this;
    if (agent?.exitCode !== null || agent.signalCode !== null) return;
    const gone = new Promise((resolve) => agent.once('exit', resolve));
    agent.kill(signal);
    await gone;
  }

  proxyLog(): string {
    return readFileSync(join(this.run, 'proxy.log'), 'utf8');
  }

  async destroy(): Promise<void> {
    const proxy = this.status()?.proxy.pid;
    await this.killAgent('SIGTERM');
    this.perigee('cleanup', ...this.#places);
    if (proxy !== undefined) {
      process.kill(proxy, 'SIGKILL');
      await until('the proxy to end', () => !alive(proxy));
    }
    await this.lab.destroy();
    rmSync(this.run, { recursive: true });
    await until('the cgroup to be empty', () => {
      try {
        rmdirSync(this.cgroup);
        return true;
      } catch {
        return false;
      }
    });
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
