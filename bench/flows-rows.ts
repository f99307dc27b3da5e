// SPDX-License-Identifier: Apache-2.0
import type { FlowQuery } from '../src/core/flow-filter.ts';
import type { Machine } from './machine-use.ts';

/** What one flow in many has and no other. */
export const rare = {
  oneIn: 10_000,
  path: '/admin/keys/7',
  status: 418,
  reason: 'http-truncated',
  address: '10.9.1.7',
  port: 9999,
} as const;

const base: FlowQuery = { include: [], exclude: [], end: 'newest', limit: 1000, follow: false };
const only = (...include: FlowQuery['include']): FlowQuery => ({ ...base, include });

/** Questions as `observe --last 1000` asks them. */
export const questions: Readonly<Record<string, FlowQuery>> = {
  'no filter': base,
  'every flow, by verdict': only({ verdicts: ['allowed'] }),
  '1 in 10,000, by reason': only({ reasons: [rare.reason] }),
  '1 in 10,000, by status': only({ statuses: [{ from: rare.status, to: rare.status }] }),
  '1 in 10,000, by workload': only({ source: { names: [{ namespace: 'dark', name: 'intruder' }] } }),
  '1 in 10,000, by CIDR': only({ source: { addresses: ['10.9.0.0/16'] } }),
  '1 in 10,000, by port': only({ destination: { ports: [rare.port] } }),
  '1 in 10,000, by path prefix': only({ httpPaths: [{ type: 'PathPrefix', value: '/admin' }] }),
  '1 in 10,000, by path pattern': only({ httpPaths: [{ type: 'RegularExpression', value: '/admin/.*' }] }),
  'none, by reference': only({ references: ['1f3a5c7e9b2d4f60'] }),
};

export interface ServerFacts {
  readonly stored: number;
  readonly bytes: number;
  readonly capacityBytes: number;
  readonly recordBytes: number;
  /** Of the store alone, for one record. */
  readonly appendNs: number;
}

export interface FlowsRow {
  readonly question: string;
  readonly flows: number;
  /** From the request until the client has the last flow, ms. */
  readonly medianMs: number;
  readonly p99Ms: number;
}

/** What `bench/results/flows.json` holds. */
export interface FlowsResults {
  readonly machine: Machine;
  /** ISO 8601. */
  readonly date: string;
  readonly rounds: number;
  readonly server: ServerFacts;
  readonly rows: readonly FlowsRow[];
}

/** The most that an answer may take, ms. */
export const BAR_MS = 100;

export function renderFlows({ machine, date, rounds, server, rows }: FlowsResults): string {
  const lines = rows.map(
    ({ question, flows, medianMs, p99Ms }) =>
      `| ${question} | ${String(flows)} | ${medianMs.toFixed(1)} | ${p99Ms.toFixed(1)} |`,
  );
  return `## Questions to the flow store

\`--last 1000\` over gRPC with ${server.stored.toLocaleString('en')} flows stored, from the request until the client has decoded the last flow; ${String(rounds)} times
each. Bar: ${String(BAR_MS)} ms. Storing a flow took ${server.appendNs.toFixed(0)} ns. Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of ${machine.cpu}, Linux ${machine.kernel}.
\`make bench-flows\` repeats it.

| filter | flows | median ms | p99 ms |
| --- | ---: | ---: | ---: |
${lines.join('\n')}
`;
}
