// SPDX-License-Identifier: Apache-2.0
import { type Address, parseAddress } from '../identity/address.ts';
import { createPeerIdentity, type PeerIdentity } from '../identity/peer-identity.ts';
import { contains, formatPrefix, hostPrefix, parsePrefix } from '../identity/prefix.ts';
import type { Workload } from '../workload/workload.ts';
import { isLinkLocal, type NodeOwner } from './address-book.ts';
import type { World } from './world.ts';

/** The peer identity of an address: what the other end's kernel knows of it. */
export function peerOfAddress(world: World, address: Address): PeerIdentity {
  const owner = world.addresses.owner(address);
  const prefix = world.prefixes.standIn(address);
  const apiServer = world.addresses.isApiServer(address);
  if (owner === undefined) {
    return createPeerIdentity({ apiServer, prefix, linkLocal: isLinkLocal(address) });
  }
  if ('node' in owner) return createPeerIdentity({ ...nodeFacts(owner), apiServer, prefix });
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
  if (workload.attachment.type !== 'cgroup') {
    return createPeerIdentity({ workload: workload.identity, ports: portsThatMatter(world, workload) });
  }
  // A cgroup without an address of its own speaks from the host's.
  const node = parseAddress(world.nodeAddresses[0] ?? '');
  return node === undefined ? createPeerIdentity({ node: true }) : peerOfAddress(world, node);
}

function nodeFacts({ node }: NodeOwner): { readonly node: boolean; readonly otherNode: boolean } {
  return { node: node === 'own', otherNode: node === 'other' };
}

/** Named ports enter the identity only if some egress rule can tell them apart. */
function portsThatMatter(world: World, workload: Workload) {
  return workload.ports.filter(({ name }) => world.egressPortNames.has(name));
}

export interface IpcacheEntry {
  /** CIDR text; a single address has full length. */
  readonly prefix: string;
  readonly peer: PeerIdentity;
  /** Key of the workload that owns the address. */
  readonly owner?: string;
  /** Somebody is known to have the address: a workload of any node, or a node. */
  readonly taken?: true;
}

/** What `isLinkLocal` knows, as blocks: such an address means somebody else on each link. */
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'].map(parsePrefix).filter((block) => block !== undefined);

/** What `isLoopback` knows, as blocks. Of the host: only cgroup workloads reach it, others have their own. */
const LOOPBACK = ['127.0.0.0/8', '0.0.0.0/32', '::1/128', '::/128']
  .map(parsePrefix)
  .filter((block) => block !== undefined);

/** What the peer identity of an address is made from, and what came of it. */
interface KnownAddress {
  readonly owner: Workload | NodeOwner['node'] | undefined;
  readonly isApiServer: boolean;
  readonly world: Pick<World, 'prefixes' | 'egressPortNames'>;
  readonly entry: IpcacheEntry;
}

/** Knows the addresses of one world after the other: an entry that is the same as before is the same object. */
export class PeerBook {
  #addresses = new Map<string, KnownAddress>();
  #blocks: readonly IpcacheEntry[] = [];
  #prefixes: World['prefixes'] | undefined;

  /**
   * What the kernel's longest-prefix table must hold for every address to get its peer identity: all known
   * addresses, all blocks of policies, and everything else as World. Sorted by prefix text.
   */
  ipcache(world: World): IpcacheEntry[] {
    if (this.#prefixes !== world.prefixes) this.#blocks = blockEntries(world);
    this.#prefixes = world.prefixes;
    const before = this.#addresses;
    this.#addresses = new Map();
    const entries = new Map(this.#blocks.map((entry) => [entry.prefix, entry]));
    for (const text of world.addresses.addresses()) {
      const known = knownAddress(world, text, before.get(text));
      if (known === undefined) continue;
      this.#addresses.set(text, known);
      entries.set(known.entry.prefix, known.entry);
    }
    return [...entries.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  }
}

/** The entries of one world alone. */
export function ipcache(world: World): IpcacheEntry[] {
  return new PeerBook().ipcache(world);
}

function knownAddress(
  world: World,
  text: string,
  before: KnownAddress | undefined,
): KnownAddress | undefined {
  const claimed = world.addresses.ownerOf(text);
  const workload =
    claimed !== undefined && 'workload' in claimed ? world.workloads.get(claimed.workload) : undefined;
  const owner = claimed !== undefined && 'node' in claimed ? claimed.node : workload;
  const isApiServer = world.addresses.hasApiServer(text);
  if (
    before?.owner === owner &&
    before?.isApiServer === isApiServer &&
    before.world.prefixes === world.prefixes &&
    before.world.egressPortNames === world.egressPortNames
  )
    return before;
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const entry = {
    prefix: formatPrefix(hostPrefix(address)),
    peer: peerOfAddress(world, address),
    taken: true as const,
    ...(workload === undefined ? {} : { owner: workload.key }),
  };
  const { prefixes, egressPortNames } = world;
  return { owner, isApiServer, world: { prefixes, egressPortNames }, entry };
}

/** Whoever has no address of its own. */
function blockEntries(world: World): IpcacheEntry[] {
  const entries = new Map<string, PeerIdentity>();
  for (const everything of ['0.0.0.0/0', '::/0']) entries.set(everything, createPeerIdentity({}));
  for (const block of LOOPBACK) {
    entries.set(
      formatPrefix(block),
      createPeerIdentity({ node: true, prefix: world.prefixes.standIn(block) }),
    );
  }
  for (const block of LINK_LOCAL) {
    const prefix = world.prefixes.standIn(block);
    entries.set(formatPrefix(block), createPeerIdentity({ linkLocal: true, prefix }));
  }
  for (const prefix of world.prefixes) {
    const linkLocal = LINK_LOCAL.some((block) => contains(block, prefix));
    const node = LOOPBACK.some((block) => contains(block, prefix));
    const standIn = world.prefixes.standIn(prefix);
    entries.set(formatPrefix(prefix), createPeerIdentity({ node, prefix: standIn, linkLocal }));
  }
  return [...entries].map(([prefix, peer]) => ({ prefix, peer }));
}

/** The distinct peer identities that connections can have, in the order of their keys. */
export function peerIdentities(entries: readonly IpcacheEntry[]): PeerIdentity[] {
  const peers = new Map(entries.map(({ peer }) => [peer.key, peer]));
  return [...peers.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
