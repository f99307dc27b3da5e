// SPDX-License-Identifier: Apache-2.0
import type { Endpoint, EndpointSlice, Place, Service, ServicePort } from './service.ts';

export interface Backend {
  readonly address: string;
  readonly port: number;
}

export interface Backends {
  /** For new connections and datagrams; sorted. */
  readonly picked: readonly Backend[];
  /** Others that serve: what holds on to them may; sorted. */
  readonly kept: readonly Backend[];
}

interface Candidate extends Backend {
  readonly endpoint: Endpoint;
}

/**
 * The backends of one port in one family, for clients at a place. As kube-proxy has it: those that are ready, of the
 * client's node or zone where all of them say whom they are meant for; if there are none, those that serve while they
 * end (KEP-1669). What is published though it is not ready has been marked as ready by the cluster.
 */
export function backendsOf(
  service: Pick<Service, 'local'>,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  place: Place,
): Backends {
  const all = candidates(port, slices);
  const inReach = service.local ? all.filter(({ endpoint }) => endpoint.node === place.node) : all;
  const ready = inReach.filter(({ endpoint }) => endpoint.ready);
  const near = service.local ? ready : nearest(ready, place);
  const picked =
    near.length > 0 ? near : inReach.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
  const chosen = new Set(picked);
  const kept = all.filter((one) => !chosen.has(one) && (one.endpoint.ready || one.endpoint.serving));
  return { picked: picked.map(bare), kept: kept.map(bare) };
}

/** Of an endpoint that stands in two slices, as it may while one is being filled from the other, the better one. */
function candidates(port: ServicePort, slices: readonly EndpointSlice[]): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const { ports, endpoints } of slices) {
    const target = ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol);
    if (target === undefined) continue;
    for (const endpoint of endpoints) {
      const [address] = endpoint.addresses;
      if (address === undefined) continue;
      const key = `${address} ${String(target.port)}`;
      const known = found.get(key);
      if (known === undefined || preference(endpoint) > preference(known.endpoint))
        found.set(key, { address, port: target.port, endpoint });
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
}

/** Total, so that the order of slices means nothing. */
function preference({ ready, serving, terminating, node, zones, nodes }: Endpoint): string {
  const rank = ready ? 3 : serving && !terminating ? 2 : serving ? 1 : 0;
  return `${String(rank)} ${JSON.stringify([node, zones, nodes])}`;
}

/** Hints count only where every endpoint has them and some are meant for the place: a part would be overloaded. */
function nearest(ready: readonly Candidate[], { node, zone }: Place): readonly Candidate[] {
  const meant = (kind: 'nodes' | 'zones', here: string): readonly Candidate[] =>
    ready.every(({ endpoint }) => endpoint[kind].length > 0)
      ? ready.filter(({ endpoint }) => endpoint[kind].includes(here))
      : [];
  const sameNode = meant('nodes', node);
  if (sameNode.length > 0) return sameNode;
  const sameZone = zone === '' ? [] : meant('zones', zone);
  return sameZone.length > 0 ? sameZone : ready;
}

const bare = ({ address, port }: Candidate): Backend => ({ address, port });
