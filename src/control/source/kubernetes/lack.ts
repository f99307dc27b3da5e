// SPDX-License-Identifier: Apache-2.0
import type { Entity } from '../../../core/identity/peer-identity.ts';
import type { PersistentMap } from '../../../lib/persistent-map.ts';
import type { ReadObject } from './policy.ts';

/** What it means for the node that a collection can't be read. */
export interface Lack {
  /** Without it the rest can't be told from less than it is: what is in force stays. */
  readonly isWaitedFor: boolean;
  /** For people. */
  readonly text: string;
}

/** What a collection is needed for; one that is not named here is needed for everything. */
export type Need = 'everything' | 'resolution' | 'nodes' | 'api-server';

/** Whom a policy may name that only the collection tells from others. */
const toldBy: Readonly<Record<'nodes' | 'api-server', readonly Entity[]>> = {
  nodes: ['World', 'Cluster', 'Node'],
  'api-server': ['ApiServer'],
};

/** Of a collection that was never read and that the server refuses. */
export function lackOf(need: Need, policies: readonly PersistentMap<ReadObject>[]): Lack {
  if (need === 'everything')
    return { isWaitedFor: true, text: 'nothing that is new is enforced before it can be read' };
  if (need === 'resolution') {
    const text =
      'addresses of Services are left to kube-proxy, and rules of clients see them in place of pods; the rest is enforced';
    return { isWaitedFor: false, text };
  }
  const entities = toldBy[need];
  const names = entities.join(', ');
  return policies.some((objects) => anyNames(objects, entities))
    ? {
        isWaitedFor: true,
        text: `a policy names ${names}: nothing that is new is enforced before it can be read`,
      }
    : { isWaitedFor: false, text: `no policy names ${names}: all of them are enforced` };
}

function anyNames(objects: PersistentMap<ReadObject>, wanted: readonly Entity[]): boolean {
  return [...objects.values()].some(({ resource }) => {
    if (resource?.kind !== 'AccessPolicy' && resource?.kind !== 'ClusterAccessPolicy') return false;
    const { ingress = [], egress = [] } = resource.spec;
    const peers = [...ingress.flatMap(({ from = [] }) => from), ...egress.flatMap(({ to = [] }) => to)];
    return peers.some(({ entities = [] }) => entities.some((entity) => wanted.includes(entity)));
  });
}
