// SPDX-License-Identifier: Apache-2.0
import type { NamedPort } from '../workload/workload.ts';
import { ReservedIdentity } from './allocator.ts';
import type { Identity } from './identity.ts';
import { formatPrefix, type Prefix } from './prefix.ts';

/** Well-known peers that policies name. `Cluster` is workloads and nodes, `World` everything else. */
export const entities = ['World', 'Cluster', 'Node', 'ApiServer'] as const;
export type Entity = (typeof entities)[number];

/**
 * All that policy can ask about the other end of a connection, so two addresses with the same peer identity
 * get the same answer to every question. One address has one peer identity.
 */
export interface PeerIdentity {
  /** Canonical text: the key of its numeric name. */
  readonly key: string;
  readonly workload?: Identity;
  /** Named ports of the workload that some egress rule may look up. */
  readonly ports: readonly NamedPort[];
  readonly entities: ReadonlySet<Entity>;
  /** The node that this is seen from; another one is `Node`, too, but has no more rights than anybody. */
  readonly isOwnNode: boolean;
  /** The longest block of any policy that holds the address; membership of shorter ones follows. */
  readonly prefix?: Prefix;
}

export interface PeerFacts {
  readonly workload?: Identity | undefined;
  readonly ports?: readonly NamedPort[];
  readonly node?: boolean;
  readonly otherNode?: boolean;
  readonly apiServer?: boolean;
  /** On the link, and nobody can say who: neither of the cluster nor of the world. */
  readonly linkLocal?: boolean;
  readonly prefix?: Prefix | undefined;
}

export function createPeerIdentity(facts: PeerFacts): PeerIdentity {
  const { workload, prefix, node = false, otherNode = false, apiServer = false, linkLocal = false } = facts;
  const found = entitiesOf(facts);
  const ports = [...(facts.ports ?? [])].sort((a, b) => (portText(a) < portText(b) ? -1 : 1));
  const parts = [
    workload === undefined ? '' : `workload:${workload.key}`,
    node ? 'node' : '',
    otherNode ? 'other-node' : '',
    linkLocal && !found.has('Cluster') ? 'link-local' : '',
    apiServer ? 'apiserver' : '',
    prefix === undefined ? '' : `cidr:${formatPrefix(prefix)}`,
    ...ports.map((port) => `port:${portText(port)}`),
  ].filter((part) => part !== '');
  return {
    key: parts.length === 0 ? 'world' : parts.join(';'),
    entities: found,
    isOwnNode: node,
    ports,
    ...(workload === undefined ? {} : { workload }),
    ...(prefix === undefined ? {} : { prefix }),
  };
}

function entitiesOf({ workload, node, otherNode, apiServer, linkLocal }: PeerFacts): Set<Entity> {
  const isNode = node === true || otherNode === true;
  const inside = workload !== undefined || isNode;
  const found = new Set<Entity>(inside ? ['Cluster'] : linkLocal === true ? [] : ['World']);
  if (isNode) found.add('Node');
  if (apiServer === true) found.add('ApiServer');
  return found;
}

/** `http=8080/TCP` */
export function portText({ name, port, protocol }: NamedPort): string {
  return `${name}=${port}/${protocol}`;
}

/** Keys of peers that have reserved numbers: pass as `reserved` to the allocator of peer identities. */
export const reservedPeers: Readonly<Record<string, number>> = {
  world: ReservedIdentity.World,
  node: ReservedIdentity.Node,
  apiserver: ReservedIdentity.ApiServer,
};

/** What flows and traces call the peer. */
export function describePeer(peer: PeerIdentity): string {
  if (peer.workload !== undefined) return `${peer.workload.namespace}/${peer.workload.serviceAccount}`;
  if (peer.entities.has('Node')) return 'node';
  if (peer.entities.has('ApiServer')) return 'API server';
  if (!peer.entities.has('World')) return 'an address of the link';
  return peer.prefix === undefined ? 'world' : `world (${formatPrefix(peer.prefix)})`;
}
