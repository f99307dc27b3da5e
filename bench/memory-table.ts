// SPDX-License-Identifier: Apache-2.0
import type { Machine, Residence } from './machine-use.ts';

export type MeasuredProcess = 'agent' | 'proxy';

/** In the order of the table. */
const states = {
  idle: 'idle',
  open: '1,000 connections open, each has had a request',
  loaded: 'most under load, 64 connections direct, 64 inline, 64 proxied',
  busy: 'most under load, 1,000 connections proxied',
  after: 'idle again',
} as const;

export interface MemoryRow extends Residence {
  readonly state: keyof typeof states;
  readonly process: MeasuredProcess;
}

/** What `bench/results/memory.json` holds. */
export interface MemoryResults {
  readonly machine: Machine;
  /** ISO 8601. */
  readonly date: string;
  readonly connections: number;
  readonly rows: readonly MemoryRow[];
}

/** The most that is allowed, MiB. The proxy's is for one worker. */
export const memoryBars: Readonly<Record<MeasuredProcess, number>> = { agent: 120, proxy: 100 };

export function renderMemory({ machine, date, rows }: MemoryResults): string {
  const versions = Object.entries(machine.versions).map(([program, version]) => `${program} ${version}`);
  const lines = (Object.keys(states) as (keyof typeof states)[]).map((state) => {
    const cells = (['agent', 'proxy'] as const).map((name) =>
      cell(rows.find((row) => row.state === state && row.process === name)),
    );
    return `| ${states[state]} | ${cells.join(' | ')} |`;
  });
  return `## Memory

Resident memory of the release, MiB; in brackets what is the process's own, the rest are pages of files (the runtime and the
libraries), which agent and proxy share. One worker. Bars: agent ${String(memoryBars.agent)}, proxy ${String(memoryBars.proxy)}. Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of ${machine.cpu},
Linux ${machine.kernel}; ${versions.join(', ')}. \`make bench-memory\` repeats it.

| | agent | proxy |
| --- | ---: | ---: |
${lines.join('\n')}
`;
}

function cell(row: MemoryRow | undefined): string {
  return row === undefined ? '–' : `${row.rssMib.toFixed(0)} (${row.anonymousMib.toFixed(0)})`;
}
