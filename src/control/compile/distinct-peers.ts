// SPDX-License-Identifier: Apache-2.0
import type { PeerIdentity } from '../../core/identity/peer-identity.ts';
import { type NamespaceLabels, peerMismatch } from '../../core/policy/peer-match.ts';
import type { Distinction } from '../../core/policy/rest.ts';
import type { PeerClause } from '../../core/policy/rule.ts';
import { implicitLabels } from '../../core/policy/selection-index.ts';
import type { World } from '../../core/policy/world.ts';
import type { ContentKeys } from './content-key.ts';

/** A peer, and what of its namespace clauses can ask for: with another text the answers may be others. */
interface Known {
  readonly peer: PeerIdentity;
  readonly namespace: string;
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
  #known: ReadonlyMap<string, Known> = new Map();
  #labels: NamespaceLabels = implicitLabels;
  #asked = new Map<string, Asked>();
  /** Asked since the last `take`. */
  #used = new Set<string>();

  constructor(keys: ContentKeys) {
    this.#keys = keys;
  }

  /** @param peers distinct, in the order of their keys */
  take(world: World, peers: readonly PeerIdentity[]): void {
    const before = this.#known;
    this.#labels = (name) => world.namespaces.get(name) ?? implicitLabels(name);
    const now = new Map(peers.map((peer) => [peer.key, { peer, namespace: this.#namespaceText(peer) }]));
    const differs = ({ peer: { key }, namespace }: Known, other: ReadonlyMap<string, Known>): boolean =>
      other.get(key)?.namespace !== namespace;
    const gone = [...before.values()].filter((known) => differs(known, now)).map(({ peer }) => peer.key);
    const come = [...now.values()].filter((known) => differs(known, before)).map(({ peer }) => peer);
    this.#known = now;
    const used = this.#used;
    this.#used = new Set();
    if (gone.length + come.length === 0) return;
    const kept = [...this.#asked].filter(([question]) => used.has(question));
    this.#asked = new Map(
      kept.map(([question, asked]) => [question, this.#renew(asked, new Set(gone), come)]),
    );
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
    const peers = [...this.#known.values()].map(({ peer }) => peer);
    const list = peers.filter((peer) => holds(peer, this.#labels));
    this.#asked.set(question, { holds, list });
    return list;
  }

  #renew(asked: Asked, gone: ReadonlySet<string>, come: readonly PeerIdentity[]): Asked {
    const { holds, list } = asked;
    const stay = gone.size === 0 ? list : list.filter(({ key }) => !gone.has(key));
    const added = come.filter((peer) => holds(peer, this.#labels));
    if (stay.length === list.length && added.length === 0) return asked;
    return { holds, list: [...stay, ...added].sort((a, b) => (a.key < b.key ? -1 : 1)) };
  }

  #namespaceText({ workload }: PeerIdentity): string {
    if (workload === undefined) return '';
    return JSON.stringify(
      Object.entries(this.#labels(workload.namespace)).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
}
