// SPDX-License-Identifier: Apache-2.0
import type { Machine } from './machine-use.ts';

export const pendingModes = ['Refuse', 'Allow'] as const;
export type PendingMode = (typeof pendingModes)[number];

/** What policy says of the first connection of the pods. */
export const pendingPolicies = ['refused', 'allowed'] as const;

export interface PendingRow {
  readonly mode: PendingMode;
  readonly policy: (typeof pendingPolicies)[number];
  readonly creations: number;
  /** Pods that got an answer. */
  readonly answered: number;
  /** Connections that passed before the agent had met their pod. */
  readonly passed: number;
  /** Connections that were refused for that. */
  readonly refused: number;
  readonly seconds: number;
}

/** What `bench/results/pending.json` holds. */
export interface PendingResults {
  readonly machine: Machine;
  /** ISO 8601. */
  readonly date: string;
  readonly rows: readonly PendingRow[];
}

export function renderPending({ machine, date, rows }: PendingResults): string {
  const lines = rows.map(({ mode, policy, creations, answered, passed, refused, seconds }) => {
    const cells = [creations, answered, passed, refused, (creations / seconds).toFixed(1)];
    return `| \`${mode}\` | ${policy} | ${cells.join(' | ')} |`;
  });
  return `## Pods that connect at once

Pods whose first act is to connect, 20 created at once on one node of a real cluster, with the policy there before them. With \`Refuse\` none
that policy refuses may get an answer; with \`Allow\` those that did are the escapes. *Met too late* is what came before the agent had enrolled
the pod: passed under \`Allow\`, refused under \`Refuse\`. Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of ${machine.cpu}, Linux ${machine.kernel}, with the
cluster's control plane on the same cores. \`make bench-pending\` repeats it; [pending-pods.md](design/pending-pods.md) explains the setting.

| \`pending\` | policy | pods | answered | met too late, passed | met too late, refused | pods/s |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
${lines.join('\n')}
`;
}
