// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, type SpawnOptions, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** A machine of the lab: one network namespace. */
export interface LabHost {
  readonly name: string;
  /** Name of the namespace. */
  readonly netns: string;
  /** File of the namespace. */
  readonly path: string;
  readonly address4: string;
  readonly address6: string;
}

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A small network of namespaces on one bridge, which has a namespace of its own: the host's network is not
 * touched. Addresses are 10.77.0.N/24 and fd77::N/64. Everything is removed by `destroy`, processes by id.
 */
export class Lab {
  readonly #prefix: string;
  readonly #hosts = new Map<string, LabHost>();
  readonly #processes = new Set<ChildProcess>();
  #next = 2;

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @param prefix short and unique: names of namespaces and devices begin with it */
  static create(prefix: string): Lab {
    const lab = new Lab(prefix);
    lab.#removeLeftovers();
    ip('netns', 'add', `${prefix}-net`);
    lab.#inFabric('link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    lab.#inFabric('link', 'set', 'br0', 'up');
    return lab;
  }

  /** Adds a machine. IPv6 addresses are usable at once (no duplicate address detection). */
  host(name: string, { loopback = 'up' }: { readonly loopback?: 'up' | 'down' } = {}): LabHost {
    const number = this.#next++;
    const netns = `${this.#prefix}-${name}`;
    const device = `v${String(number)}`;
    const host: LabHost = {
      name,
      netns,
      path: `/var/run/netns/${netns}`,
      address4: `10.77.0.${String(number)}`,
      address6: `fd77::${number.toString(16)}`,
    };
    ip('netns', 'add', netns);
    this.#inFabric('link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns);
    this.#inFabric('link', 'set', device, 'master', 'br0', 'up');
    ip('-n', netns, 'link', 'set', 'lo', loopback);
    ip('-n', netns, 'addr', 'add', `${host.address4}/24`, 'dev', 'eth0');
    ip('-n', netns, 'addr', 'add', `${host.address6}/64`, 'dev', 'eth0', 'nodad');
    ip('-n', netns, 'link', 'set', 'eth0', 'up');
    this.#hosts.set(name, host);
    return host;
  }

  /** Runs a command to its end in a machine. */
  run(host: LabHost, command: readonly string[], input?: string): CommandResult {
    const result = spawnSync('nsenter', [`--net=${host.path}`, ...command], {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 1 << 26,
      ...(input === undefined ? {} : { input }),
    });
    if (result.error !== undefined) throw result.error;
    return { status: result.status, stdout: result.stdout, stderr: result.stderr };
  }

  /** Starts a command in a machine; `destroy` ends it. */
  start(host: LabHost, command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn('nsenter', [`--net=${host.path}`, ...command], { stdio: 'ignore', ...options });
    return this.own(child);
  }

  /** Has `destroy` end a process. */
  own(child: ChildProcess): ChildProcess {
    this.#processes.add(child);
    child.once('exit', () => this.#processes.delete(child));
    return child;
  }

  /** Removes one machine while the lab goes on. */
  remove(host: LabHost): void {
    this.#hosts.delete(host.name);
    ip('netns', 'del', host.netns);
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#processes].map(end));
    for (const host of this.#hosts.values()) ip('netns', 'del', host.netns);
    this.#hosts.clear();
    ip('netns', 'del', `${this.#prefix}-net`);
  }

  #inFabric(...command: string[]): void {
    ip('-n', `${this.#prefix}-net`, ...command);
  }

  /** Namespaces of a run that was killed. */
  #removeLeftovers(): void {
    const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    for (const line of listed.split('\n')) {
      const name = line.split(' ')[0] ?? '';
      if (name.startsWith(`${this.#prefix}-`)) ip('netns', 'del', name);
    }
  }
}

function ip(...command: string[]): void {
  execFileSync('ip', command, { stdio: ['ignore', 'ignore', 'pipe'] });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(timer);
}

/** Waits until a condition holds; the error names what was awaited. The limit is for busy machines. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 30_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${String(ms)} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The lines that a process has written so far; the list grows. */
export function linesOf(child: ChildProcess): readonly string[] {
  const lines: string[] = [];
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return lines;
}

/** Waits until something listens on a TCP port in a machine. */
export async function listening(lab: Lab, host: LabHost, port: number): Promise<void> {
  const look = (): boolean => lab.run(host, ['ss', '-Hltn', `sport = :${String(port)}`]).stdout.trim() !== '';
  await until(`a listener on port ${String(port)} in ${host.netns}`, look);
}

/** The cgroup2 mount, also in a hybrid hierarchy. */
export function cgroup2Root(): string {
  const found = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
    existsSync(`${path}/cgroup.controllers`),
  );
  if (found === undefined) throw new Error('no cgroup2 mount');
  return found;
}
