// SPDX-License-Identifier: Apache-2.0
import type { OpenConnections } from '../api/ports.ts';
import { flowPathNames } from '../core/abi/flow.ts';
import type { OpenConnection } from '../core/abi/sweep.ts';

/** Open connections by the number of the workload whose end they are, counted by path. */
export function countOpen(ends: readonly OpenConnection[]): ReadonlyMap<number, OpenConnections> {
  const counts = new Map<number, OpenConnections>();
  for (const { workload, path } of ends) {
    const name = flowPathNames[path] ?? 'direct';
    const known = counts.get(workload) ?? { direct: 0, inline: 0, proxied: 0 };
    counts.set(workload, { ...known, [name]: known[name] + 1 });
  }
  return counts;
}
