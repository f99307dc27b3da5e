// SPDX-License-Identifier: Apache-2.0
import type { PolicyDirection } from './rule.ts';
import type { PortRange } from './verdict.ts';

/**
 * Truth tables already worked out. Replicas are selected alike and meet the same peers, so most workloads of a
 * large world have the tables of others.
 */
export class TableCache {
  readonly #tables = new WeakMap<
    readonly PolicyDirection[],
    Map<string, Map<string, readonly PortRange[]>>
  >();

  get(
    selected: readonly PolicyDirection[],
    peer: string,
    rest: string,
    compute: () => readonly PortRange[],
  ): readonly PortRange[] {
    const byPeer = this.#tables.get(selected) ?? new Map<string, Map<string, readonly PortRange[]>>();
    this.#tables.set(selected, byPeer);
    const tables = byPeer.get(peer) ?? new Map<string, readonly PortRange[]>();
    byPeer.set(peer, tables);
    const table = tables.get(rest) ?? compute();
    tables.set(rest, table);
    return table;
  }
}
