// SPDX-License-Identifier: Apache-2.0
import { PersistentMap } from '../../lib/persistent-map.ts';
import { type Address, formatAddress, isLoopback, parseAddress } from '../identity/address.ts';

/** Canonical text of an address that can be somebody's; undefined: it is none, or means another on each host or link. */
function ownableText(text: string): string | undefined {
  const address = parseAddress(text);
  if (address === undefined || isLoopback(address) || isLinkLocal(address)) return undefined;
  return formatAddress(address);
}

/** Several claim one address. */
export interface AddressConflict {
  readonly address: string;
  /** Workload keys, `node` and `other node`; sorted. */
  readonly claimants: readonly string[];
  /** Who is believed; absent: nobody, the address counts as outside of the mesh. */
  readonly owner?: string;
}

/** The node that this is seen from, or another. */
export interface NodeOwner {
  readonly node: 'own' | 'other';
}

export type Owner = { readonly workload: string } | NodeOwner;

/**
 * How much a claim counts. What the administrator wrote outranks the host's own addresses, these what the cluster says of
 * its nodes (this one among them), and that what a namespace says of itself.
 */
const claimRank = { found: 1, otherNode: 2, node: 3, declared: 4 } as const;
type Rank = (typeof claimRank)[keyof typeof claimRank];

/** Who claims addresses, and how much each claim counts, by the text of the address. */
interface Claimant {
  readonly owner: Owner;
  readonly ranks: ReadonlyMap<string, Rank>;
}

const NODE: Owner = { node: 'own' };
const OTHER_NODE: Owner = { node: 'other' };
const NODES = { node: NODE, 'other node': OTHER_NODE } as const;

/** Whose an address is, at one moment. */
export class AddressBook {
  /** By canonical text. */
  readonly owners: PersistentMap<Owner>;
  readonly conflicts: readonly AddressConflict[];
  /** Canonical text. */
  readonly apiServers: ReadonlySet<string>;

  constructor(
    owners: PersistentMap<Owner>,
    conflicts: readonly AddressConflict[],
    apiServers: ReadonlySet<string>,
  ) {
    this.owners = owners;
    this.conflicts = conflicts;
    this.apiServers = apiServers;
  }

  /** Loopback belongs to the node: a workload's own loopback never leaves its network namespace. */
  owner(address: Address): Owner | undefined {
    return isLoopback(address) ? NODE : this.owners.get(formatAddress(address));
  }

  isApiServer(address: Address): boolean {
    return this.apiServers.has(formatAddress(address));
  }
}

/**
 * Settles who is believed, one book after the other: what nobody touched stays as it is. A program that may configure its
 * own network namespace could claim any address, so a claim from there never takes one from somebody else: two equal
 * claims cancel each other.
 */
export class AddressClaims {
  readonly #claimants = new Map<string, Claimant>();
  /** Names of those who claim an address. */
  readonly #claims = new Map<string, Set<string>>();
  readonly #touched = new Set<string>();
  readonly #inConflict = new Map<string, AddressConflict>();
  #book = new AddressBook(PersistentMap.empty(), [], new Set());

  /** What a workload claims from this moment on, and nothing else. */
  ofWorkload(key: string, declared: readonly string[], found: readonly string[]): void {
    const owner = this.#claimants.get(key)?.owner ?? { workload: key };
    this.#claim(key, owner, [
      ...found.map((text) => [text, claimRank.found] as const),
      ...declared.map((text) => [text, claimRank.declared] as const),
    ]);
  }

  /** The same for this node, or for the others. */
  ofNodes(which: keyof typeof NODES, texts: readonly string[]): void {
    const rank = which === 'node' ? claimRank.node : claimRank.otherNode;
    this.#claim(
      which,
      NODES[which],
      texts.map((text) => [text, rank] as const),
    );
  }

  book(apiServers: AddressBook['apiServers']): AddressBook {
    const before = this.#book;
    if (this.#touched.size === 0 && apiServers === before.apiServers) return before;
    const owners = before.owners.with([...this.#touched].map((address) => [address, this.#settle(address)]));
    const conflicts = this.#inConflict.size === 0 ? [] : [...this.#inConflict.values()].sort(byAddress);
    this.#touched.clear();
    this.#book = new AddressBook(owners, conflicts, apiServers);
    return this.#book;
  }

  /** Of two claims to one address the later counts. */
  #claim(name: string, owner: Owner, claims: readonly (readonly [string, Rank])[]): void {
    const ranks = new Map<string, Rank>();
    for (const [text, rank] of claims) {
      const address = ownableText(text);
      if (address !== undefined) ranks.set(address, rank);
    }
    const before = this.#claimants.get(name)?.ranks;
    for (const address of before?.keys() ?? []) {
      this.#touched.add(address);
      if (!ranks.has(address)) this.#claims.get(address)?.delete(name);
    }
    for (const address of ranks.keys()) {
      this.#touched.add(address);
      const names = this.#claims.get(address);
      if (names === undefined) this.#claims.set(address, new Set([name]));
      else names.add(name);
    }
    if (ranks.size === 0) this.#claimants.delete(name);
    else this.#claimants.set(name, { owner, ranks });
  }

  #settle(address: string): Owner | undefined {
    const names = [...(this.#claims.get(address) ?? [])];
    this.#inConflict.delete(address);
    if (names.length === 0) this.#claims.delete(address);
    const [only] = names;
    if (names.length < 2) return this.#claimants.get(only ?? '')?.owner;
    const rankOf = (name: string): number => this.#claimants.get(name)?.ranks.get(address) ?? 0;
    const highest = Math.max(...names.map(rankOf));
    const [first, second] = names.filter((name) => rankOf(name) === highest);
    const winner = second === undefined ? first : undefined;
    const claimants = names.sort();
    this.#inConflict.set(address, {
      address,
      claimants,
      ...(winner === undefined ? {} : { owner: winner }),
    });
    return winner === undefined ? undefined : this.#claimants.get(winner)?.owner;
  }
}

/** fe80::/10 and 169.254.0.0/16 mean something else on each link. */
export function isLinkLocal({ family, bits }: Address): boolean {
  return family === 4 ? bits >> 16n === 0xa9fen : bits >> 118n === 0x3fan;
}

function byAddress(a: AddressConflict, b: AddressConflict): number {
  return a.address < b.address ? -1 : 1;
}
