// SPDX-License-Identifier: Apache-2.0
// Composition root of `perigee controller`: one of them at a time says in the status of each policy what became of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { ApiFailure, type KubernetesWriter } from '../control/source/kubernetes/api.ts';
import { connect } from '../control/source/kubernetes/client.ts';
import { type Judged, judge, missingStatus } from '../control/source/kubernetes/conditions.ts';
import { Lease } from '../control/source/kubernetes/lease.ts';
import { ListWatch } from '../control/source/kubernetes/list-watch.ts';

export interface ControllerOptions {
  /** Empty: the service account of the pod. */
  readonly kubeconfig: string;
  /** Of the lease. */
  readonly namespace: string;
  /** Unique among the controllers. */
  readonly identity: string;
  readonly logLevel: string;
}

const MANAGER = 'perigee-controller';
const OURS = '/apis/perigee.dev/v1alpha1';
/** After a failure the next attempt comes no sooner, ms. */
const RETRY_MS = 1000;

const collections = [
  { kind: 'AccessPolicy', plural: 'accesspolicies' },
  { kind: 'ClusterAccessPolicy', plural: 'clusteraccesspolicies' },
] as const;

/** Until the signal. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const log = pino({ name: 'perigee-controller', level: options.logLevel });
  const api = connect(options.kubeconfig === '' ? undefined : options.kubeconfig);
  const wake = new Wake();
  const watches = collections.map(
    ({ kind, plural }) =>
      new ListWatch<Judged>({
        api,
        path: `${OURS}/${plural}`,
        strip: (object) => judge(kind, object),
        onChange: () => wake.now(),
        signal,
      }),
  );
  const lease = new Lease({
    api,
    namespace: options.namespace,
    name: MANAGER,
    holder: options.identity,
    onChange: (isHeld) => {
      log.info({ holder: options.identity }, isHeld ? 'holds the lease' : 'does not hold the lease');
      wake.now();
    },
    onFailure: (error) => log.warn({ err: error }, 'the lease could not be read or renewed'),
    signal,
  });
  signal.addEventListener('abort', () => wake.now(), { once: true });
  const running = [...watches, lease].map((one) => one.run());
  while (!signal.aborted) {
    await wake.next();
    if (!lease.isHeld) continue;
    try {
      const policies = watches.flatMap(({ objects }) => [...objects.values()]);
      await writeAll(api, policies, lease, signal);
    } catch (error) {
      log.warn({ err: error }, 'a status could not be written and will be tried again');
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      wake.now();
    }
  }
  await Promise.all(running);
}

/** For as long as the lease is held. */
async function writeAll(
  api: KubernetesWriter,
  policies: readonly Judged[],
  lease: Pick<Lease, 'isHeld'>,
  signal: AbortSignal,
): Promise<void> {
  for (const judged of policies) {
    if (!lease.isHeld) return;
    await write(api, judged, signal);
  }
}

async function write(api: KubernetesWriter, judged: Judged, signal: AbortSignal): Promise<void> {
  const status = missingStatus(judged, new Date());
  if (status === undefined) return;
  const { kind, namespace, name } = judged;
  const { plural } = collections.find((one) => one.kind === kind) ?? collections[0];
  const place = namespace === undefined ? plural : `namespaces/${namespace}/${plural}`;
  try {
    await api.apply(`${OURS}/${place}/${name}/status`, MANAGER, status, signal);
  } catch (error) {
    // It was removed meanwhile.
    if (!(error instanceof ApiFailure && error.status === 404)) throw error;
  }
}

/** A call that is made while nobody waits is not lost, and many are one. */
class Wake {
  #next = Promise.withResolvers<undefined>();

  now(): void {
    this.#next.resolve(undefined);
  }

  async next(): Promise<void> {
    await this.#next.promise;
    this.#next = Promise.withResolvers<undefined>();
  }
}
