// SPDX-License-Identifier: Apache-2.0
import { PersistentMap } from '../../lib/persistent-map.ts';
import { type Address, parseAddress } from '../identity/address.ts';
import { createPeerIdentity, type PeerIdentity } from '../identity/peer-identity.ts';
import { contains, formatPrefix, insideAny, parsePrefix, type Prefix } from '../identity/prefix.ts';
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
  /** Of full length for a single address. */
  readonly prefix: Prefix;
  readonly peer: PeerIdentity;
  /** Key of the workload that owns the address. */
  readonly owner?: string;
  /** Somebody is known to have the address: a workload of any node, or a node. */
  readonly taken?: true;
}

const EVERYTHING = ['0.0.0.0/0', '::/0'].map(parsePrefix).filter((block) => block !== undefined);

/** What `isLinkLocal` knows, as blocks: such an address means somebody else on each link. */
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10'].map(parsePrefix).filter((block) => block !== undefined);

/** What `isLoopback` knows, as blocks. Of the host: only cgroup workloads reach it, others have their own. */
const LOOPBACK = ['127.0.0.0/8', '0.0.0.0/32', '::1/128', '::/128']
  .map(parsePrefix)
  .filter((block) => block !== undefined);

/** Blocks that have an entry though no policy names them, by their texts. */
const ALWAYS: ReadonlyMap<string, Prefix> = new Map(
  [...EVERYTHING, ...LOOPBACK, ...LINK_LOCAL].map((block) => [formatPrefix(block), block]),
);

/** Of more blocks at once that change, every address is looked at anew. */
const FEW_BLOCKS = 32;

type Entries = PersistentMap<IpcacheEntry>;

/** Knows the addresses of one world after the other: an entry that is the same as before is the same object. */
export class PeerBook {
  #world: World | undefined;
  #blocks: Entries = PersistentMap.empty();
  #entries: Entries = PersistentMap.empty();

  /**
   * What the kernel's longest-prefix table must hold for every address to get its peer identity: all known
   * addresses, all blocks of policies, and everything else as World. By the text of the prefix.
   */
  ipcache(world: World): Entries {
    const before = this.#world;
    this.#world = world;
    const changed = world.prefixes.differences(before?.prefixes);
    const touched = this.#touched(world, before, changed);
    if (before === undefined || changed.length > 0)
      for (const text of this.#renewBlocks(world, changed)) touched.add(text);
    this.#entries = this.#entries.with([...touched].map((prefix) => [prefix, this.#entry(world, prefix)]));
    return this.#entries;
  }

  /** @returns texts of those blocks whose entries are others than before */
  #renewBlocks(world: World, changed: readonly Prefix[]): string[] {
    const before = this.#blocks;
    // What has an entry anyway may be part of a block that has come.
    const all = [...ALWAYS, ...changed.map((block) => [formatPrefix(block), block] as const)];
    this.#blocks = before.with(
      all.map(([text, block]) => [text, sameEntry(before.get(text), blockEntry(world, text, block))]),
    );
    return this.#blocks.changesSince(before).map(({ key }) => key);
  }

  /** Texts of the addresses whose entries may be others than before. */
  #touched(world: World, before: World | undefined, blocks: readonly Prefix[]): Set<string> {
    const { owners, apiServers } = world.addresses;
    const ownersBefore = before?.addresses.owners ?? PersistentMap.empty();
    const addresses = owners.changesSince(ownersBefore).map(({ key }) => key);
    for (const { was, is } of world.workloads.changesSince(before?.workloads ?? PersistentMap.empty()))
      addresses.push(...(was?.addresses ?? []), ...(is?.addresses ?? []));
    if (apiServers !== before?.addresses.apiServers)
      addresses.push(...(before?.addresses.apiServers ?? []), ...apiServers);
    const moved = before === undefined ? [] : this.#moved(world, before, blocks);
    return new Set([...addresses.map(addressPrefix), ...moved]);
  }

  /** Of addresses that may be told from others by other things than before. */
  #moved(world: World, before: World, blocks: readonly Prefix[]): string[] {
    const all = blocks.length > FEW_BLOCKS || world.egressPortNames !== before.egressPortNames;
    if (!all && blocks.length === 0) return [];
    const isInside = insideAny(blocks);
    const moved: string[] = [];
    for (const { prefix, taken } of this.#entries.values())
      if (taken === true && (all || isInside(prefix))) moved.push(formatPrefix(prefix));
    return moved;
  }

  #entry(world: World, text: string): IpcacheEntry | undefined {
    return sameEntry(this.#entries.get(text), addressEntry(world, text)) ?? this.#blocks.get(text);
  }
}

/** Text of the prefix of a canonical address alone. */
export function addressPrefix(address: string): string {
  return `${address}/${address.includes(':') ? '128' : '32'}`;
}

/** Undefined: nobody is known to have the address, or the prefix is a block of them. */
function addressEntry(world: World, text: string): IpcacheEntry | undefined {
  const address = text.slice(0, text.indexOf('/'));
  if (text !== addressPrefix(address)) return undefined;
  const owner = world.addresses.owners.get(address);
  if (owner === undefined && !world.addresses.apiServers.has(address)) return undefined;
  const prefix = parsePrefix(text);
  if (prefix === undefined) return undefined;
  const workload =
    owner !== undefined && 'workload' in owner ? world.workloads.get(owner.workload) : undefined;
  return {
    prefix,
    peer: peerOfAddress(world, prefix),
    taken: true,
    ...(workload === undefined ? {} : { owner: workload.key }),
  };
}

/** The one of before, if the new one says the same. */
function sameEntry<E extends IpcacheEntry | undefined>(before: IpcacheEntry | undefined, now: E): E {
  const isSame =
    before?.peer.key === now?.peer.key && before?.owner === now?.owner && before?.taken === now?.taken;
  return isSame ? (before as E) : now;
}

/** An entry for whoever is in the block and has no address of its own; undefined: nobody speaks of the block. */
function blockEntry({ prefixes }: World, text: string, block: Prefix): IpcacheEntry | undefined {
  if (!ALWAYS.has(text) && !prefixes.has(text)) return undefined;
  const isIn = (outer: Prefix): boolean => contains(outer, block);
  const [node, linkLocal] = [LOOPBACK.some(isIn), LINK_LOCAL.some(isIn)];
  return {
    prefix: block,
    peer: createPeerIdentity({ node, linkLocal, prefix: prefixes.standIn(block) }),
  };
}
