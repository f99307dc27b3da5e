// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { inlineSettings } from '../../core/abi/http.ts';
import type { DesiredRow, DesiredState, DesiredTable } from '../../core/state/desired.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { hasFeature, kernelFeatures } from '../features.ts';
import type { PinLayout } from '../layout.ts';
import type { Maps } from '../maps.ts';
import type { BpfMap, Native } from '../native.ts';
import { type AnswerOutcome, RefusalAnswerer } from './refusal-answers.ts';
import { TablePool } from './table-pool.ts';

const ZERO = new Uint8Array(4);

type Rows = readonly DesiredRow[];

const hasTable = ({ table }: DesiredRow): boolean => table !== undefined;

/** Why HTTP policy that the kernel could decide goes to the proxy. */
export type InlineOff = string;

export interface InlineOptions {
  readonly native: Native;
  readonly layout: PinLayout;
  readonly maps: Maps;
  /** Attaches the hooks; the maps of theirs are there afterwards. Throws where the kernel can't run them. */
  readonly attach: () => void;
  /** Descriptor of an enrolled namespace by its cookie; undefined: gone. */
  readonly netnsFd: (cookie: bigint) => number | undefined;
}

/**
 * HTTP policy in the kernel: the tables of the automata, and what tells open connections that policy has changed. Made
 * for the first table; while there is none, nothing of it is loaded.
 */
export class InlinePath {
  readonly #options: InlineOptions;
  #pool: TablePool | undefined;
  readonly #answerer: RefusalAnswerer;
  #refusals: BpfMap | undefined;
  #ports: BpfMap | undefined;
  #off: InlineOff | undefined;
  #noRoom = 0;
  readonly #placed = new WeakMap<Rows, Rows>();

  constructor(options: InlineOptions, off?: InlineOff) {
    this.#options = options;
    const lacking = hasFeature(options.native, 'PACKET_STATE')
      ? undefined
      : kernelFeatures.PACKET_STATE.without;
    this.#off = off ?? lacking;
    const { native, maps, netnsFd } = options;
    this.#answerer = new RefusalAnswerer({ native, maps, netnsFd });
  }

  /** Why it is off; undefined: it isn't. */
  get off(): InlineOff | undefined {
    if (this.#off === undefined && this.#noRoom > 0)
      return `${String(this.#noRoom)} tables found no room in the kernel's pool`;
    return this.#off;
  }

  /** Refusals by what the client was told. */
  get answers(): Readonly<Record<AnswerOutcome, number>> {
    return this.#answerer.outcomes;
  }

  get memory(): { readonly bytes: number; readonly tables: number } {
    return { bytes: this.#pool?.used ?? 0, tables: this.#pool?.tables ?? 0 };
  }

  /** The state with `inline` in place of `proxy` wherever a table is in the kernel. */
  place(state: DesiredState): DesiredState {
    this.#noRoom = 0;
    if (this.#off !== undefined || !state.policy.some(({ rows }) => rows.some(hasTable))) return state;
    const pool = this.#open();
    if (pool === undefined) return state;
    const policy = state.policy.map((table) => ({ ...table, rows: this.#placeRows(pool, table.rows) }));
    // Open connections of ports that go are read until the maps have changed.
    this.#ports?.update(ZERO, union(portBits(policy), this.#ports.lookup(ZERO)));
    return { ...state, policy };
  }

  /** The same list for the same rows: who compares them sees at once that nothing changed. */
  #placeRows(pool: TablePool, rows: Rows): Rows {
    const known = this.#placed.get(rows);
    if (known?.every(({ table, tableAt }) => table === undefined || pool.place(table) === tableAt) === true)
      return known;
    if (!rows.some(hasTable)) return rows;
    const lost = this.#noRoom;
    const placed = rows.map((row): DesiredRow => {
      if (row.table === undefined) return row;
      const tableAt = pool.place(row.table);
      if (tableAt !== undefined) return { ...row, action: 'inline', tableAt };
      this.#noRoom += 1;
      return row;
    });
    if (this.#noRoom === lost) this.#placed.set(rows, placed);
    return placed;
  }

  /** After the maps are in force: lets go of old tables; connections ask policy again. */
  settle(state: DesiredState, changed: boolean): void {
    if (this.#pool === undefined) return;
    const tables = new Set<Uint8Array>();
    for (const { rows } of state.policy)
      for (const { table } of rows) if (table !== undefined) tables.add(table);
    this.#pool.retain(tables);
    if (!changed) return;
    this.#ports?.update(ZERO, portBits(state.policy));
    this.#bump();
  }

  #open(): TablePool | undefined {
    if (this.#pool !== undefined) return this.#pool;
    const { native, layout, attach } = this.#options;
    try {
      attach();
      const map = native.BpfMap.openPinned(join(layout.maps, 'tables'));
      this.#pool = new TablePool(map.mapped(), { now: () => performance.now() });
      map.close();
      this.#ports = native.BpfMap.openPinned(join(layout.maps, 'inline_ports'));
      this.#refusals = native.BpfMap.openPinned(join(layout.maps, 'refusals'));
      this.#answerer.start(this.#refusals);
    } catch (error) {
      if (!(error instanceof PerigeeError)) throw error;
      this.#off = error.message;
      return undefined;
    }
    this.#bump();
    return this.#pool;
  }

  #bump(): void {
    const { inline_settings: map } = this.#options.maps;
    const now = inlineSettings.decode(map.lookup(ZERO) ?? new Uint8Array(inlineSettings.size));
    map.update(ZERO, inlineSettings.encode({ ...now, epoch: now.epoch + 1n }));
  }

  /** Lets go of namespaces that are not enrolled any more. */
  forget(enrolled: ReadonlySet<bigint>): void {
    this.#answerer.forget(enrolled);
  }

  close(): void {
    this.#answerer.close();
    this.#ports?.close();
    this.#refusals?.close();
  }
}

const PORTS = 65536;

/** A bit per port that some row has inline policy for, in words of 64 bits, little endian. */
function portBits(policy: readonly DesiredTable[]): Buffer {
  const bits = Buffer.alloc(PORTS / 8);
  for (const { rows } of policy)
    for (const { action, from, to } of rows)
      if (action === 'inline')
        for (let port = from; port <= to; port += 1)
          bits[port >> 3] = (bits[port >> 3] ?? 0) | (1 << (port & 7));
  return bits;
}

function union(a: Buffer, b: Buffer | undefined): Buffer {
  return b === undefined ? a : Buffer.from(a.map((byte, index) => byte | (b[index] ?? 0)));
}
