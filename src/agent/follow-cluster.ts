// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { ResourceCondition } from '../api/ports.ts';
import { type Cluster, Join, type Joined } from '../control/source/kubernetes/cluster.ts';
import { ClusterSource, type CollectionState } from '../control/source/kubernetes/source.ts';
import type { RestartReason } from '../control/source/kubernetes/list-watch.ts';
import { formatResourceError, type ResourceError } from '../core/resources/resource-error.ts';
import type { Native } from '../datapath/native.ts';
import { PodNamespaces } from '../datapath/pod-namespaces.ts';
import { countKinds, type Feed } from './feed.ts';
import { nodeName } from './host.ts';
import { RepeatFilter, warnRepeated } from './log.ts';
import type { Reconciler } from './reconciler.ts';
import type { Settings } from './settings.ts';

export interface FollowClusterOptions {
  readonly settings: Settings;
  readonly native: Native;
  readonly reconciler: Reconciler;
  readonly feed: Feed;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How often it is looked for namespaces that pods lack: at first, and at last, ms. */
const LOOK_MS = { first: 50, last: 1000 };
/** Looking for them takes at most this part of the time. */
const SHARE = 0.1;
/** How often it is looked whether pods are where they were, ms. */
const REST_MS = 500;

const reasons: Readonly<Record<RestartReason, string>> = {
  ended: 'Ended',
  expired: 'Expired',
  failed: 'Unreachable',
  forbidden: 'Forbidden',
  'not-served': 'NotServed',
  resync: 'Resync',
};

/** Keeps the reconciler fed with the state of a cluster, as far as it concerns this node. */
export async function followCluster(options: FollowClusterOptions): Promise<void> {
  const { kubeconfig, networkPolicy } = options.settings;
  // Loaded only where there is a cluster: the client's package takes 80 MiB and half a second.
  const { connect } = await import('../control/source/kubernetes/client.ts');
  const api = connect(kubeconfig === '' ? undefined : kubeconfig);
  options.log.info({ server: api.server, node: nodeName(options.settings) }, 'reading from the API server');
  const follower = new Follower(options);
  const source = new ClusterSource({
    api,
    networkPolicy: networkPolicy === 'on',
    onChange: (cluster) => follower.take(cluster),
    signal: options.signal,
  });
  options.feed.conditions = () => [...source.states().flatMap(conditionOf), ...follower.conditions()];
  follower.start();
  void source.run();
}

class Follower {
  readonly #options: FollowClusterOptions;
  readonly #join: Join;
  readonly #namespaces: PodNamespaces;
  readonly #repeats = new RepeatFilter();
  #cluster: Cluster | undefined;
  #joined: Joined | undefined;
  /** Where the pods were when they were last joined, as text. */
  #places = '';
  #wait = LOOK_MS.first;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FollowClusterOptions) {
    this.#options = options;
    this.#join = new Join(nodeName(options.settings), options.settings.mesh);
    this.#namespaces = new PodNamespaces(options.native);
  }

  start(): void {
    const { signal } = this.#options;
    const end = (): void => {
      clearTimeout(this.#timer);
      this.#namespaces.close();
    };
    signal.addEventListener('abort', end, { once: true });
    this.#later(REST_MS);
  }

  take(cluster: Cluster): void {
    this.#cluster = cluster;
    this.#wait = LOOK_MS.first;
    this.#apply(cluster, this.#find(cluster));
    this.#later(this.#wait);
  }

  conditions(): ResourceCondition[] {
    return (this.#joined?.notEnrolled ?? []).map(({ pod: { namespace, name }, why }) => ({
      object: `Pod ${namespace}/${name}`,
      type: 'Enrolled',
      status: false,
      reason: 'NotCaptured',
      message: why,
    }));
  }

  #find(cluster: Cluster): ReadonlyMap<string, string> {
    return this.#namespaces.find(new Set(this.#join.governed(cluster).map(({ uid }) => uid)));
  }

  #apply(cluster: Cluster, paths: ReadonlyMap<string, string>): void {
    const { reconciler, feed } = this.#options;
    const joined = this.#join.join(cluster, ({ uid }) => paths.get(uid));
    this.#joined = joined;
    this.#places = textOf(paths);
    feed.errors = joined.errors;
    feed.counts = countKinds(joined.resources);
    feed.notEnrolled = joined.notEnrolled.length;
    this.#say(joined.errors);
    const { resources, otherNodeAddresses, apiServerAddresses } = joined;
    void reconciler.take(resources, { otherNodeAddresses, apiServerAddresses });
  }

  #say(errors: readonly ResourceError[]): void {
    for (const error of errors)
      warnRepeated(
        this.#options.log,
        this.#repeats,
        formatResourceError(error),
        'a resource is read in part only',
      );
  }

  /** Whether pods have come to where they are looked for, or are gone from there. */
  #look(): void {
    const cluster = this.#cluster;
    if (cluster === undefined) {
      this.#later(REST_MS);
      return;
    }
    const started = performance.now();
    const paths = this.#find(cluster);
    const took = performance.now() - started;
    if (textOf(paths) !== this.#places) this.#apply(cluster, paths);
    if (this.#joined?.notEnrolled.length === 0) {
      this.#later(REST_MS);
      return;
    }
    this.#wait = Math.min(this.#wait * 1.1, LOOK_MS.last);
    this.#later(Math.max(this.#wait, took / SHARE));
  }

  #later(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#options.signal.aborted) return;
    this.#timer = setTimeout(() => this.#look(), ms);
  }
}

function textOf(paths: ReadonlyMap<string, string>): string {
  return [...paths]
    .map(([uid, path]) => `${uid}=${path}`)
    .sort()
    .join(' ');
}

function conditionOf({ path, reason, problem, synced, staleSince }: CollectionState): ResourceCondition[] {
  if (problem === undefined || reason === undefined) {
    const message = 'not read yet; what the kernel holds stays in force';
    return synced ? [] : [{ object: path, type: 'Synced', status: false, reason: 'Waiting', message }];
  }
  const age = staleSince === undefined ? 0 : Math.round((Date.now() - staleSince) / 1000);
  const stale = synced ? `; what was read until ${String(age)} s ago stays in force` : '';
  return [
    { object: path, type: 'Synced', status: false, reason: reasons[reason], message: `${problem}${stale}` },
  ];
}
