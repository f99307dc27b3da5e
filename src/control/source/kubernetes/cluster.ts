// SPDX-License-Identifier: Apache-2.0
import { PersistentMap } from '../../../lib/persistent-map.ts';
import { type Resource, resourceKey } from '../../../core/resources/kinds.ts';
import type { ResourceError } from '../../../core/resources/resource-error.ts';
import type { EndpointSlice, Service, ServiceSet } from '../../../core/service/service.ts';
import type { ReadObject } from './policy.ts';
import type { Pod } from './pod.ts';

/** What is kept of the cluster, at one moment. */
export interface Cluster {
  /** By `namespace/name`. */
  readonly pods: PersistentMap<Pod>;
  readonly namespaces: PersistentMap<ReadObject>;
  /** By kind. */
  readonly policies: readonly PersistentMap<ReadObject>[];
  readonly nodes: readonly Node[];
  readonly apiServers: readonly string[];
  /** Absent: their addresses are resolved by somebody else. */
  readonly services?: PersistentMap<Service>;
  readonly slices?: PersistentMap<EndpointSlice>;
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
  /** By `resourceKey`. */
  readonly resources: PersistentMap<Resource>;
  readonly otherNodeAddresses: readonly string[];
  readonly apiServerAddresses: readonly string[];
  readonly services?: ServiceSet;
  readonly errors: readonly ResourceError[];
  readonly notEnrolled: readonly NotEnrolled[];
}

type Enrolling = Pick<Cluster, 'pods' | 'namespaces'>;

/** Joins one moment after the other, each from what tells it from the one before. */
export class Join {
  readonly #node: string;
  readonly #mesh: Mesh;
  readonly #workloads = new WeakMap<Pod, { readonly path: string; readonly resource: Resource }>();
  #pods = PersistentMap.empty<Pod>();
  /** Of this node, by `namespace/name`. */
  readonly #here = new Map<string, Pod>();
  #resources = PersistentMap.empty<Resource>();
  /** Namespaces, and policies by kind. */
  #read: readonly PersistentMap<ReadObject>[] = [];
  /** Of each of these, by its name. */
  readonly #errors: Map<string, readonly ResourceError[]>[] = [];

  constructor(node: string, mesh: Mesh) {
    this.#node = node;
    this.#mesh = mesh;
  }

  /** The pods of this node that have a network namespace of their own. */
  own({ pods }: Pick<Cluster, 'pods'>): Pod[] {
    this.#takePods(pods);
    return [...this.#here.values()].filter(({ hostNetwork }) => !hostNetwork);
  }

  /** Those of them that are to be governed. */
  governed({ pods, namespaces }: Enrolling): Pod[] {
    return this.own({ pods }).filter((pod) => this.#isEnabled(pod, namespaces));
  }

  /** @param netnsOf path of a governed pod's network namespace */
  join(cluster: Cluster, netnsOf: (pod: Pod) => string | undefined): Joined {
    const governed = new Set(this.governed(cluster));
    const notEnrolled: NotEnrolled[] = [];
    const enrolled: Resource[] = [];
    for (const pod of this.#here.values()) {
      const path = governed.has(pod) ? netnsOf(pod) : undefined;
      if (governed.has(pod) && path === undefined)
        notEnrolled.push({ pod, why: 'no process of it has a network namespace of its own yet' });
      if (pod.hostNetwork && pod.labels[MESH_LABEL] === 'enabled')
        notEnrolled.push({ pod, why: 'it is in the network namespace of the node (hostNetwork)' });
      if (!pod.hostNetwork) enrolled.push(this.#workload(pod, path));
    }
    const read = [cluster.namespaces, ...cluster.policies].flatMap((objects, at) =>
      this.#takeRead(objects, at),
    );
    this.#read = [cluster.namespaces, ...cluster.policies];
    this.#resources = this.#resources.with([
      ...read,
      ...enrolled.map((resource) => [resourceKey(resource), resource] as const),
    ]);
    return {
      resources: this.#resources,
      otherNodeAddresses: cluster.nodes.flatMap(({ addresses }) => addresses),
      apiServerAddresses: cluster.apiServers,
      errors: this.#errors.flatMap((errors) => [...errors.values()].flat()),
      notEnrolled,
      ...this.#services(cluster),
    };
  }

  #takePods(pods: Cluster['pods']): void {
    const changes = pods.changesSince(this.#pods);
    this.#pods = pods;
    for (const { key, is } of changes) {
      if (is?.node === this.#node) this.#here.set(key, is);
      else this.#here.delete(key);
    }
    // The addresses of a pod in the node's namespace are the node's.
    this.#resources = this.#resources.with(
      changes.map(({ key, is }) => [
        `Workload ${key}`,
        is === undefined || is.hostNetwork ? undefined : this.#workload(is),
      ]),
    );
  }

  /** @returns what became of those that changed, by `resourceKey` */
  #takeRead(objects: PersistentMap<ReadObject>, at: number): [string, Resource | undefined][] {
    const errors = (this.#errors[at] ??= new Map<string, readonly ResourceError[]>());
    return objects.changesSince(this.#read[at] ?? PersistentMap.empty()).flatMap(({ key, was, is }) => {
      errors.delete(key);
      if (is !== undefined && is.errors.length > 0) errors.set(key, is.errors);
      const gone = was?.resource === undefined ? [] : [[resourceKey(was.resource), undefined] as const];
      const come = is?.resource === undefined ? [] : [[resourceKey(is.resource), is.resource] as const];
      return [...gone, ...come].map(([name, resource]): [string, Resource | undefined] => [name, resource]);
    });
  }

  #services({ services, slices, nodes }: Cluster): Pick<Joined, 'services'> {
    if (services === undefined || slices === undefined) return {};
    const zone = nodes.find(({ name }) => name === this.#node)?.zone ?? '';
    return {
      services: {
        services,
        slices,
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
