// SPDX-License-Identifier: Apache-2.0
import { type Compiled, Compiler } from '../../src/control/compile/compile.ts';
import type { Names } from '../../src/control/compile/names.ts';
import type { PeerIdentity } from '../../src/core/identity/peer-identity.ts';
import { type IpcacheEntry, PeerBook } from '../../src/core/policy/peers.ts';
import { type World, WorldBuilder, type WorldInput } from '../../src/core/policy/world.ts';
import { type Resource, resourceMap } from '../../src/core/resources/kinds.ts';
import type { ServiceSet } from '../../src/core/service/service.ts';
import type { PersistentMap } from '../../src/lib/persistent-map.ts';

/** Builds one world alone. The order of the resources doesn't matter. */
export function buildWorld({
  resources,
  trustDomain,
  ...around
}: Omit<WorldInput, 'resources'> & {
  readonly resources: Iterable<Resource>;
  readonly trustDomain?: string;
}): World {
  return new WorldBuilder(trustDomain).build({ ...around, resources: resourceMap(resources) });
}

/** Compiles one world alone. */
export function compile(world: World, names: Names, services?: ServiceSet): Compiled {
  return new Compiler(names).compile(world, services);
}

/** The entries of one world alone. */
export function ipcache(world: World): PersistentMap<IpcacheEntry> {
  return new PeerBook().ipcache(world);
}

/** The distinct peer identities that connections can have, in the order of their keys. */
export function peerIdentities(entries: PersistentMap<IpcacheEntry>): PeerIdentity[] {
  const peers = new Map(Array.from(entries.values(), ({ peer }) => [peer.key, peer]));
  return [...peers.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
