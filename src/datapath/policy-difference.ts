// SPDX-License-Identifier: Apache-2.0
import type { DesiredRow, DesiredTable } from '../core/state/desired.ts';
import { tableKey } from '../core/state/policy-index.ts';
import { type EncodedRow, encodeRows, policyKeyText } from './encode.ts';
import { type Difference, type Entries, difference } from './typed-map.ts';

type Rows = readonly DesiredRow[];

/** What changes between two lists of rows, whichever workloads have them. */
interface RowsDifference {
  readonly upsert: readonly EncodedRow[];
  readonly remove: readonly EncodedRow[];
}

/**
 * What must be written for the policy map to hold the tables. A list of rows is encoded and compared once,
 * however many workloads have it.
 */
export class PolicyDifferences {
  readonly #encoded = new WeakMap<Rows, readonly EncodedRow[]>();
  readonly #compared = new WeakMap<Rows, WeakMap<Rows, RowsDifference>>();
  readonly #nothing: Rows = [];

  /** Against what the map holds. */
  fromKernel(tables: readonly DesiredTable[], actual: Entries): Difference {
    const { upsert, remove } = difference(this.entries(tables), actual);
    return { upsert, remove: [...remove].sort(byLength) };
  }

  /** Against tables that it is known to hold. */
  fromKnown(tables: readonly DesiredTable[], known: readonly DesiredTable[]): Difference {
    const before = new Map(known.map((table) => [tableKey(table.workload, table.direction), table]));
    const upsert: [string, Uint8Array][] = [];
    const remove: string[] = [];
    const add = (table: DesiredTable, from: Rows, to: Rows): void => {
      if (from === to) return;
      const changes = this.#compare(from, to);
      for (const row of changes.upsert) upsert.push([policyKeyText(table, row), row.value]);
      for (const row of changes.remove) remove.push(policyKeyText(table, row));
    };
    for (const table of tables) {
      const key = tableKey(table.workload, table.direction);
      add(table, before.get(key)?.rows ?? this.#nothing, table.rows);
      before.delete(key);
    }
    for (const table of before.values()) add(table, table.rows, this.#nothing);
    return { upsert, remove: remove.sort(byLength) };
  }

  /** All that the map should hold, in the order in which it is to be written. */
  entries(tables: readonly DesiredTable[]): Entries {
    const entries: Entries = new Map();
    for (const table of tables)
      for (const row of this.#encode(table.rows)) entries.set(policyKeyText(table, row), row.value);
    return entries;
  }

  #encode(rows: Rows): readonly EncodedRow[] {
    const encoded = this.#encoded.get(rows) ?? encodeRows(rows);
    this.#encoded.set(rows, encoded);
    return encoded;
  }

  #compare(from: Rows, to: Rows): RowsDifference {
    const byTo = this.#compared.get(from) ?? new WeakMap<Rows, RowsDifference>();
    this.#compared.set(from, byTo);
    const changes = byTo.get(to) ?? differenceOfRows(this.#encode(from), this.#encode(to));
    byTo.set(to, changes);
    return changes;
  }
}

function differenceOfRows(from: readonly EncodedRow[], to: readonly EncodedRow[]): RowsDifference {
  const before = new Map(from.map((row) => [placeOf(row), row]));
  const upsert: EncodedRow[] = [];
  for (const row of to) {
    const place = placeOf(row);
    const known = before.get(place);
    before.delete(place);
    if (known === undefined || Buffer.compare(known.value, row.value) !== 0) upsert.push(row);
  }
  return { upsert, remove: [...before.values()] };
}

function placeOf({ row: { identity, protocol }, block: { port, bits } }: EncodedRow): string {
  return `${identity} ${protocol} ${port}/${bits}`;
}

/**
 * The verdict of most ports goes before its exceptions: a port falls to the rest of the peers, or keeps what it
 * had, but never takes a verdict that was meant for others. The length is the key's first byte.
 */
function byLength(a: string, b: string): number {
  return a.charCodeAt(0) - b.charCodeAt(0);
}
