// SPDX-License-Identifier: Apache-2.0
import type { UiEdge } from '../model.ts';

export function rate(count: number, seconds: number): string {
  const value = count / seconds;
  if (value === 0) return '–';
  if (value >= 10) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 0.1 ? 1 : 3);
}

export function duration(ns: number | undefined): string {
  if (ns === undefined) return '–';
  if (ns < 1e6) return `${(ns / 1e3).toFixed(0)} µs`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [count, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? String(Math.round(value)) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

export function time(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB', { hour12: false });
}

/** What was tried: requests, or connections where none is read. */
export function tried({ requests, connections, denied }: UiEdge): number {
  return Math.max(requests, connections + denied);
}

export function share(part: number, whole: number): string {
  return part === 0 ? '–' : `${((100 * part) / Math.max(1, whole)).toFixed(1)}%`;
}

/** The way that most flows of an edge took. */
export function mainPath({ paths }: UiEdge): 'direct' | 'inline' | 'proxied' {
  if (paths.proxied > 0 && paths.proxied >= paths.inline) return 'proxied';
  return paths.inline > 0 ? 'inline' : 'direct';
}

export function pathsText({ paths }: UiEdge): string {
  const known = (['direct', 'inline', 'proxied'] as const).filter((path) => paths[path] > 0);
  return known.join(', ');
}

/** How an edge is: refusals and failures are bad, what would be refused is a warning. */
export function mood(edge: UiEdge): 'bad' | 'warn' | '' {
  if (edge.denied > 0 || edge.errors / Math.max(1, tried(edge)) > 0.01) return 'bad';
  return edge.audited > 0 || edge.errors > 0 ? 'warn' : '';
}

/** What a screen reader says of an edge. */
export function edgeText(edge: UiEdge, seconds: number): string {
  const parts = [
    `${edge.source} to ${edge.destination}`,
    edge.requests > 0 ? `${rate(edge.requests, seconds)} requests a second` : '',
    edge.connections > 0 ? `${rate(edge.connections, seconds)} connections a second` : '',
    edge.errors > 0 ? `${share(edge.errors, tried(edge))} errors` : '',
    edge.denied > 0 ? `${String(edge.denied)} refused` : '',
    edge.audited > 0 ? `${String(edge.audited)} would be refused` : '',
    edge.p99 === undefined ? '' : `99 of 100 within ${duration(edge.p99)}`,
    pathsText(edge),
  ];
  return parts.filter((part) => part !== '').join(', ');
}
