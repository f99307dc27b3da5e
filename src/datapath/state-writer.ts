// SPDX-License-Identifier: Apache-2.0
import type { DesiredAddress, DesiredState, DesiredTable } from '../core/state/desired.ts';
import type { PersistentMap } from '../lib/persistent-map.ts';
import { type EncodedState, encodeAddress, encodeWorkloads } from './encode.ts';
import type { Maps } from './maps.ts';
import { PolicyDifferences } from './policy-difference.ts';
import { type Differences, type ReconcileReport, type ReconcileSteps, reconcile } from './reconcile.ts';
import {
  type WrittenServices,
  changedServices,
  differentServices,
  placeServices,
  readSlots,
} from './services.ts';
import { type Difference, difference, readEntries } from './typed-map.ts';

/** What the maps hold. */
interface Written extends EncodedState {
  readonly policy: readonly DesiredTable[];
  readonly ipcache: PersistentMap<DesiredAddress>;
  readonly services: WrittenServices;
}

/** How long the agent trusts what it wrote, ms: reading tens of thousands of entries back takes a second. */
const AUDIT_MS = 30_000;
const NO_STEPS: ReconcileSteps = { enrol: () => undefined, withdraw: () => undefined };

/** Writes one desired state after the other, each with the fewest writes. */
export class StateWriter {
  readonly #maps: Maps;
  readonly #policy = new PolicyDifferences();
  /** As written last; undefined: unknown. */
  #written: Written | undefined;
  /** When the kernel is to be read again, by `performance.now()`. */
  #auditAt = 0;

  constructor(maps: Maps) {
    this.#maps = maps;
  }

  /** @param kernelIds by workload id: cookies of namespaces, ids of cgroups */
  write(
    state: DesiredState,
    kernelIds: ReadonlyMap<number, readonly bigint[]>,
    steps: ReconcileSteps,
  ): ReconcileReport {
    const known = this.#written;
    const services =
      known === undefined
        ? placeServices(state.services, undefined, readSlots(this.#maps))
        : placeServices(state.services, known.services);
    const { policy, ipcache } = state;
    const wish = { policy, ipcache, services, ...encodeWorkloads(state, kernelIds) };
    if (known === undefined) this.#auditAt = performance.now() + AUDIT_MS;
    return this.#put(
      wish,
      known === undefined ? this.#fromKernel(wish) : this.#fromKnown(wish, known),
      steps,
    );
  }

  /** When it is time, reads the kernel and puts right what is not as it was written; undefined: nothing to do. */
  audit(): ReconcileReport | undefined {
    const written = this.#written;
    if (written === undefined || performance.now() < this.#auditAt) return undefined;
    this.#auditAt = performance.now() + AUDIT_MS;
    return this.#put(written, this.#fromKernel(written), NO_STEPS);
  }

  #put(wish: Written, differences: Differences, steps: ReconcileSteps): ReconcileReport {
    this.#written = undefined; // until all of it is written
    const report = reconcile(this.#maps, differences, steps);
    this.#written = wish;
    return report;
  }

  /** The kernel says what is there: a restart is the same as an update, and what others changed is put right. */
  #fromKernel({ policy, ipcache, workloads, settings, services }: Written): Differences {
    const maps = this.#maps;
    return {
      policy: this.#policy.fromKernel(policy, readEntries(maps.policy)),
      ipcache: difference(new Map(Array.from(ipcache.values(), encodeAddress)), readEntries(maps.ipcache)),
      workloads: difference(workloads, readEntries(maps.workloads)),
      settings: { upsert: [...settings], remove: [] },
      ...differentServices(services, maps),
    };
  }

  #fromKnown({ policy, ipcache, workloads, settings, services }: Written, known: Written): Differences {
    return {
      policy: this.#policy.fromKnown(policy, known.policy),
      ipcache: changedAddresses(ipcache, known.ipcache),
      workloads: difference(workloads, known.workloads),
      settings: { upsert: [...settings], remove: [] },
      ...changedServices(services, known.services),
    };
  }
}

function changedAddresses(
  wanted: PersistentMap<DesiredAddress>,
  known: PersistentMap<DesiredAddress>,
): Difference {
  const upsert: [string, Uint8Array][] = [];
  const remove: string[] = [];
  for (const { was, is } of wanted.changesSince(known)) {
    const before = was === undefined ? undefined : encodeAddress(was);
    const now = is === undefined ? undefined : encodeAddress(is);
    if (now === undefined) remove.push(...(before === undefined ? [] : [before[0]]));
    else if (before === undefined || Buffer.compare(before[1], now[1]) !== 0) upsert.push(now);
  }
  return { upsert, remove };
}
