// SPDX-License-Identifier: Apache-2.0
import type { FlowNames } from './flow-names.ts';
import type { IndexedRing } from './indexed-ring.ts';
import { Offset } from './record-layout.ts';

const sides = [
  { list: 'source', workload: Offset.sourceWorkload, identity: Offset.sourceIdentity },
  { list: 'destination', workload: Offset.destinationWorkload, identity: Offset.destinationIdentity },
] as const;

/** Namespaces of the workloads and identities in stored flows, sorted. */
export function seenNamespaces(rings: readonly IndexedRing[], names: FlowNames): readonly string[] {
  const workloads = new Set<number>();
  const identities = new Set<number>();
  const note = (workload: number, identity: number): boolean => {
    workloads.add(workload);
    identities.add(identity);
    return false;
  };
  for (const ring of rings) {
    const { arena, summaries } = ring;
    for (const chunk of ring.chunks()) {
      const slot = chunk % arena.slots;
      for (const { list, workload, identity } of sides) {
        if (summaries.isListed(slot, list)) summaries.someListed(slot, list, note);
        else
          arena.collect(
            chunk,
            ({ u32 }, at) => note(u32[(at + workload) >> 2] ?? 0, u32[(at + identity) >> 2] ?? 0),
            [],
          );
      }
    }
  }
  const peers = [
    ...[...workloads].map((id) => names.workload(id)),
    ...[...identities].map((id) => names.identity(id)),
  ];
  return [...new Set(peers.map((peer) => peer?.namespace).filter((name) => name !== undefined))].sort();
}
