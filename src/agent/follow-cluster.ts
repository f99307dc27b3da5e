// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { ResourceCondition } from '../api/ports.ts';
import { ClusterSource, type CollectionState } from '../control/source/kubernetes/source.ts';
import type { RestartReason } from '../control/source/kubernetes/list-watch.ts';
import type { Datapath } from '../datapath/datapath.ts';
import type { Native } from '../datapath/native.ts';
import type { Feed } from './feed.ts';
import { nodeName } from './host.ts';
import { PodEvents } from './pod-events.ts';
import { PodFollower } from './pod-follower.ts';
import type { Reconciler } from './reconciler.ts';
import type { Settings } from './settings.ts';

export interface FollowClusterOptions {
  readonly settings: Settings;
  readonly native: Native;
  readonly datapath: Datapath;
  readonly cgroupRoot: string;
  readonly reconciler: Reconciler;
  readonly feed: Feed;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

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
  const { kubeconfig, networkPolicy, services } = options.settings;
  // Loaded only where there is a cluster: the client's package takes 80 MiB and half a second.
  const { connect } = await import('../control/source/kubernetes/client.ts');
  const api = connect(kubeconfig === '' ? undefined : kubeconfig);
  options.log.info({ server: api.server, node: nodeName(options.settings) }, 'reading from the API server');
  const { log, signal } = options;
  const events = new PodEvents({ api, node: nodeName(options.settings), log, signal });
  const follower = new PodFollower(options, (problems) => events.report(problems));
  const source = new ClusterSource({
    api,
    networkPolicy: networkPolicy === 'on',
    services: services === 'enabled',
    onChange: (cluster) => follower.take(cluster),
    signal: options.signal,
  });
  options.feed.conditions = () => [...source.states().flatMap(conditionOf), ...follower.conditions()];
  options.feed.ages = () =>
    Object.fromEntries(source.states().map((state) => [state.path.split('/').at(-1) ?? '', ageOf(state)]));
  follower.start();
  void source.run();
}

function conditionOf({
  path,
  reason,
  problem,
  synced,
  staleSince,
  lack,
}: CollectionState): ResourceCondition[] {
  if (problem === undefined || reason === undefined) {
    const message = 'not read yet; what the kernel holds stays in force';
    return synced ? [] : [{ object: path, type: 'Synced', status: false, reason: 'Waiting', message }];
  }
  const age = Math.round(ageOf({ staleSince }));
  const stale = synced ? `; what was read until ${String(age)} s ago stays in force` : '';
  const lacking = lack === undefined ? '' : `; ${lack.text}`;
  return [
    {
      object: path,
      type: 'Synced',
      status: false,
      reason: reasons[reason],
      message: problem + stale + lacking,
    },
  ];
}

/** Seconds since it was heard of; 0: it is current. */
function ageOf({ staleSince }: { readonly staleSince?: number | undefined }): number {
  return staleSince === undefined ? 0 : (performance.now() - staleSince) / 1000;
}
