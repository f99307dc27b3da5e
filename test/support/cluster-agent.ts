// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { perigeeCommand } from './agent-process.ts';
import { kubeconfig, nodeCommand, onNode } from './cluster.ts';
import { until } from './lab.ts';

const execute = promisify(execFile);
const PINS = '/sys/fs/bpf/perigee-test';
/** On the node's own loopback. */
const METRICS = '127.0.0.1:19975';

interface Workload {
  readonly key: string;
  readonly attachment: string;
  readonly path: string;
  readonly ingress: string;
  readonly ready: boolean;
}

export interface ClusterStatus {
  readonly ready: boolean;
  readonly workloads: readonly Workload[];
  readonly conditions: readonly {
    readonly object: string;
    readonly type: string;
    readonly message: string;
  }[];
  readonly proxy: { readonly state: string };
}

/** The agent of this checkout as a process of a node, before there is an image of it. */
export class ClusterAgent {
  readonly #node: string;
  readonly #access: string;
  readonly #settings: readonly string[];
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #startedAt = 0;

  /** @param settings flags; @param access kubeconfig; default: the administrator's */
  constructor(node: string, settings: readonly string[] = [], access = kubeconfig) {
    this.#node = node;
    this.#settings = settings;
    this.#access = access;
    this.#folder = mkdtempSync(join(tmpdir(), `perigee-${node}-`));
  }

  /** The value of a metric; 0: it has none. */
  metric(series: string): number {
    const text = onNode(this.#node, 'curl', '-s', `http://${METRICS}/metrics`).stdout;
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? 0);
  }

  /** Its process as this machine numbers it; the others with its folder are the shells around it, and its proxy. */
  get pid(): number {
    const isMine = (name: string): boolean => {
      try {
        const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
        return (
          words[0]?.endsWith('/node') === true && words.includes('agent') && words.includes(this.#folder)
        );
      } catch {
        return false; // gone meanwhile
      }
    };
    return Number(readdirSync('/proc').find((name) => /^\d+$/.test(name) && isMine(name)) ?? 0);
  }

  /** From its process to the first state in force, ms; NaN: there was none. */
  get coldStartMs(): number {
    return Date.parse(this.reconciled()[0]?.time ?? '') - this.#startedAt;
  }

  /** What it has logged of the states that it put in force: when (ISO 8601), and how long that took, ms. */
  reconciled(): readonly { readonly time: string; readonly ms: number }[] {
    const lines = readFileSync(join(this.#folder, 'log'), 'utf8').split('\n');
    return lines
      .filter((line) => line.includes('"reconciled"'))
      .map((line) => JSON.parse(line) as { readonly time: string; readonly ms: number });
  }

  get #socket(): string {
    return join(this.#folder, 'agent.sock');
  }

  async start(): Promise<void> {
    const log = openSync(join(this.#folder, 'log'), 'a', 0o600);
    const access = ['--source', 'kubernetes', '--kubeconfig', this.#access, '--node-name', this.#node];
    const places = ['--cgroup', '/sys/fs/cgroup', '--pin-root', PINS, '--run-directory', this.#folder];
    const command = nodeCommand(this.#node, [
      perigeeCommand,
      'agent',
      ...access,
      ...places,
      ...['--metrics-address', METRICS],
      ...this.#settings,
    ]);
    const [program = '', ...rest] = command;
    // Its own group of processes: the first of them is a shell that enters the node.
    this.#startedAt = Date.now();
    const child = spawn(program, rest, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#child = child;
    await until(`the agent of ${this.#node}`, async () => {
      if (child.exitCode !== null)
        throw new Error(`the agent ended: ${readFileSync(join(this.#folder, 'log'), 'utf8')}`);
      const status = await this.status().catch(() => undefined);
      return status?.ready === true && status.proxy.state === 'running';
    });
  }

  async status(): Promise<ClusterStatus> {
    return JSON.parse(await this.run('status', '-o', 'json')) as ClusterStatus;
  }

  /** A command of this agent. */
  async run(...args: readonly string[]): Promise<string> {
    const { stdout } = await execute(perigeeCommand, [...args, '--socket', this.#socket]);
    return stdout;
  }

  async isEnrolled(key: string, ingress?: string): Promise<boolean> {
    const { workloads } = await this.status();
    const found = workloads.find((workload) => workload.key === key);
    return found?.ready === true && (ingress === undefined || found.ingress === ingress);
  }

  /** Ends it; what is in force stays. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    process.kill(-child.pid, 'SIGTERM');
    await gone;
  }

  /** Ends it and its proxy, and removes all of it from the node. */
  async remove(): Promise<void> {
    const { proxy } = JSON.parse(await this.run('status', '-o', 'json')) as { proxy: { pid?: number } };
    await this.stop();
    // As the node numbers it.
    if (proxy.pid !== undefined) onNode(this.#node, 'kill', String(proxy.pid));
    onNode(this.#node, perigeeCommand, 'cleanup', '--pin-root', PINS);
    rmSync(this.#folder, { recursive: true });
  }
}
