// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../core/identity/address.ts';
import { addressBytes } from '../core/identity/wire-address.ts';
import type { Workload } from '../core/workload/workload.ts';
import { PersistentMap } from '../lib/persistent-map.ts';
import type { PeerNames } from './flow-names.ts';
import { Offset, type RecordMemory } from './record-layout.ts';

/** A workload of another node is heard of after its first connections at times, ms. */
const HEARD_LATE_MS = 10_000;
/** Holders that have gone are remembered up to so many; the ones that went first are forgotten first. */
const MAX_GONE = 16_384;

interface Holder {
  readonly names: PeerNames;
  /** ms since 1970. */
  readonly from: number;
  until: number;
}

/**
 * Who had which address when, of workloads that have no number here: those of other nodes. Addresses are given out
 * again, so what a flow's address meant depends on the flow's time.
 */
export class AddressHolders {
  /** By the 16 bytes of an address as one string; the newest last. */
  readonly #holders = new Map<string, Holder[]>();
  #workloads = PersistentMap.empty<Workload>();
  readonly #gone: string[] = [];

  /** Takes all workloads that are known, by their keys. One that did not change is the same object as before. */
  update(workloads: PersistentMap<Workload>, now: number): void {
    const changes = workloads.changesSince(this.#workloads);
    this.#workloads = workloads;
    for (const { is } of changes) if (is?.attachment.type === 'remote') this.#began(is, now);
    for (const { was } of changes) if (was?.attachment.type === 'remote') this.#ended(was, now);
    this.#forget();
  }

  /** Who had the address at `offset` of a stored record, when that was written. */
  of({ bytes, u32 }: RecordMemory, at: number, offset: number): PeerNames | undefined {
    const holders = this.#holders.get(bytes.toString('latin1', at + offset, at + offset + 16));
    if (holders === undefined) return undefined;
    const [low, high] = [u32[(at + Offset.time) >> 2] ?? 0, u32[(at + Offset.time + 4) >> 2] ?? 0];
    const time = (high * 0x1_0000_0000 + low) / 1e6;
    const holder = holders.findLast(({ from, until }) => from <= time && time < until);
    return (holder ?? holders.find(({ from }) => time < from && from - time < HEARD_LATE_MS))?.names;
  }

  /** The addresses, 16 bytes each, that somebody has or had of whom the test says yes. */
  addresses(test: (names: PeerNames) => boolean): readonly Buffer[] {
    return [...this.#holders]
      .filter(([, holders]) => holders.some(({ names }) => test(names)))
      .map(([key]) => Buffer.from(key, 'latin1'));
  }

  #began(workload: Workload, from: number): void {
    const { namespace, name, serviceAccount, labels } = workload;
    const names = { namespace, workload: name, serviceAccount, labels };
    for (const key of addressKeys(workload)) {
      const holders = this.#holders.get(key) ?? [];
      holders.push({ names, from, until: Infinity });
      this.#holders.set(key, holders);
    }
  }

  /** The same workload with other labels is another object, which has begun by now. */
  #ended(workload: Workload, now: number): void {
    const { namespace, name } = workload;
    for (const key of addressKeys(workload)) {
      const holder = this.#holders
        .get(key)
        ?.find(
          (one) => one.until === Infinity && one.names.namespace === namespace && one.names.workload === name,
        );
      if (holder === undefined) continue;
      holder.until = now;
      this.#gone.push(key);
    }
  }

  #forget(): void {
    for (const key of this.#gone.splice(0, this.#gone.length - MAX_GONE)) {
      const holders = this.#holders.get(key) ?? [];
      const oldest = holders.findIndex(({ until }) => until !== Infinity);
      if (oldest !== -1) holders.splice(oldest, 1);
      if (holders.length === 0) this.#holders.delete(key);
    }
  }
}

/** 16 bytes for each of its addresses. */
function addressKeys({ addresses }: Workload): string[] {
  const parsed = addresses.map(parseAddress).filter((address) => address !== undefined);
  return parsed.map((address) => Buffer.from(addressBytes(address)).toString('latin1'));
}
