// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, cgroup2Root, until } from './lab.ts';

const tree = join(import.meta.dirname, '../..');
const boot = join(import.meta.dirname, 'systemd-boot.sh');

/** A machine that systemd runs: namespaces of its own, Perigee's units installed and not started. */
export class SystemdMachine {
  readonly #folder: string;
  readonly #cgroup: string;
  readonly #process: ChildProcess;
  #init = 0;

  constructor(name: string) {
    this.#folder = mkdtempSync(join(tmpdir(), `perigee-${name}-`));
    this.#cgroup = join(cgroup2Root(), `perigee-${name}`);
    mkdirSync(this.#cgroup, { recursive: true });
    const namespaces = [
      '--mount',
      '--pid',
      '--cgroup',
      '--net',
      '--uts',
      '--ipc',
      '--propagation',
      'private',
    ];
    const command = ['unshare', ...namespaces, '--fork', '--kill-child', 'sh', boot, this.#folder, tree];
    // The cgroup becomes the root of the machine's.
    const enter = ['-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', this.#cgroup, ...command];
    this.#process = spawn('sh', enter, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async booted(): Promise<void> {
    await until('systemd', () => {
      const { exitCode, pid = 0 } = this.#process;
      if (exitCode !== null) throw new Error(`the machine ended with ${String(exitCode)}`);
      this.#init = Number(readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8'));
      return this.#init !== 0 && this.systemctl('is-active', 'perigee-test.target').stdout === 'active\n';
    });
  }

  /** Runs a command to its end, in a cgroup of the machine. */
  run(...command: string[]): CommandResult {
    const enter = 'mkdir -p /sys/fs/cgroup/work && echo $$ >/sys/fs/cgroup/work/cgroup.procs && exec "$@"';
    return this.#nsenter(['sh', '-c', enter, 'sh', ...command]);
  }

  systemctl(...command: string[]): CommandResult {
    return this.#nsenter(['systemctl', '--no-pager', ...command]);
  }

  /** One property of a unit. */
  show(unit: string, property: string): string {
    return this.systemctl('show', '--value', '-p', property, unit).stdout.trim();
  }

  journal(unit: string): string {
    return this.#nsenter(['journalctl', '--no-pager', '-o', 'cat', '-u', unit]).stdout;
  }

  async destroy(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGKILL'); // and with it the machine's first process, so all of them
      await gone;
    }
    await until('the machine to be gone', () => removed(this.#cgroup));
    rmdirSync(this.#folder);
  }

  #nsenter(command: readonly string[]): CommandResult {
    const result = spawnSync('nsenter', ['-t', String(this.#init), '-a', ...command], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', NO_COLOR: '1' },
    });
    if (result.error !== undefined) throw result.error;
    return { status: result.status, stdout: result.stdout, stderr: result.stderr };
  }
}

/** Removes a cgroup with those below it; false while processes are left. */
function removed(cgroup: string): boolean {
  try {
    for (const entry of readdirSync(cgroup, { withFileTypes: true })) {
      if (entry.isDirectory() && !removed(join(cgroup, entry.name))) return false;
    }
    rmdirSync(cgroup);
    return true;
  } catch {
    return false;
  }
}
