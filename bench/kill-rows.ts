// SPDX-License-Identifier: Apache-2.0
import { median } from './statistics.ts';
import { table } from './table.ts';

/** One phase of one path: the load for some seconds, with or without kills. */
export interface KillRun {
  readonly path: string;
  /** Which pair of phases it belongs to, from 0. */
  readonly pair: number;
  readonly killed: boolean;
  /** How often the agent was killed while the load ran. */
  readonly kills: number;
  readonly requests: number;
  readonly failed: number;
  readonly complaints: readonly string[];
  readonly maxLatencyMs: number;
}

/** A path over all pairs: the largest latencies of its phases, as medians. */
export interface KillRow {
  readonly path: string;
  readonly kills: number;
  readonly requests: number;
  readonly failed: number;
  readonly controlMaxMs: number;
  readonly killedMaxMs: number;
  /** Killed less control of the same pair: median and range. */
  readonly difference: { readonly median: number; readonly low: number; readonly high: number };
}

/** What a run with kills may be worse by. */
export const BAR_MS = 50;

export function killRows(runs: readonly KillRun[]): readonly KillRow[] {
  return [...new Set(runs.map(({ path }) => path))].map((path) => rowOf(path, runs));
}

function rowOf(path: string, all: readonly KillRun[]): KillRow {
  const runs = all.filter((run) => run.path === path);
  const latencies = (killed: boolean): number[] =>
    runs.filter((run) => run.killed === killed).map(({ maxLatencyMs }) => maxLatencyMs);
  const differences = runs
    .filter(({ killed }) => killed)
    .flatMap((run) => {
      const control = runs.find(({ pair, killed }) => pair === run.pair && !killed);
      return control === undefined ? [] : [run.maxLatencyMs - control.maxLatencyMs];
    });
  const sum = (field: 'kills' | 'requests' | 'failed'): number =>
    runs.reduce((total, run) => total + run[field], 0);
  return {
    path,
    kills: sum('kills'),
    requests: sum('requests'),
    failed: sum('failed'),
    controlMaxMs: median(latencies(false)),
    killedMaxMs: median(latencies(true)),
    difference: {
      median: median(differences),
      low: Math.min(...differences),
      high: Math.max(...differences),
    },
  };
}

/** No request failed, and the medians of the largest latencies are within the bar. */
export function isWithinBar({ failed, controlMaxMs, killedMaxMs }: KillRow): boolean {
  return failed === 0 && killedMaxMs - controlMaxMs <= BAR_MS;
}

export function renderKills(
  rows: readonly KillRow[],
  { date, pairs, seconds }: { readonly date: string; readonly pairs: number; readonly seconds: number },
): string {
  const header = [
    'path',
    'kills',
    'requests',
    'failed',
    'largest, control, ms',
    'with kills, ms',
    'difference',
  ];
  const lines = rows.map((row) => {
    const { median: middle, low, high } = row.difference;
    const range =
      low === high ? middle.toFixed(0) : `${middle.toFixed(0)} (${low.toFixed(0)} to ${high.toFixed(0)})`;
    const counts = [row.kills, row.requests, row.failed].map((count) => count.toLocaleString('en'));
    return [row.path, ...counts, row.controlMaxMs.toFixed(0), row.killedMaxMs.toFixed(0), range];
  });
  return `## The agent is killed under load

Measured on ${date.slice(0, 10)}: ${String(pairs)} ${pairs === 1 ? 'pair' : 'pairs'} of phases of ${String(seconds)} s: one with the shipped agent killed by \`kill -9\` every 2.5 s, each time after it was ready,
one that lets it live. 64 connections on each path at once. Largest latencies are medians over the phases; the difference is that of
the same pair, with its range.

${table([header, ...lines])}

\`make bench-kills\` measures it again.
`;
}
