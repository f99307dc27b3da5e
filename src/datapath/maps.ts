// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { PinLayout } from './layout.ts';
import type { BpfMap, BpfMapClass } from './native-types.ts';

/** Every pinned map, by its name in bpf/lib. */
export const mapNames = [
  'workloads',
  'settings',
  'names',
  'pending',
  'exempt',
  'pending_passed',
  'own_sockets',
  'socket_grants',
  'ipcache',
  'policy',
  'flows',
  'denials',
  'flows_lost',
  'drops',
  'verdicts',
  'client_steering',
  'steered',
  'handoff',
  'endings',
  'outbound_ports',
  'listeners',
  'announcements',
  'announced',
  'udp_peers',
  'udp_callers',
  'connections',
  'streams',
  'early_streams',
  'refused',
  'inline_settings',
  'request_counts',
  'opaque_counts',
  'boost_settings',
  'boost_calls',
  'boost_offers',
  'boost_pairs',
  'boost_ends',
  'boost_counts',
  'boost_refusals',
  'boosted_streams',
  'services',
  'service_slots',
  'service_members',
  'service_affinity',
  'service_peer',
  'service_peers',
  'service_asked',
  'dns_answers',
  'dns_counts',
] as const;

export type MapName = (typeof mapNames)[number];
export type Maps = Readonly<Record<MapName, BpfMap>>;

/** Opens all pinned maps of a loaded datapath. */
export function openMaps(BpfMapNoun: BpfMapClass, layout: PinLayout): Maps {
  const opened = mapNames.map((name) => [name, BpfMapNoun.openPinned(join(layout.maps, name))] as const);
  return Object.fromEntries(opened) as Record<MapName, BpfMap>;
}

export function closeMaps(maps: Maps): void {
  for (const name of mapNames) maps[name].close();
}
