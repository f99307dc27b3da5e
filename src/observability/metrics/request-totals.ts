// SPDX-License-Identifier: Apache-2.0
import type { FlowNames } from '../flow-names.ts';
import { peerLabel } from './peer-label.ts';
import { OVERFLOW_VALUE, type Sample } from './series-limit.ts';
import type { HistogramTotals } from './totals-histogram.ts';

/** Requests that the kernel decided, by numbers; `workload` 0: those that found no room of their own. */
export interface KernelRequests {
  readonly sourceIdentity: number;
  readonly sourceWorkload: number;
  readonly workload: number;
  readonly method: string;
  readonly status: number;
  readonly count: number;
  readonly seconds: number;
  /** Not cumulative; the last has no upper bound. */
  readonly buckets: readonly number[];
}

export interface RequestTotals {
  readonly requests: readonly Sample[];
  readonly durations: readonly HistogramTotals[];
}

const MODE = 'inline';

/** Adds up what has the same names; those that are most asked come first, so that a limit of series keeps them. */
export function requestTotals(rows: readonly KernelRequests[], names: FlowNames): RequestTotals {
  const requests = new Map<string, Sample>();
  const durations = new Map<string, HistogramTotals>();
  for (const row of rows) {
    const parties = partiesOf(row, names);
    const pair = { ...parties, path_mode: MODE };
    const labels = { ...parties, method: row.method, code: String(row.status), path_mode: MODE };
    const key = Object.values(labels).join('\n');
    requests.set(key, { labels, value: row.count + (requests.get(key)?.value ?? 0) });
    const pairKey = Object.values(pair).join('\n');
    durations.set(pairKey, sum(row, pair, durations.get(pairKey)));
  }
  return {
    requests: [...requests.values()].sort((a, b) => b.value - a.value),
    durations: [...durations.values()].sort((a, b) => b.count - a.count),
  };
}

function partiesOf(row: KernelRequests, names: FlowNames): Readonly<Record<string, string>> {
  const { workload, sourceWorkload, sourceIdentity } = row;
  if (workload === 0) return { source_workload: OVERFLOW_VALUE, destination_workload: OVERFLOW_VALUE };
  return {
    source_workload: peerLabel(names, sourceWorkload, sourceIdentity),
    destination_workload: peerLabel(names, workload, 0),
  };
}

function sum(
  { count, seconds, buckets }: KernelRequests,
  labels: Readonly<Record<string, string>>,
  before: HistogramTotals | undefined,
): HistogramTotals {
  return {
    labels,
    count: count + (before?.count ?? 0),
    seconds: seconds + (before?.seconds ?? 0),
    buckets: buckets.map((value, index) => value + (before?.buckets[index] ?? 0)),
  };
}
