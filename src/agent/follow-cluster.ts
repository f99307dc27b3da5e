// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { ResourceCondition } from '../api/ports.ts';
import { ClusterSource, type CollectionState } from '../control/source/kubernetes/source.ts';
import type { RestartReason } from '../control/source/kubernetes/list-watch.ts';
import type { Datapath } from '../datapath/datapath.ts';
import type { Native } from '../datapath/native.ts';
import type { Names } from '../control/compile/names.ts';
import type { FlowStore } from '../observability/flow-store.ts';
import { DenialMeter } from '../observability/denial-meter.ts';
import { DenialEvents } from './denial-events.ts';
import type { Feed } from './feed.ts';
import { nodeName } from './host.ts';
import { flowNames } from './names-view.ts';
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
  readonly flows: Pick<FlowStore, 'onRecord'>;
  readonly names: Names;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How often Events are made of what was refused, ms. */
const DENIALS_MS = 15_000;

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
  tellDenials(options, api);
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

/** Sums up what is refused, for people. */
function tellDenials(
  { settings, flows, names, log, signal }: FollowClusterOptions,
  api: ConstructorParameters<typeof DenialEvents>[0]['api'],
): void {
  const meter = new DenialMeter();
  flows.onRecord(meter.observe);
  const shown = { names: flowNames(names), ruleOf: (id: number) => names.ruleOf(id) };
  const events = new DenialEvents({ api, node: nodeName(settings), log, signal, meter, ...shown });
  const timer = setInterval(() => void events.report(), DENIALS_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
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
