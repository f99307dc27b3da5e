// SPDX-License-Identifier: Apache-2.0
import { type FlowArena, ForwardCursor } from './flow-arena.ts';
import type { FlowNames } from './flow-names.ts';
import { Offset } from './record-layout.ts';

/** Namespaces of the workloads and identities in stored flows, sorted. */
export function seenNamespaces(arenas: readonly FlowArena[], names: FlowNames): readonly string[] {
  const workloads = new Set<number>();
  const identities = new Set<number>();
  for (const arena of arenas) {
    const cursor = new ForwardCursor(arena, 'oldest');
    for (let position = cursor.peek(); position >= 0; position = cursor.peek()) {
      const at = arena.recordAt(position);
      workloads.add(arena.u32[(at + Offset.sourceWorkload) >> 2] ?? 0);
      workloads.add(arena.u32[(at + Offset.destinationWorkload) >> 2] ?? 0);
      identities.add(arena.u32[(at + Offset.sourceIdentity) >> 2] ?? 0);
      identities.add(arena.u32[(at + Offset.destinationIdentity) >> 2] ?? 0);
      cursor.next();
    }
  }
  const peers = [
    ...[...workloads].map((id) => names.workload(id)),
    ...[...identities].map((id) => names.identity(id)),
  ];
  return [...new Set(peers.map((peer) => peer?.namespace).filter((name) => name !== undefined))].sort();
}
