// SPDX-License-Identifier: Apache-2.0
import { type Address, formatAddress, isLoopback, parseAddress } from '../identity/address.ts';

export interface AddressClaims {
  /** Addresses written in resources, by workload key. */
  readonly declared: ReadonlyMap<string, readonly string[]>;
  /** Addresses found in network namespaces, by workload key. */
  readonly found: ReadonlyMap<string, readonly string[]>;
  readonly node: readonly string[];
  readonly otherNodes: readonly string[];
  readonly apiServer: readonly string[];
  /** Default: reads each. */
  readonly textOf?: (text: string) => string | undefined;
}

/** Canonical text of an address that can be somebody's; undefined: it is none, or means another on each host or link. */
function ownableText(text: string): string | undefined {
  const address = parseAddress(text);
  if (address === undefined || isLoopback(address) || isLinkLocal(address)) return undefined;
  return formatAddress(address);
}

/** Remembers the addresses of the book before: most are in the next one, too. */
export class CanonicalTexts {
  #known = new Map<string, string | undefined>();

  /** For one book. */
  next(): (text: string) => string | undefined {
    const before = this.#known;
    const now = new Map<string, string | undefined>();
    this.#known = now;
    return (text) => {
      const found = before.has(text) ? before.get(text) : ownableText(text);
      now.set(text, found);
      return found;
    };
  }
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

interface Claim {
  readonly claimant: string;
  readonly owner: Owner;
  /**
   * What the administrator wrote outranks the host's own addresses, these what the cluster says of its nodes (this one
   * among them), and that what a namespace says of itself.
   */
  readonly rank: number;
}

const NODE: Owner = { node: 'own' };
const OTHER_NODE: Owner = { node: 'other' };

/**
 * Whose an address is. A program that may configure its own network namespace could claim any address, so a
 * claim from there never takes one from somebody else: two equal claims cancel each other.
 */
export class AddressBook {
  readonly #owners = new Map<string, Owner>();
  readonly #apiServers: ReadonlySet<string>;
  readonly conflicts: readonly AddressConflict[];

  constructor({ declared, found, node, otherNodes, apiServer, textOf = ownableText }: AddressClaims) {
    const claims = new Map<string, Claim[]>();
    const claim = (text: string, entry: Claim) => {
      const key = textOf(text);
      if (key === undefined) return;
      const list = claims.get(key);
      if (list === undefined) {
        claims.set(key, [entry]);
        return;
      }
      claims.set(key, [
        ...list.filter(({ claimant, rank }) => claimant !== entry.claimant || rank > entry.rank),
        entry,
      ]);
    };
    for (const [workload, texts] of found) {
      for (const text of texts) claim(text, { claimant: workload, owner: { workload }, rank: 1 });
    }
    for (const text of otherNodes) claim(text, { claimant: 'other node', owner: OTHER_NODE, rank: 2 });
    for (const text of node) claim(text, { claimant: 'node', owner: NODE, rank: 3 });
    for (const [workload, texts] of declared) {
      for (const text of texts) claim(text, { claimant: workload, owner: { workload }, rank: 4 });
    }
    this.conflicts = [...claims].flatMap(([address, list]) => this.#settle(address, list)).sort(byAddress);
    this.#apiServers = new Set(
      apiServer
        .map(parseAddress)
        .filter((address) => address !== undefined)
        .map(formatAddress),
    );
  }

  #settle(address: string, claims: readonly Claim[]): AddressConflict[] {
    const [only] = claims;
    if (claims.length === 1 && only !== undefined) {
      this.#owners.set(address, only.owner);
      return [];
    }
    const highest = Math.max(...claims.map(({ rank }) => rank));
    const [first, second] = claims.filter(({ rank }) => rank === highest);
    const winner = second === undefined ? first : undefined;
    if (winner !== undefined) this.#owners.set(address, winner.owner);
    const claimants = claims.map(({ claimant }) => claimant).sort();
    return [{ address, claimants, ...(winner === undefined ? {} : { owner: winner.claimant }) }];
  }

  /** Loopback belongs to the node: a workload's own loopback never leaves its network namespace. */
  owner(address: Address): Owner | undefined {
    return isLoopback(address) ? NODE : this.#owners.get(formatAddress(address));
  }

  /** The same for the canonical text of an address that is no loopback. */
  ownerOf(text: string): Owner | undefined {
    return this.#owners.get(text);
  }

  hasApiServer(text: string): boolean {
    return this.#apiServers.has(text);
  }

  isApiServer(address: Address): boolean {
    return this.#apiServers.has(formatAddress(address));
  }

  /** Every address with an owner or a role, canonical text, sorted. */
  addresses(): string[] {
    return [...new Set([...this.#owners.keys(), ...this.#apiServers])].sort();
  }
}

/** fe80::/10 and 169.254.0.0/16 mean something else on each link. */
export function isLinkLocal({ family, bits }: Address): boolean {
  return family === 4 ? bits >> 16n === 0xa9fen : bits >> 118n === 0x3fan;
}

function byAddress(a: AddressConflict, b: AddressConflict): number {
  return a.address < b.address ? -1 : 1;
}
