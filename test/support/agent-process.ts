// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { controlSocketName } from '../../src/core/proxy/places.ts';
import type { CommandResult } from './lab.ts';
import type { NodeStatus } from './node-scene.ts';

/** The command as a person starts it. */
export const perigeeCommand = fileURLToPath(new URL('../../bin/perigee', import.meta.url));

export interface AgentOptions {
  /** Short and unique: pins and run folder are named after it. */
  readonly name: string;
  readonly config: string;
  /** cgroup2 folder to govern. Default: the agent's own choice, the root. */
  readonly cgroup?: string;
  /** Puts a command somewhere, such as into a cgroup. */
  readonly wrap?: (command: readonly string[]) => readonly string[];
  /** The launcher to start. Default: the one of this checkout. */
  readonly program?: string;
  /** Where HTTP policy is decided. Default: the agent's own choice. */
  readonly inline?: 'auto' | 'off';
  /** Further ones, which win. */
  readonly flags?: readonly string[];
}

export interface StartOptions {
  readonly isReady?: () => Promise<boolean>;
  readonly readyMs?: number;
}

/** A real agent with pins, sockets and a proxy of its own. */
export class AgentProcess {
  readonly pinRoot: string;
  readonly runDirectory: string;
  readonly #options: AgentOptions;
  #child: ChildProcess | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.pinRoot = `/sys/fs/bpf/${options.name}`;
    this.runDirectory = mkdtempSync(join(tmpdir(), `${options.name}-run-`));
  }

  get socket(): string {
    return join(this.runDirectory, 'agent.sock');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get #program(): string {
    return this.#options.program ?? perigeeCommand;
  }

  /** Arguments that start the agent. */
  get arguments(): readonly string[] {
    const { config, cgroup, inline, flags = [] } = this.#options;
    return [
      ...['agent', '--config', config, '--run-directory', this.runDirectory, '--pin-root', this.pinRoot],
      ...['--metrics-address', 'off', '--proxy', 'spawn', '--log-level', 'info'],
      ...(cgroup === undefined ? [] : ['--cgroup', cgroup]),
      ...(inline === undefined ? [] : ['--inline', inline]),
      ...flags,
    ];
  }

  /** Starts the agent and waits until it is ready; its proxy, too, unless the caller knows better what that is. */
  async start({ isReady = () => this.#isReady(), readyMs = 40_000 }: StartOptions = {}): Promise<void> {
    const command = [this.#program, ...this.arguments];
    const [program = '', ...rest] = this.#options.wrap?.(command) ?? command;
    const log = openSync(join(this.runDirectory, 'agent.log'), 'a', 0o600);
    const child = spawn(program, rest, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    const deadline = Date.now() + readyMs;
    while (!(await isReady())) {
      if (child.exitCode !== null || child.signalCode !== null) throw this.#complaint('the agent ended');
      if (Date.now() > deadline)
        throw this.#complaint(`the agent was not ready within ${String(readyMs)} ms`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends the agent with a signal and waits for its end; its exit code. Pins and proxy stay. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await gone;
    clearTimeout(timer);
    return child.exitCode;
  }

  /** Runs a command of the CLI against this agent. */
  cli(command: readonly string[]): Promise<CommandResult> {
    return finished(
      spawn(this.#program, [...command, '--socket', this.socket], { stdio: ['ignore', 'pipe', 'pipe'] }),
    );
  }

  /** The proxy's process: the first that was started for this run folder. */
  proxyPid(): number | undefined {
    return this.proxyPids()[0];
  }

  /** All of them: a draining one may still be there. */
  proxyPids(): readonly number[] {
    const mine = join(this.runDirectory, controlSocketName);
    const isMine = (pid: string): boolean => {
      const words = commandLine(pid);
      return words.includes('proxy') && words.includes(mine);
    };
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && isMine(name))
      .map(Number);
  }

  /** Takes every hook and pin of this name off the host; also those of a run that was killed. */
  async clear(): Promise<void> {
    const flags = ['--pin-root', this.pinRoot, '--run-directory', this.runDirectory];
    const child = spawn(this.#program, ['cleanup', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    const { status, stdout, stderr } = await finished(child);
    if (status !== 0) throw new Error(`perigee cleanup failed:\n${stdout}${stderr}`);
  }

  /** Ends agent and proxy, clears the host and removes the run folder. */
  async cleanup(): Promise<void> {
    await this.end('SIGTERM');
    const proxy = this.proxyPid();
    try {
      await this.clear();
    } finally {
      if (proxy !== undefined) await endProxy(proxy);
      rmSync(this.runDirectory, { recursive: true, force: true });
    }
  }

  async #isReady(): Promise<boolean> {
    if (!existsSync(this.socket)) return false;
    const { status, stdout } = await this.cli(['status', '-o', 'json']);
    if (status === 2) return false;
    const { ready, config, proxy } = JSON.parse(stdout) as Partial<NodeStatus>;
    return ready === true && proxy?.state === 'running' && proxy.revision === config?.revision;
  }

  /** The last lines of what agent and proxy have logged. */
  logs(lines = 12): string {
    const files = ['agent.log', 'proxy.log'].map((name) => join(this.runDirectory, name));
    const tail = (file: string): string =>
      readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    return files
      .filter((file) => existsSync(file))
      .map((file) => `${file}:\n${tail(file)}`)
      .join('\n');
  }

  #complaint(what: string): Error {
    return new Error(`${what}\n${this.logs()}`);
  }
}

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // gone meanwhile
  }
}

async function finished(child: ChildProcess): Promise<CommandResult> {
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('exit', resolve);
    child.once('error', reject);
  });
  if (child.stdout === null || child.stderr === null) throw new Error('the process has no pipes');
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status, stdout, stderr };
}

/** A drained proxy ends by itself; one that doesn't is killed. */
async function endProxy(pid: number): Promise<void> {
  for (const signal of [0, 'SIGTERM', 'SIGKILL'] as const) {
    const deadline = Date.now() + 2000;
    try {
      process.kill(pid, signal);
      while (Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        process.kill(pid, 0);
      }
    } catch {
      return; // it is gone
    }
  }
}
