// SPDX-License-Identifier: Apache-2.0
import { type Address, parseAddress } from '../identity/address.ts';
import { createPeerIdentity, type PeerIdentity } from '../identity/peer-identity.ts';
import { contains, formatPrefix, hostPrefix, parsePrefix } from '../identity/prefix.ts';
import type { Workload } from '../workload/workload.ts';
import { isLinkLocal } from './address-book.ts';
import type { World } from './world.ts';

/** The peer identity of an address: what the other end's kernel knows of it. */
export function peerOfAddress(world: World, address: Address): PeerIdentity {
  const owner = world.addresses.owner(address);
  const prefix = world.prefixes.longest(address);
  const apiServer = world.addresses.isApiServer(address);
  if (owner === undefined) {
    return createPeerIdentity({ apiServer, prefix, linkLocal: isLinkLocal(address) });
  }
  if ('node' in owner) return createPeerIdentity({ node: true, apiServer, prefix });
  const workload = world.workloads.get(owner.workload);
  return createPeerIdentity({
    apiServer,
    prefix,
    workload: workload?.identity,
    ports: workload === undefined ? [] : portsThatMatter(world, workload),
  });
}

/** The peer identity of a workload at its first address; of one without any, what is known of it by name. */
export function peerOfWorkload(world: World, workload: Workload): PeerIdentity {
  const address = parseAddress(workload.addresses[0] ?? '');
  if (address !== undefined) return peerOfAddress(world, address);
  if (workload.attachment.type === 'netns') {
    return createPeerIdentity({ workload: workload.identity, ports: portsThatMatter(world, workload) });
  }
  // A cgroup without an address of its own speaks from the host's.
  const node = parseAddress(world.nodeAddresses[0] ?? '');
  return node === undefined ? createPeerIdentity({ node: true }) : peerOfAddress(world, node);
}

/** Named ports enter the identity only if some egress rule can tell them apart. */
function portsThatMatter(world: World, workload: Workload) {
  return workload.ports.filter(({ name }) => world.egressPortNames.has(name));
}

export interface IpcacheEntry {
  /** CIDR text; a single address has full length. */
  readonly prefix: string;
  readonly peer: PeerIdentity;
}

/** What `isLinkLocal` knows, as blocks: such an address means somebody else on each link. */
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'].map(parsePrefix).filter((block) => block !== undefined);

/** What `isLoopback` knows, as blocks. Of the host: only cgroup workloads reach it, others have their own. */
const LOOPBACK = ['127.0.0.0/8', '0.0.0.0/32', '::1/128', '::/128']
  .map(parsePrefix)
  .filter((block) => block !== undefined);

/**
 * What the kernel's longest-prefix table must hold for every address to get its peer identity: all known
 * addresses, all blocks of policies, and everything else as World. Sorted by prefix text.
 */
export function ipcache(world: World): IpcacheEntry[] {
  const entries = new Map<string, PeerIdentity>();
  for (const everything of ['0.0.0.0/0', '::/0']) entries.set(everything, createPeerIdentity({}));
  for (const block of LOOPBACK) {
    entries.set(
      formatPrefix(block),
      createPeerIdentity({ node: true, prefix: world.prefixes.longest(block) }),
    );
  }
  for (const block of LINK_LOCAL) {
    const prefix = world.prefixes.longest(block);
    entries.set(formatPrefix(block), createPeerIdentity({ linkLocal: true, prefix }));
  }
  for (const prefix of world.prefixes) {
    const linkLocal = LINK_LOCAL.some((block) => contains(block, prefix));
    const node = LOOPBACK.some((block) => contains(block, prefix));
    entries.set(formatPrefix(prefix), createPeerIdentity({ node, prefix, linkLocal }));
  }
  for (const text of world.addresses.addresses()) {
    const address = parseAddress(text);
    if (address !== undefined) entries.set(formatPrefix(hostPrefix(address)), peerOfAddress(world, address));
  }
  return [...entries]
    .map(([prefix, peer]) => ({ prefix, peer }))
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

/** The distinct peer identities that connections can have, in the order of their keys. */
export function peerIdentities(entries: readonly IpcacheEntry[]): PeerIdentity[] {
  const peers = new Map(entries.map(({ peer }) => [peer.key, peer]));
  return [...peers.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
