// SPDX-License-Identifier: Apache-2.0
import type { Machine } from './machine-use.ts';
import type { ClusterSize } from './scale-world.ts';

/** Of several, ms. */
export interface Times {
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly highMs: number;
  readonly count: number;
}

export interface ScaleRow extends ClusterSize {
  /** Pods of the node itself, with processes. */
  readonly ownPods: number;
  /** Pods made, and as many deleted, each second while it was measured; as many as were asked for, if less came about. */
  readonly churn: number;
  /** From the agent's process to the first state in force, nothing of it in the kernel yet. */
  readonly coldStartMs: number;
  /** From the API server's answer to the change of a policy until a pod's `connect()` meets it, under churn. */
  readonly change: Times;
  /** The same from before the request. */
  readonly asked: Times;
  /** Of one state of the cluster into maps, meanwhile. */
  readonly reconcile: Times;
  /** Resident memory of the agent after the churn. */
  readonly agentMib: number;
  /** Lists that one agent asks the API server for: when it starts, and during the churn. */
  readonly lists: number;
  readonly churnRequests: number;
}

/** What `bench/results/scale.json` holds. */
export interface ScaleResults {
  readonly machine: Machine;
  /** ISO 8601. */
  readonly date: string;
  readonly rows: readonly ScaleRow[];
}

export function renderScale({ machine, date, rows }: ScaleResults): string {
  const whole = (value: number): string => value.toFixed(0);
  const lines: readonly (readonly string[])[] = [
    ['pods x services x policies', ...rows.map((row) => `${row.pods} x ${row.services} x ${row.policies}`)],
    ['---', ...rows.map(() => '---:')],
    ['cold start, ms (bar: 10,000)', ...rows.map((row) => whole(row.coldStartMs))],
    [
      'change to kernel under churn, ms: median / p99 / most (bar: p99 100)',
      ...rows.map(({ change }) => [change.medianMs, change.p99Ms, change.highMs].map(whole).join(' / ')),
    ],
    [
      'the same with the request that makes the change',
      ...rows.map(({ asked }) => [asked.medianMs, asked.p99Ms, asked.highMs].map(whole).join(' / ')),
    ],
    [
      'one reconcile meanwhile, ms: median / p99 / most',
      ...rows.map(({ reconcile }) =>
        [reconcile.medianMs, reconcile.p99Ms, reconcile.highMs].map(whole).join(' / '),
      ),
    ],
    ['changes measured', ...rows.map(({ change }) => whole(change.count))],
    ['pods made and deleted, each per second', ...rows.map((row) => whole(row.churn))],
    ['agent, MiB resident (bar: 300)', ...rows.map((row) => whole(row.agentMib))],
    ['lists at the start', ...rows.map((row) => whole(row.lists))],
    ['lists during the churn', ...rows.map((row) => whole(row.churnRequests))],
  ];
  return `## A large cluster

One agent of a real API server that holds so many pods, services and policies. The pods are objects: no kubelet runs them but the ${whole(rows[0]?.ownPods ?? 0)} of
the agent's own node. Change to kernel is what a pod meets: from the API server's answer to the request that changes its policy until its own
\`connect()\` is judged by the new one, while pods come and go. Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of ${machine.cpu}, Linux
${machine.kernel}, with API server, etcd and the load on the same cores. A list asks for 500 objects at a time.
\`make bench-cluster SIZES=5000x1000x1000 ROUNDS=100\` repeats it.

${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}
`;
}
