// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { inlineSettings } from '../../core/abi/http.ts';
import type { DesiredRow, DesiredState, DesiredTable } from '../../core/state/desired.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { readFlowsLost } from '../counters.ts';
import { hasFeature, kernelFeatures } from '../features.ts';
import type { PinLayout } from '../layout.ts';
import type { Maps } from '../maps.ts';
import type { BpfMap, Native } from '../native.ts';
import { type AnswerOutcome, RefusalAnswerer } from './refusal-answers.ts';
import { TablePool } from './table-pool.ts';

const ZERO = new Uint8Array(4);

type Rows = readonly DesiredRow[];

const hasTable = ({ table }: DesiredRow): boolean => table !== undefined;

/** Why requests that the kernel could read aren't read there: policy takes them to the proxy, others aren't seen. */
export interface InlineOff {
  /**
   * `Setting`: it's to be off. `KernelLacks`, `NotPermitted`, `LoadFailed`: it can't be had. `PoolFull`: some tables
   * have no room. `PoolAway`: some could not be written, because the pool's memory could not be mapped just then.
   */
  readonly reason: 'Setting' | 'KernelLacks' | 'NotPermitted' | 'LoadFailed' | 'PoolFull' | 'PoolAway';
  readonly message: string;
}

export interface InlineOptions {
  readonly native: Native;
  readonly layout: PinLayout;
  readonly maps: Maps;
  /** Loads the programs ahead. Throws where the kernel can't run them. */
  readonly load: () => void;
  /** Attaches the hooks; the maps of theirs are there afterwards. Throws where the kernel can't run them. */
  readonly attach: () => void;
  /** Descriptor of an enrolled namespace by its cookie; undefined: gone. */
  readonly netnsFd: (cookie: bigint) => number | undefined;
}

/**
 * HTTP policy in the kernel: the tables of the automata, and what tells open connections that policy has changed. The
 * pool is opened for the first table; while there is none, no packet meets a program of it.
 */
export class InlinePath {
  readonly #options: InlineOptions;
  #pool: TablePool | undefined;
  #tables: BpfMap | undefined;
  readonly #answerer: RefusalAnswerer;
  #refusals: BpfMap | undefined;
  #ports: BpfMap | undefined;
  /** Ports of which some policy is enforced. */
  #enforced: BpfMap | undefined;
  #off: InlineOff | undefined;
  /** Tables of the last state that found no room in the pool: of policy, and of those who only want to see requests. */
  readonly #noRoom = { decided: new Set<Uint8Array>(), seen: new Set<Uint8Array>() };
  /** Why the pool's memory could not be had for some of these. */
  #away: string | undefined;
  /** Refusals that the agent was not told of, as of the last sweep. */
  #lost = 0;
  readonly #placed = new WeakMap<Rows, Rows>();

  constructor(options: InlineOptions, off?: InlineOff) {
    this.#options = options;
    this.#off = off ?? lackOf(options.native);
    const { native, maps, netnsFd } = options;
    this.#answerer = new RefusalAnswerer({ native, maps, netnsFd });
  }

  /** Why policy that the kernel could decide goes to the proxy; undefined: none does. */
  get off(): InlineOff | undefined {
    return this.#off ?? poolLacks(this.#noRoom.decided, this.#away);
  }

  /** Why requests that no policy reads aren't seen, though somebody asks; undefined: they are. */
  get unseen(): InlineOff | undefined {
    return this.#off ?? poolLacks(this.#noRoom.seen, this.#away);
  }

  /** Refusals by what the client was told; those `lost` were swept later and are in `limited`, too. */
  get answers(): Readonly<Record<AnswerOutcome | 'lost', number>> {
    return { ...this.#answerer.outcomes, lost: readFlowsLost(this.#options.maps).refusals };
  }

  /** Why a refused request has had no answer since one asked; undefined: all had. */
  takeFailure(): unknown {
    return this.#answerer.takeFailure();
  }

  get memory(): { readonly bytes: number; readonly tables: number } {
    return { bytes: this.#pool?.used ?? 0, tables: this.#pool?.tables ?? 0 };
  }

  /** Has the programs verified before the first policy waits for them; no packet meets them yet. */
  prepare(): void {
    if (this.#off !== undefined || this.#pool !== undefined) return;
    try {
      this.#options.load();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Whether a table lies where the kernel reads it. */
  holds(table: Uint8Array): boolean {
    return this.#pool?.holds(table) === true;
  }

  /** The state with `inline` or `visible` in place of `proxy` and `allow` wherever a table is in the kernel. */
  place(state: DesiredState): DesiredState {
    this.#noRoom.decided.clear();
    this.#noRoom.seen.clear();
    this.#away = undefined;
    if (this.#off !== undefined || !state.policy.some(({ rows }) => rows.some(hasTable))) return state;
    const pool = this.#open();
    if (pool === undefined) return state;
    const policy = state.policy.map((table) => ({ ...table, rows: this.#placeRows(pool, table.rows) }));
    // Open connections of ports that go are read until the maps have changed.
    this.#ports?.update(ZERO, union(portBits(policy, readActions), this.#ports.lookup(ZERO)));
    this.#enforced?.update(ZERO, union(portBits(policy, enforcedActions), this.#enforced.lookup(ZERO)));
    return { ...state, policy };
  }

  /** The same list for the same rows: who compares them sees at once that nothing changed. */
  #placeRows(pool: TablePool, rows: Rows): Rows {
    const known = this.#placed.get(rows);
    if (
      known?.every(
        ({ table, tableAt }) => table === undefined || this.#placeTable(pool, table) === tableAt,
      ) === true
    )
      return known;
    if (!rows.some(hasTable)) return rows;
    const placed = rows.map((row): DesiredRow => {
      if (row.table === undefined) return row;
      const tableAt = this.#placeTable(pool, row.table);
      const onlySeen = row.action === 'allow' || row.audit === 'requests';
      if (tableAt !== undefined) return { ...row, action: onlySeen ? 'visible' : 'inline', tableAt };
      this.#noRoom[row.action === 'allow' ? 'seen' : 'decided'].add(row.table);
      return row;
    });
    if (placed.every((row) => !hasTable(row) || row.tableAt !== undefined)) this.#placed.set(rows, placed);
    return placed;
  }

  /** Without memory for it a table is one without room: policy takes the proxy until the next state. */
  #placeTable(pool: TablePool, table: Uint8Array): number | undefined {
    try {
      return pool.place(table);
    } catch (error) {
      if (!(error instanceof PerigeeError)) throw error;
      this.#away = error.message;
      return undefined;
    }
  }

  /** Tables whose memory can't be had stay until the next time. */
  #retain(pool: TablePool, tables: ReadonlySet<Uint8Array>): void {
    try {
      pool.retain(tables);
    } catch (error) {
      if (!(error instanceof PerigeeError)) throw error;
    }
  }

  /** After the maps are in force: lets go of old tables; connections ask policy again. */
  settle(state: DesiredState, changed: boolean): void {
    if (this.#pool === undefined) return;
    const tables = new Set<Uint8Array>();
    for (const { rows } of state.policy)
      for (const { table } of rows) if (table !== undefined) tables.add(table);
    this.#retain(this.#pool, tables);
    if (!changed) return;
    this.#bump();
  }

  /** Closes connections whose refusal found the ring full. */
  sweepLost(): void {
    if (this.#pool === undefined) return;
    const { refusals } = readFlowsLost(this.#options.maps);
    if (refusals === this.#lost && !this.#answerer.takeOverflow()) return;
    this.#lost = refusals;
    this.#answerer.sweep();
  }

  #open(): TablePool | undefined {
    if (this.#pool !== undefined) return this.#pool;
    const { native, layout, attach } = this.#options;
    try {
      attach();
      const map = native.BpfMap.openPinned(join(layout.maps, 'tables'));
      this.#tables = map;
      this.#pool = new TablePool((use) => map.withMapped((memory) => use(Buffer.from(memory))), {
        now: () => performance.now(),
      });
      this.#ports = native.BpfMap.openPinned(join(layout.maps, 'inline_ports'));
      this.#enforced = native.BpfMap.openPinned(join(layout.maps, 'enforced_ports'));
      this.#refusals = native.BpfMap.openPinned(join(layout.maps, 'refusals'));
      this.#answerer.start(this.#refusals);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
    this.#bump();
    return this.#pool;
  }

  #fail(error: unknown): void {
    if (!(error instanceof PerigeeError)) throw error;
    this.#off = { reason: 'LoadFailed', message: error.message };
  }

  #bump(): void {
    const { inline_settings: map } = this.#options.maps;
    const now = inlineSettings.decode(map.lookup(ZERO) ?? new Uint8Array(inlineSettings.size));
    map.update(ZERO, inlineSettings.encode({ ...now, epoch: now.epoch + 1n }));
  }

  /** After the sweep: what is not inline any more has been closed, and its ports need no reader. */
  narrow(state: DesiredState): void {
    this.#ports?.update(ZERO, portBits(state.policy, readActions));
    this.#enforced?.update(ZERO, portBits(state.policy, enforcedActions));
  }

  /** Lets go of namespaces that are not enrolled any more. */
  forget(enrolled: ReadonlySet<bigint>): void {
    this.#answerer.forget(enrolled);
  }

  close(): void {
    this.#answerer.close();
    this.#ports?.close();
    this.#enforced?.close();
    this.#refusals?.close();
    this.#tables?.close();
  }
}

const PORTS = 65536;

type Action = DesiredRow['action'];
const enforcedActions: readonly Action[] = ['inline'];
const readActions: readonly Action[] = ['inline', 'visible'];

/** A bit per port that some row has one of the actions for, in words of 64 bits, little endian. */
function portBits(policy: readonly DesiredTable[], actions: readonly Action[]): Buffer {
  const bits = Buffer.alloc(PORTS / 8);
  for (const { rows } of policy)
    for (const { action, from, to } of rows)
      if (actions.includes(action))
        for (let port = from; port <= to; port += 1)
          bits[port >> 3] = (bits[port >> 3] ?? 0) | (1 << (port & 7));
  return bits;
}

function union(a: Buffer, b: Buffer | undefined): Buffer {
  return b === undefined ? a : Buffer.from(a.map((byte, index) => byte | (b[index] ?? 0)));
}

function poolLacks({ size }: ReadonlySet<Uint8Array>, away: string | undefined): InlineOff | undefined {
  if (size === 0) return undefined;
  if (away !== undefined) {
    const message = `the kernel's pool of tables could not be written for ${String(size)} of them: ${away}`;
    return { reason: 'PoolAway', message };
  }
  const message = `the kernel's pool of tables has no room for ${String(size)} of them`;
  return { reason: 'PoolFull', message };
}

function lackOf(native: Native): InlineOff | undefined {
  if (!hasFeature(native, 'PACKET_STATE'))
    return { reason: 'KernelLacks', message: kernelFeatures.PACKET_STATE.without };
  if (native.probe.capabilities().includes('CAP_NET_RAW')) return undefined;
  const message =
    'the agent lacks CAP_NET_RAW, and clients would wait in vain for the answer to a refused request';
  return { reason: 'NotPermitted', message };
}
