// SPDX-License-Identifier: Apache-2.0
import { type Resource } from '../../../core/resources/kinds.ts';
import type { ResourceError } from '../../../core/resources/resource-error.ts';
import type { EndpointSlice, Service, ServiceSet } from '../../../core/service/service.ts';
import type { ReadObject } from './policy.ts';
import type { Pod } from './pod.ts';

/** What is kept of the cluster, at one moment. */
export interface Cluster {
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly namespaces: ReadonlyMap<string, ReadObject>;
  readonly policies: readonly ReadObject[];
  readonly nodes: readonly Node[];
  readonly apiServers: readonly string[];
  /** Absent: their addresses are resolved by somebody else. */
  readonly services?: ReadonlyMap<string, Service>;
  readonly slices?: ReadonlyMap<string, EndpointSlice>;
}

export interface Node {
  readonly name: string;
  /** Empty: it is in none. */
  readonly zone: string;
  readonly addresses: readonly string[];
}

/** Whether pods that say nothing are governed. */
export type Mesh = 'enabled' | 'disabled';

/** On a pod, or on its namespace. */
export const MESH_LABEL = 'perigee.dev/mesh';

/** A pod of this node that is to be governed and is not. */
export interface NotEnrolled {
  readonly pod: Pod;
  readonly why: string;
}

/** The cluster in the terms in which a folder of files speaks of its hosts. */
export interface Joined {
  readonly resources: readonly Resource[];
  readonly otherNodeAddresses: readonly string[];
  readonly apiServerAddresses: readonly string[];
  readonly services?: ServiceSet;
  readonly errors: readonly ResourceError[];
  readonly notEnrolled: readonly NotEnrolled[];
}

/** Joins one moment after the other: a pod that stays as it is stays the same resource. */
export class Join {
  readonly #node: string;
  readonly #mesh: Mesh;
  readonly #workloads = new WeakMap<Pod, { readonly path: string; readonly resource: Resource }>();

  constructor(node: string, mesh: Mesh) {
    this.#node = node;
    this.#mesh = mesh;
  }

  /** The pods of this node that have a network namespace of their own. */
  own({ pods }: Pick<Cluster, 'pods'>): Pod[] {
    return [...pods.values()].filter((pod) => pod.node === this.#node && !pod.hostNetwork);
  }

  /** Those of them that are to be governed. */
  governed(cluster: Pick<Cluster, 'pods' | 'namespaces'>): Pod[] {
    return this.own(cluster).filter((pod) => this.#isEnabled(pod, cluster.namespaces));
  }

  /** @param netnsOf path of a governed pod's network namespace */
  join(cluster: Cluster, netnsOf: (pod: Pod) => string | undefined): Joined {
    const governed = new Set(this.governed(cluster));
    const notEnrolled: NotEnrolled[] = [];
    const resources: Resource[] = [];
    for (const pod of cluster.pods.values()) {
      const path = governed.has(pod) ? netnsOf(pod) : undefined;
      if (governed.has(pod) && path === undefined)
        notEnrolled.push({ pod, why: 'no process of it has a network namespace of its own yet' });
      if (pod.node === this.#node && pod.hostNetwork && pod.labels[MESH_LABEL] === 'enabled')
        notEnrolled.push({ pod, why: 'it is in the network namespace of the node (hostNetwork)' });
      // The addresses of a pod in the node's namespace are the node's.
      if (!pod.hostNetwork) resources.push(this.#workload(pod, path));
    }
    const read = [...cluster.namespaces.values(), ...cluster.policies];
    for (const { resource } of read) if (resource !== undefined) resources.push(resource);
    return {
      resources,
      otherNodeAddresses: cluster.nodes.flatMap(({ addresses }) => addresses),
      apiServerAddresses: cluster.apiServers,
      errors: read.flatMap(({ errors }) => errors),
      notEnrolled,
      ...this.#services(cluster),
    };
  }

  #services({ services, slices, nodes }: Cluster): Pick<Joined, 'services'> {
    if (services === undefined || slices === undefined) return {};
    const zone = nodes.find(({ name }) => name === this.#node)?.zone ?? '';
    return {
      services: {
        services: [...services.values()],
        slices: [...slices.values()],
        place: { node: this.#node, zone },
      },
    };
  }

  /** The pod's own word counts before its namespace's, and that before the default. */
  #isEnabled(pod: Pod, namespaces: Cluster['namespaces']): boolean {
    const ofNamespace = namespaces.get(pod.namespace)?.resource?.metadata.labels?.[MESH_LABEL];
    return (pod.labels[MESH_LABEL] ?? ofNamespace ?? this.#mesh) === 'enabled';
  }

  #workload(pod: Pod, path = ''): Resource {
    const known = this.#workloads.get(pod);
    if (known?.path === path) return known.resource;
    const { namespace, name, labels, serviceAccount, addresses, ports, probes } = pod;
    const resource: Resource = {
      apiVersion: 'perigee.dev/v1alpha1',
      kind: 'Workload',
      metadata: { namespace, name, labels },
      spec: {
        ...(path === '' ? {} : { netns: path }),
        serviceAccount,
        addresses: [...addresses],
        ports: ports.map((port) => ({ ...port })),
        probes: [...probes],
      },
    };
    this.#workloads.set(pod, { path, resource });
    return resource;
  }
}
