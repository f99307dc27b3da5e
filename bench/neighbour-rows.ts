// SPDX-License-Identifier: Apache-2.0
import { cases, type RequestCase } from './cases.ts';
import type { PathName } from './path.ts';
import { table } from './table.ts';
import { median, type Ratio, ratioOf } from './statistics.ts';

export const floodNames = ['none', 'requests', 'limits'] as const;
export type FloodName = (typeof floodNames)[number];

/** What the neighbour does: a few connections kept open, as a service has them. */
export const neighbourCase: RequestCase = {
  ...(cases.keepalive as RequestCase),
  description: '4 connections kept open',
  connections: 4,
};

/** What the neighbour saw in one turn. */
export interface Turn {
  readonly round: number;
  readonly path: PathName;
  readonly flood: FloodName;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Requests a second. */
  readonly rate: number;
}

export interface NeighbourRow {
  readonly path: PathName;
  readonly flood: FloodName;
  /** Medians over the rounds. */
  readonly p50Us: number;
  readonly p99Us: number;
  readonly rate: number;
  /** p99 under the flood by p99 without it, of the same round. */
  readonly p99ToAlone: Ratio | undefined;
}

export function neighbourRows(turns: readonly Turn[]): readonly NeighbourRow[] {
  const paths = [...new Set(turns.map(({ path }) => path))];
  return paths.flatMap((path) =>
    floodNames.map((flood) => {
      const own = turns.filter((turn) => turn.path === path && turn.flood === flood);
      const pairs = own.flatMap(({ round, p99Us }) => {
        const alone = turns.find(
          (turn) => turn.path === path && turn.round === round && turn.flood === 'none',
        );
        return alone === undefined ? [] : [[p99Us, alone.p99Us] as const];
      });
      const middle = (field: 'p50Us' | 'p99Us' | 'rate'): number => median(own.map((turn) => turn[field]));
      const medians = { p50Us: middle('p50Us'), p99Us: middle('p99Us'), rate: middle('rate') };
      return { path, flood, ...medians, p99ToAlone: ratioOf(pairs) };
    }),
  );
}

export function renderNeighbour(
  rows: readonly NeighbourRow[],
  { date, rounds, seconds }: { readonly date: string; readonly rounds: number; readonly seconds: number },
): string {
  const header = ['path', 'flood', 'p50 µs', 'p99 µs', 'p99 to alone', 'range', 'requests/s'];
  const lines = rows.map(({ path, flood, p50Us, p99Us, rate, p99ToAlone: ratio }) => {
    const range = ratio === undefined ? '–' : `${ratio.low.toFixed(1)}–${ratio.high.toFixed(1)}`;
    const figures = [p50Us, p99Us].map((value) => value.toFixed(0));
    return [
      path,
      flood,
      ...figures,
      ratio?.median.toFixed(1) ?? '–',
      range,
      Math.round(rate).toLocaleString('en'),
    ];
  });
  return `## A neighbour floods

Measured on ${date.slice(0, 10)}: ${String(rounds)} rounds, turns of ${String(seconds)} s, in alternating order. One workload asks its server over ${neighbourCase.description}
while another workload with a server of its own floods the proxy: *requests* are 64 connections kept open and 16 short ones at a time,
as fast as they are answered; *limits* are 5,000 silent connections (more than a workload's share), 100 heads that never end and 100
downloads that nobody reads. Every request of the neighbour is answered with 200, or there is no table. The direct path shares
processors with the flood and no proxy: its rows show what the machine alone does.

${table([header, ...lines])}

\`make bench-neighbour\` measures it again.
`;
}
