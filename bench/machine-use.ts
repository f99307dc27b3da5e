// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

/** Unit of /proc/stat: USER_HZ is 100 on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/**
 * Processor time that the whole machine has spent working, seconds: all fields of /proc/stat's first line but
 * idle, iowait and steal. guest and guest_nice are part of user and nice already.
 */
export function busySeconds(stat: string = readFileSync('/proc/stat', 'utf8')): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (stat.split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}

/** Resident memory of processes together, MiB. A process that is gone counts nothing. */
export function residentMib(pids: readonly number[]): number {
  const kib = pids.map((pid) => Number(statusField(pid, 'VmRSS') ?? 0));
  return kib.reduce((sum, value) => sum + value, 0) / 1024;
}

/** What of a process is resident: in all, of its own (heaps, stacks), and pages of files that it shares with others. */
export interface Residence {
  readonly rssMib: number;
  readonly anonymousMib: number;
  readonly fileMib: number;
}

export function residence(pid: number): Residence {
  const mib = (field: string): number => Number(statusField(pid, field) ?? 0) / 1024;
  const [anonymousMib, fileMib, sharedMib] = [mib('RssAnon'), mib('RssFile'), mib('RssShmem')];
  return { rssMib: anonymousMib + fileMib + sharedMib, anonymousMib: anonymousMib + sharedMib, fileMib };
}

function statusField(pid: number, field: string): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1];
  } catch {
    return undefined;
  }
}

/** Direct children of a process, such as the worker of an nginx. */
export function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

export interface Machine {
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  /** What was measured, by program. */
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(versions: Readonly<Record<string, string>>): Machine {
  const list = cpus();
  return {
    kernel: release(),
    cpu: list[0]?.model.trim() ?? 'unknown',
    cores: list.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    versions,
  };
}
