// SPDX-License-Identifier: Apache-2.0
import type { Address } from '../identity/address.ts';
import { hostPrefix } from '../identity/prefix.ts';
import { addressBytes, prefixBits } from '../identity/wire-address.ts';
import {
  type DesiredAddress,
  type DesiredRow,
  type DesiredState,
  type DesiredTable,
  REST,
} from './desired.ts';

/** One side's part of a question about an open connection. */
export interface PolicySide {
  readonly workload: number;
  readonly direction: DesiredTable['direction'];
  /** The peer. */
  readonly identity: number;
}

/** The look-ups of the kernel over a desired state, for sockets that are open already. */
export class PolicyIndex {
  readonly #tables: ReadonlyMap<string, readonly DesiredRow[]>;
  readonly #ipcache = new Map<string, DesiredAddress>();
  readonly #lengths: readonly number[];

  constructor(state: DesiredState) {
    this.#tables = new Map(
      state.policy.map((table) => [tableKey(table.workload, table.direction), table.rows]),
    );
    for (const entry of state.ipcache.values()) {
      this.#ipcache.set(prefixKey(addressBytes(entry.prefix), prefixBits(entry.prefix)), entry);
    }
    const lengths = Array.from(state.ipcache.values(), (entry) => prefixBits(entry.prefix));
    this.#lengths = [...new Set(lengths)].sort((a, b) => b - a);
  }

  /** Longest prefix that holds the address. */
  peer(address: Address): DesiredAddress | undefined {
    const bytes = addressBytes(hostPrefix(address));
    for (const length of this.#lengths) {
      const found = this.#ipcache.get(prefixKey(bytes, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Undefined: no answer, which a governed workload takes for a refusal. */
  verdict(side: PolicySide, protocol: DesiredRow['protocol'], port: number): DesiredRow | undefined {
    const rows = this.#tables.get(tableKey(side.workload, side.direction)) ?? [];
    const at = (identity: number): DesiredRow | undefined =>
      rows.find(
        (row) => row.identity === identity && row.protocol === protocol && row.from <= port && port <= row.to,
      );
    return side.identity === 0 ? undefined : (at(side.identity) ?? at(REST));
  }
}

/** Names the table of one direction of a workload. */
export function tableKey(workload: number, direction: DesiredTable['direction']): string {
  return `${direction} ${workload}`;
}

/** The first `length` bits of the address, and how many they are. */
function prefixKey(bytes: Uint8Array, length: number): string {
  const whole = length >> 3;
  const rest = length & 7;
  let text = `${String(length)}:${Buffer.from(bytes.subarray(0, whole)).toString('latin1')}`;
  if (rest > 0) text += String.fromCharCode((bytes[whole] ?? 0) & (0xff00 >> rest) & 0xff);
  return text;
}
