// SPDX-License-Identifier: Apache-2.0
import { type Change, PersistentMap } from '../../lib/persistent-map.ts';
import type { PeerIdentity } from '../../core/identity/peer-identity.ts';
import { type NamespaceLabels, peerMismatch } from '../../core/policy/peer-match.ts';
import type { IpcacheEntry } from '../../core/policy/peers.ts';
import type { Distinction } from '../../core/policy/rest.ts';
import type { PeerClause } from '../../core/policy/rule.ts';
import { implicitLabels } from '../../core/policy/selection-index.ts';
import type { World } from '../../core/policy/world.ts';
import type { ContentKeys } from './content-key.ts';

/** A peer, and how many prefixes have it. */
interface Known {
  readonly peer: PeerIdentity;
  count: number;
}

/** A question that divides the peers, and those of whom it holds. */
interface Asked {
  readonly holds: (peer: PeerIdentity, labels: NamespaceLabels) => boolean;
  readonly list: readonly PeerIdentity[];
}

function hasPorts({ ports }: PeerIdentity): boolean {
  return ports.length > 0;
}

/**
 * The peers of a series of worlds, and which of them each clause of a policy means. A list that is the same as
 * in the world before is the same object: whoever depends on it need not look into it.
 */
export class DistinctPeers {
  readonly #keys: ContentKeys;
  /** By their keys. */
  readonly #known = new Map<string, Known>();
  #namespaces: World['namespaces'] = PersistentMap.empty();
  readonly #labels: NamespaceLabels = (name) => this.#namespaces.get(name) ?? implicitLabels(name);
  #asked = new Map<string, Asked>();
  /** Asked since the last `take`. */
  #used = new Set<string>();

  constructor(keys: ContentKeys) {
    this.#keys = keys;
  }

  /**
   * @param changes of all prefixes that have a peer
   * @returns the peers that were not there before, in the order of their keys
   */
  take(world: World, changes: readonly Change<IpcacheEntry>[]): readonly PeerIdentity[] {
    const { come, gone } = this.#count(changes);
    // What is in a namespace that is labelled anew is asked about again.
    const labelled = new Set(world.namespaces.changesSince(this.#namespaces).map(({ key }) => key));
    this.#namespaces = world.namespaces;
    const inLabelled = ({ workload }: PeerIdentity): boolean =>
      workload !== undefined && labelled.has(workload.namespace);
    const moved =
      labelled.size === 0 ? [] : [...this.#known.values()].map(({ peer }) => peer).filter(inLabelled);
    this.#renew(new Set([...gone, ...moved.map(({ key }) => key)]), [...new Set([...come, ...moved])]);
    return come;
  }

  #count(changes: readonly Change<IpcacheEntry>[]): {
    readonly come: readonly PeerIdentity[];
    readonly gone: readonly string[];
  } {
    const before = new Map<string, boolean>();
    const add = (peer: PeerIdentity | undefined, by: 1 | -1): void => {
      if (peer === undefined) return;
      const known = this.#known.get(peer.key) ?? { peer, count: 0 };
      if (!before.has(peer.key)) before.set(peer.key, known.count > 0);
      known.count += by;
      this.#known.set(peer.key, known);
    };
    for (const { was, is } of changes) {
      add(is?.peer, 1);
      add(was?.peer, -1);
    }
    const come: PeerIdentity[] = [];
    const gone: string[] = [];
    for (const [key, wasThere] of before) {
      const known = this.#known.get(key);
      if (known === undefined) continue;
      if (known.count === 0) this.#known.delete(key);
      if (wasThere && known.count === 0) gone.push(key);
      if (!wasThere && known.count > 0) come.push(known.peer);
    }
    return { come: come.sort(byKey), gone };
  }

  /**
   * Lists that together hold all those to whom the clause may give an answer that the rest does not get. What
   * the clause says of two peers that are in the same of these lists differs by their named ports at most.
   */
  of(distinction: Distinction, clause: PeerClause | undefined): readonly (readonly PeerIdentity[])[] {
    if (distinction === 'nobody') return [];
    const meant = clause === undefined ? this.#list('with-ports', hasPorts) : this.#matching(clause);
    return distinction === 'everybody' ? [meant, this.#list('everybody', () => true)] : [meant];
  }

  /** Those that Kubernetes' policies always let through, and that may probe. */
  nodes(): readonly PeerIdentity[] {
    return this.#list('nodes', ({ isOwnNode }) => isOwnNode);
  }

  #matching(clause: PeerClause): readonly PeerIdentity[] {
    const matches: Asked['holds'] = (peer, labels) => peerMismatch(clause, peer, labels) === undefined;
    return this.#list(this.#keys.ofClause(clause), matches);
  }

  #list(question: string, holds: Asked['holds']): readonly PeerIdentity[] {
    this.#used.add(question);
    const asked = this.#asked.get(question);
    if (asked !== undefined) return asked.list;
    const peers = Array.from(this.#known.values(), ({ peer }) => peer);
    const list = peers.filter((peer) => holds(peer, this.#labels)).sort(byKey);
    this.#asked.set(question, { holds, list });
    return list;
  }

  /** Answers what was asked of the last world for this one, and forgets what was not. */
  #renew(gone: ReadonlySet<string>, come: readonly PeerIdentity[]): void {
    const used = this.#used;
    this.#used = new Set();
    const kept = [...this.#asked].filter(([question]) => used.has(question));
    const isSame = gone.size + come.length === 0;
    this.#asked = new Map(
      kept.map(([question, asked]) => [question, isSame ? asked : this.#renewed(asked, gone, come)]),
    );
  }

  #renewed(asked: Asked, gone: ReadonlySet<string>, come: readonly PeerIdentity[]): Asked {
    const { holds, list } = asked;
    const stay = gone.size === 0 ? list : list.filter(({ key }) => !gone.has(key));
    const added = come.filter((peer) => holds(peer, this.#labels));
    const now = [...stay, ...added].sort(byKey);
    const isSame = now.length === list.length && now.every(({ key }, at) => key === list[at]?.key);
    return isSame ? asked : { holds, list: now };
  }
}

function byKey(a: PeerIdentity, b: PeerIdentity): number {
  return a.key < b.key ? -1 : 1;
}
