// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { ResourceCondition } from '../api/ports.ts';
import { type Cluster, Join, type Joined, type NotEnrolled } from '../control/source/kubernetes/cluster.ts';
import { formatResourceError, type ResourceError } from '../core/resources/resource-error.ts';
import type { Datapath } from '../datapath/datapath.ts';
import type { Native } from '../datapath/native.ts';
import { findPodsCgroup, PodCgroups } from '../datapath/pod-cgroups.ts';
import { type PodNamespace, PodNamespaces } from '../datapath/pod-namespaces.ts';
import { countKinds, type Feed } from './feed.ts';
import { nodeName } from './host.ts';
import { RepeatFilter, warnRepeated } from './log.ts';
import type { Reconciler } from './reconciler.ts';
import type { Settings } from './settings.ts';

export interface PodFollowerOptions {
  readonly settings: Settings;
  readonly native: Native;
  readonly datapath: Pick<Datapath, 'pending'>;
  readonly cgroupRoot: string;
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
/** How often, and for how long, a process is looked for in the folder of a new container, ms. */
const ARRIVAL_MS = { each: 4, until: 2000 };

/** Leads the pods of this node to the reconciler, each as soon as it has a network namespace. */
export class PodFollower {
  readonly #options: PodFollowerOptions;
  readonly #onProblems: (problems: readonly NotEnrolled[]) => void;
  readonly #join: Join;
  readonly #namespaces: PodNamespaces;
  readonly #repeats = new RepeatFilter();
  /** Id of the folder that all pods are below; 0: there is none. */
  #podsCgroup = 0n;
  #cgroups: PodCgroups | undefined;
  #cluster: Cluster | undefined;
  #joined: Joined | undefined;
  /** Where the pods were when they were last joined, as text. */
  #places = '';
  #wait = LOOK_MS.first;
  #timer: NodeJS.Timeout | undefined;
  #arrival: NodeJS.Timeout | undefined;
  #arrivalUntil = 0;
  /** Number of the last state that was handed over. */
  #turn = 0;

  /** @param onProblems now and then: the pods that should be governed and are not */
  constructor(options: PodFollowerOptions, onProblems: (problems: readonly NotEnrolled[]) => void) {
    this.#options = options;
    this.#onProblems = onProblems;
    this.#join = new Join(nodeName(options.settings), options.settings.mesh);
    this.#namespaces = new PodNamespaces(options.native);
  }

  start(): void {
    const { signal } = this.#options;
    const end = (): void => {
      clearTimeout(this.#timer);
      clearTimeout(this.#arrival);
      this.#cgroups?.close();
      this.#namespaces.close();
    };
    signal.addEventListener('abort', end, { once: true });
    this.#later(REST_MS);
  }

  take(cluster: Cluster): void {
    this.#cluster = cluster;
    this.#wait = LOOK_MS.first;
    this.#apply(cluster, this.#namespaces.find(this.#uids(cluster)));
    this.#later(this.#wait);
  }

  conditions(): ResourceCondition[] {
    const type = 'Enrolled';
    const pods = (this.#joined?.notEnrolled ?? []).map(({ pod: { namespace, name }, why }) => ({
      ...{ object: `Pod ${namespace}/${name}`, type, status: false },
      ...{ reason: 'NotCaptured', message: why },
    }));
    if (this.#cgroups !== undefined || this.#joined === undefined) return pods;
    const message = `no folder kubepods in ${this.#options.cgroupRoot}: new pods are found later, and can't be told from other processes before that; \`pending\` has no effect`;
    return [...pods, { object: 'node', type: 'Pending', status: false, reason: 'NoPodsCgroup', message }];
  }

  #uids(cluster: Cluster): ReadonlySet<string> {
    return new Set(this.#join.own(cluster).map(({ uid }) => uid));
  }

  #apply(cluster: Cluster, places: ReadonlyMap<string, PodNamespace>): void {
    const { reconciler, feed, datapath } = this.#options;
    const joined = this.#join.join(cluster, ({ uid }) => places.get(uid)?.path);
    this.#joined = joined;
    this.#places = textOf(places);
    feed.errors = joined.errors;
    const { services: resolved } = joined;
    feed.counts = () => ({
      ...countKinds(joined.resources.values()),
      ...(resolved === undefined ? {} : { Service: resolved.services.size }),
    });
    feed.notEnrolled = joined.notEnrolled.length;
    this.#say(joined.errors);
    const governed = new Set(this.#join.governed(cluster).map(({ uid }) => uid));
    const others = [...places].filter(([uid]) => !governed.has(uid));
    const exempt = new Set(others.map(([, { cookie }]) => cookie));
    // A pod that leaves must not be between both; one that comes is a workload first of all.
    datapath.pending.exempt(exempt, true);
    const turn = ++this.#turn;
    const { resources, otherNodeAddresses, apiServerAddresses } = joined;
    const services = resolved === undefined ? {} : { services: resolved };
    void reconciler.take(resources, { otherNodeAddresses, apiServerAddresses, ...services }).then(() => {
      if (turn === this.#turn && reconciler.failure === undefined) this.#settled(exempt);
    });
  }

  /** Whoever runs is known now; from now on it can be told who is not. */
  #settled(exempt: ReadonlySet<bigint>): void {
    const { datapath, native, cgroupRoot, settings, log, signal } = this.#options;
    if (signal.aborted) return;
    try {
      datapath.pending.exempt(exempt, false);
      const folder = findPodsCgroup(cgroupRoot);
      const id = folder === undefined ? 0n : native.cgroup.id(folder);
      // A kubelet that was told of another driver makes another folder.
      if (id === this.#podsCgroup) return;
      this.#podsCgroup = id;
      this.#cgroups?.close();
      this.#cgroups = undefined;
      if (folder === undefined) {
        datapath.pending.stop();
        return;
      }
      datapath.pending.judge(id, settings.pending);
      this.#cgroups = new PodCgroups(folder, (uid, place) => this.#arrived(uid, place));
      log.info({ folder, pending: settings.pending }, 'new pods are announced by their cgroups');
    } catch (error) {
      warnRepeated(log, this.#repeats, 'pods', 'could not tell the kernel of pods to come', error);
    }
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

  /** The first container of a pod is about to get its process. */
  #arrived(uid: string, folder: string): void {
    this.#namespaces.tell(uid, folder);
    this.#arrivalUntil = performance.now() + ARRIVAL_MS.until;
    this.#arrival ??= setTimeout(() => this.#lookForArrivals(), ARRIVAL_MS.each);
  }

  #lookForArrivals(): void {
    this.#arrival = undefined;
    const cluster = this.#cluster;
    if (cluster === undefined) return;
    const { found, waiting } = this.#namespaces.findTold(this.#uids(cluster));
    if (found > 0) this.#apply(cluster, this.#namespaces.places);
    if (waiting > 0 && performance.now() < this.#arrivalUntil)
      this.#arrival = setTimeout(() => this.#lookForArrivals(), ARRIVAL_MS.each);
  }

  /** Whether pods have come to where they are looked for, or are gone from there. */
  #look(): void {
    const cluster = this.#cluster;
    if (cluster === undefined) {
      this.#later(REST_MS);
      return;
    }
    const started = performance.now();
    const places = this.#namespaces.find(this.#uids(cluster));
    const took = performance.now() - started;
    if (textOf(places) !== this.#places) this.#apply(cluster, places);
    const problems = this.#joined?.notEnrolled ?? [];
    this.#onProblems(problems);
    if (problems.length === 0) {
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

function textOf(places: ReadonlyMap<string, PodNamespace>): string {
  return [...places]
    .map(([uid, { path }]) => `${uid}=${path}`)
    .sort()
    .join(' ');
}
