// SPDX-License-Identifier: Apache-2.0
import type { EndpointSlice, Service } from '../../../core/service/service.ts';
import type { ApiObject, KubernetesApi, Query } from './api.ts';
import type { Cluster, Node } from './cluster.ts';
import { type Lack, lackOf, type Need } from './lack.ts';
import { ListWatch, type RestartReason, type WatchState } from './list-watch.ts';
import { type Pod, podOf } from './pod.ts';
import { type ReadObject, readObject } from './policy.ts';
import { serviceOf, sliceOf } from './service.ts';

export interface ClusterSourceOptions {
  readonly api: KubernetesApi;
  /** Without it NetworkPolicies are not read: somebody else enforces them. */
  readonly networkPolicy: boolean;
  /** Without it Services are not read: somebody else resolves their addresses. */
  readonly services: boolean;
  /** Something has changed, some milliseconds ago. Not before all of the cluster was seen once. */
  readonly onChange: (cluster: Cluster) => void;
  readonly signal: AbortSignal;
  readonly random?: () => number;
  readonly resyncMs?: number;
}

/** One collection and how its watch is doing. */
export interface CollectionState extends WatchState {
  readonly path: string;
  /** There if it was never read because the server refuses. */
  readonly lack?: Lack;
  readonly restarts: Readonly<Record<RestartReason, number>>;
}

/** `disabled` on a Service: its addresses are left to others. */
const SERVICES_LABEL = 'perigee.dev/services';

interface ServiceWatches {
  readonly services: ListWatch<Service>;
  readonly slices: ListWatch<EndpointSlice>;
}

type Strip<T> = (object: ApiObject) => T | undefined;

/** Between two reports, ms: a rollout changes many objects at once. A change that comes alone is reported at once. */
const BETWEEN_MS = 20;

interface Collection {
  readonly watch: ListWatch<unknown>;
  readonly need: Need;
}

const OURS = '/apis/perigee.dev/v1alpha1';
/** The Service that stands for the API server, and where it leads. */
const SERVICE = '/api/v1/namespaces/default/services';
const ENDPOINTS = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';

/** What of the cluster a node must know, kept current until the signal. */
export class ClusterSource {
  readonly #options: ClusterSourceOptions;
  readonly #collections = new Map<string, Collection>();
  readonly #pods: ListWatch<Pod>;
  readonly #namespaces: ListWatch<ReadObject>;
  readonly #nodes: ListWatch<Node>;
  readonly #services: ServiceWatches | undefined;
  readonly #policies: readonly ListWatch<ReadObject>[];
  readonly #apiServers: readonly ListWatch<readonly string[]>[];
  #timer: NodeJS.Timeout | undefined;
  /** By `performance.now()`. */
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ClusterSourceOptions) {
    this.#options = options;
    const running = { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' };
    this.#pods = this.#collection('/api/v1/pods', podOf, running);
    this.#namespaces = this.#collection('/api/v1/namespaces', (object) => readObject('Namespace', object));
    this.#nodes = this.#collection('/api/v1/nodes', nodeOf, {}, 'nodes');
    const networkPolicies = '/apis/networking.k8s.io/v1/networkpolicies';
    this.#policies = [
      this.#collection(`${OURS}/accesspolicies`, (object) => readObject('AccessPolicy', object)),
      this.#collection(`${OURS}/clusteraccesspolicies`, (object) =>
        readObject('ClusterAccessPolicy', object),
      ),
      ...(options.networkPolicy
        ? [this.#collection(networkPolicies, (object) => readObject('NetworkPolicy', object))]
        : []),
    ];
    this.#services = options.services ? this.#watchServices() : undefined;
    this.#apiServers = [
      this.#collection(
        SERVICE,
        clusterAddresses,
        { fieldSelector: 'metadata.name=kubernetes' },
        'api-server',
      ),
      this.#collection(
        ENDPOINTS,
        endpointAddresses,
        { labelSelector: 'kubernetes.io/service-name=kubernetes' },
        'api-server',
      ),
    ];
  }

  /** But those that another proxy than the node's serves; a headless one has no address to be resolved. */
  #watchServices(): ServiceWatches {
    const services = {
      labelSelector: `!service.kubernetes.io/service-proxy-name,${SERVICES_LABEL}!=disabled`,
    };
    const slices = { labelSelector: 'kubernetes.io/service-name,!service.kubernetes.io/headless' };
    return {
      services: this.#collection('/api/v1/services', serviceOf, services, 'resolution'),
      slices: this.#collection('/apis/discovery.k8s.io/v1/endpointslices', sliceOf, slices, 'resolution'),
    };
  }

  /** Until the signal. */
  async run(): Promise<void> {
    await Promise.all([...this.#collections.values()].map(({ watch }) => watch.run()));
    clearTimeout(this.#timer);
  }

  states(): CollectionState[] {
    return [...this.#collections].map(([path, collection]) => {
      const lack = this.#lackOf(collection);
      const { state, restarts } = collection.watch;
      return { path, ...state, restarts, ...(lack === undefined ? {} : { lack }) };
    });
  }

  /** Undefined: it was read, or is about to be. */
  #lackOf({ watch: { state }, need }: Collection): Lack | undefined {
    if (state.synced || state.reason !== 'forbidden') return undefined;
    return lackOf(
      need,
      this.#policies.map(({ objects }) => objects),
    );
  }

  #collection<T>(path: string, strip: Strip<T>, query: Query = {}, need: Need = 'everything'): ListWatch<T> {
    const { api, signal, random, resyncMs } = this.#options;
    const watch = new ListWatch({
      ...{ api, path, query, strip, signal },
      onChange: () => this.#changed(),
      ...(random === undefined ? {} : { random }),
      ...(resyncMs === undefined ? {} : { resyncMs }),
    });
    this.#collections.set(path, { watch, need });
    return watch;
  }

  #changed(): void {
    if (this.#timer !== undefined || this.#options.signal.aborted) return;
    const wait = Math.max(this.#reportedAt + BETWEEN_MS - performance.now(), 0);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#reportedAt = performance.now();
      this.#report();
    }, wait);
  }

  /** A cluster that is known by halves would take rights away, or policy. */
  #report(): void {
    if (this.#options.signal.aborted) return;
    const isKnown = ([path, collection]: readonly [string, Collection]): boolean => {
      const { synced, reason } = collection.watch.state;
      // Without our definitions there is none of our policies.
      if (synced || (path.startsWith(OURS) && reason === 'not-served')) return true;
      return this.#lackOf(collection)?.isWaitedFor === false;
    };
    if (![...this.#collections].every(isKnown)) return;
    const resolution = this.#services;
    const areServicesKnown = resolution?.services.state.synced === true && resolution.slices.state.synced;
    this.#options.onChange({
      pods: this.#pods.objects,
      namespaces: this.#namespaces.objects,
      policies: this.#policies.map(({ objects }) => objects),
      nodes: [...this.#nodes.objects.values()],
      ...(areServicesKnown
        ? { services: resolution.services.objects, slices: resolution.slices.objects }
        : {}),
      apiServers: this.#apiServers.flatMap(({ objects }) => [...objects.values()].flat()),
    });
  }
}

function nodeOf({ metadata, status }: ApiObject): Node {
  const { addresses = [] } = (status ?? {}) as {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  };
  return {
    name: metadata.name,
    zone: metadata.labels?.['topology.kubernetes.io/zone'] ?? '',
    addresses: addresses.filter(({ type }) => type.endsWith('IP')).map(({ address }) => address),
  };
}

function clusterAddresses({ spec }: ApiObject): readonly string[] {
  const { clusterIPs = [] } = (spec ?? {}) as { readonly clusterIPs?: readonly string[] };
  return clusterIPs;
}

function endpointAddresses(object: ApiObject): readonly string[] {
  const { endpoints } = object as {
    readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
  };
  return (endpoints ?? []).flatMap(({ addresses }) => addresses);
}
