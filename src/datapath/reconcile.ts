// SPDX-License-Identifier: Apache-2.0
import type { EncodedState } from './encode.ts';
import type { Maps } from './maps.ts';
import type { BpfMap } from './native-types.ts';
import type { ServiceMap } from './services.ts';
import { type Difference, keyBytes } from './typed-map.ts';

/** What a reconcile changed, entries by map. */
export interface ReconcileReport {
  readonly upserted: number;
  readonly removed: number;
  /** What is allowed, or to whom it applies. */
  readonly rowsChanged: boolean;
  /** Who has which address. */
  readonly addressesChanged: boolean;
  /** Some backend of a Service serves no more: connections to it may have nobody to answer them. */
  readonly backendsGone: boolean;
}

type Owned = 'policy' | 'ipcache' | keyof EncodedState | ServiceMap;

/** What is to be written into each map that reconciliation owns, and what goes. */
export type Differences = Readonly<Record<Owned, Difference>>;

/** What is asked comes before who asks: a workload is never selected before its answers are there. */
const upsertOrder: readonly Owned[] = [
  'policy',
  'ipcache',
  'settings',
  'service_members',
  'service_slots',
  'services',
  'workloads',
];
/** And the other way round on the way out. */
const removeOrder: readonly Owned[] = [
  'workloads',
  'services',
  'service_slots',
  'service_members',
  'ipcache',
  'policy',
];

export interface ReconcileSteps {
  /** Between what comes and what goes: attaches hooks of namespaces that are new. */
  readonly enrol: () => void;
  /** Before a workload's state goes: detaches its hooks. */
  readonly withdraw: () => void;
}

/** Brings the maps to the desired state with the fewest writes, in an order that is safe at every moment. */
export function reconcile(maps: Maps, differences: Differences, steps: ReconcileSteps): ReconcileReport {
  let upserted = 0;
  let removed = 0;
  let failure: Error | undefined;
  for (const name of upsertOrder) {
    const { upsert: wanted, remove: stale } = differences[name];
    try {
      upserted += upsertIn(maps[name], wanted, stale);
    } catch (error) {
      failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  steps.enrol();
  // A workload whose answers found no room is enrolled all the same, and refused. Nothing goes that others need.
  if (failure !== undefined) throw failure;
  steps.withdraw();
  for (const name of removeOrder) removed += remove(maps[name], differences[name].remove);
  const differs = (name: Owned): boolean =>
    differences[name].upsert.length + differences[name].remove.length > 0;
  return {
    upserted,
    removed,
    rowsChanged: differs('policy') || differs('workloads'),
    addressesChanged: differs('ipcache'),
    backendsGone: differences.service_members.remove.length > 0,
  };
}

function upsert(map: BpfMap, entries: Difference['upsert']): number {
  if (entries.length === 0) return 0;
  const keys = Buffer.concat(entries.map(([key]) => keyBytes(key)));
  const values = Buffer.concat(entries.map(([, value]) => value));
  map.updateBatch(keys, values);
  return entries.length;
}

/** In a full map what is not wanted any more makes room: until the rest is written, its keys are refused. */
function upsertIn(map: BpfMap, wanted: Difference['upsert'], stale: Difference['remove']): number {
  try {
    return upsert(map, wanted);
  } catch (error) {
    if (stale.length === 0) throw error;
    remove(map, stale);
    return upsert(map, wanted);
  }
}

function remove(map: BpfMap, keys: readonly string[]): number {
  if (keys.length === 0) return 0;
  map.deleteBatch(Buffer.concat(keys.map(keyBytes)));
  return keys.length;
}
