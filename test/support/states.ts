// SPDX-License-Identifier: Apache-2.0
import type { EndpointSlice, Place, Service, ServiceSet } from '../../src/core/service/service.ts';
import { type DesiredService, type DesiredState, frontendKey } from '../../src/core/state/desired.ts';
import type { Workload } from '../../src/core/workload/workload.ts';
import { PersistentMap } from '../../src/lib/persistent-map.ts';

/** What an agent wants that governs nobody. */
export const noState: DesiredState = {
  workloads: [],
  ipcache: PersistentMap.empty(),
  policy: [],
  services: PersistentMap.empty(),
};

export function serviceSet(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  place: Place,
): ServiceSet {
  return {
    services: PersistentMap.of(services.map((one) => [`${one.namespace}/${one.name}`, one])),
    slices: PersistentMap.of(slices.map((one, index) => [`slice-${String(index)}`, one])),
    place,
  };
}

export function servicesByKey(services: readonly DesiredService[]): PersistentMap<DesiredService> {
  return PersistentMap.of(services.map((one) => [frontendKey(one), one]));
}

export function workloadsByKey(...workloads: readonly Workload[]): PersistentMap<Workload> {
  return PersistentMap.of(workloads.map((one) => [one.key, one]));
}
