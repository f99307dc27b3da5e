// SPDX-License-Identifier: Apache-2.0
import { columns } from '../printers/columns.ts';
import { escapeText } from '../printers/escape.ts';
import { formatBytes, formatDuration } from '../printers/quantity.ts';
import type { Style } from '../printers/style.ts';
import type { Edge, Refusal, Traffic } from './traffic.ts';

export const sortKeys = ['requests', 'connections', 'errors', 'denied', 'bytes', 'latency'] as const;
export type SortKey = (typeof sortKeys)[number];

export interface ViewOptions {
  readonly node: string;
  readonly sort: SortKey;
  readonly rows: number;
  readonly columns: number;
  readonly style: Style;
  /** What can be done with the keyboard; empty: there is none. */
  readonly keys: string;
}

/** Lines of the view that are no edges: heading, blank lines, headings of the tables, the refusals' part. */
const HEAD_LINES = 4;
const MOST_REFUSALS = 6;

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

function valueOf(edge: Edge, key: SortKey): number {
  return key === 'latency' ? percentile(edge.latencies, 0.99) : edge[key];
}

function rate(count: number, seconds: number): string {
  const value = count / seconds;
  if (value === 0) return '-';
  return value >= 10 ? value.toFixed(0) : value.toFixed(1);
}

function edgeRow(edge: Edge, seconds: number): readonly string[] {
  const { source, destination, requests, connections, errors, denied, bytes, latencies } = edge;
  const tried = Math.max(requests, connections + denied);
  return [
    `${source} → ${destination}`,
    rate(requests, seconds),
    rate(connections, seconds),
    errors === 0 ? '-' : `${((100 * errors) / Math.max(1, tried)).toFixed(1)}%`,
    rate(denied, seconds),
    latencies.length === 0 ? '-' : formatDuration(percentile(latencies, 0.5)),
    latencies.length === 0 ? '-' : formatDuration(percentile(latencies, 0.99)),
    bytes === 0 ? '-' : `${formatBytes(bytes / seconds)}/s`,
  ];
}

function refusalRow({ source, destination, reason, rule, count }: Refusal): readonly string[] {
  return [`${source} → ${destination}`, String(count), reason, rule];
}

/** Cut to the terminal, so that no line takes two; by characters, since what is shown has no wide ones but names. */
function fit(text: string, width: number): readonly string[] {
  return text
    .split('\n')
    .map((line) =>
      [...line].length <= width ? line : `${[...line].slice(0, Math.max(0, width - 1)).join('')}…`,
    );
}

/** One picture of the traffic, at most as many lines as the terminal has. */
export function topView(traffic: Traffic, options: ViewOptions): string {
  const { node, sort, style, keys } = options;
  const { seconds } = traffic;
  const refusals = traffic.refusals().toSorted((a, b) => b.count - a.count);
  const shownRefusals = refusals.slice(0, Math.min(MOST_REFUSALS, Math.floor(options.rows / 3)));
  const room = options.rows - HEAD_LINES - (shownRefusals.length === 0 ? 0 : shownRefusals.length + 2);
  const edges = traffic.edges().toSorted((a, b) => valueOf(b, sort) - valueOf(a, sort));
  const missed = traffic.missed === 0 ? '' : `  ${String(traffic.missed)} flows missed`;
  const heading = `${escapeText(node)}  last ${String(seconds)} s  ${String(edges.length)} edges  sorted by ${sort}${missed}${keys === '' ? '' : `  ${keys}`}`;
  const head = ['EDGE', 'REQ/S', 'CONN/S', 'ERRORS', 'DENIED/S', 'P50', 'P99', 'BYTES'];
  const table = columns([head, ...edges.slice(0, Math.max(1, room)).map((edge) => edgeRow(edge, seconds))]);
  const lines = [...fit(heading, options.columns), '', ...fit(table.trimEnd(), options.columns)];
  if (shownRefusals.length > 0) {
    const below = columns([['DENIED', 'COUNT', 'REASON', 'RULE'], ...shownRefusals.map(refusalRow)]);
    lines.push(
      '',
      ...fit(below.trimEnd(), options.columns).map((line, index) => (index === 0 ? line : style.bad(line))),
    );
  }
  return lines.slice(0, options.rows - 1).join('\n');
}
