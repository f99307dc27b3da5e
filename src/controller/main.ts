// SPDX-License-Identifier: Apache-2.0
// Composition root of `perigee controller`: what one process of a cluster does, the one that holds the lease.
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { connect } from '../control/source/kubernetes/client.ts';
import { Lease } from '../control/source/kubernetes/lease.ts';
import { PolicyStatus } from './policy-status.ts';
import { StartupTaint } from './startup-taint.ts';

export interface ControllerOptions {
  /** Empty: the service account of the pod. */
  readonly kubeconfig: string;
  /** Of the lease and the agents. */
  readonly namespace: string;
  /** Unique among the controllers. */
  readonly identity: string;
  readonly logLevel: string;
}

/** After a failure the next attempt comes no sooner, ms. */
const RETRY_MS = 1000;

/** Until the signal. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { namespace, identity: holder } = options;
  const log = pino({ name: 'perigee-controller', level: options.logLevel });
  const api = connect(options.kubeconfig === '' ? undefined : options.kubeconfig);
  const wake = new Wake();
  const parts = { api, signal, onChange: () => wake.now() };
  const tasks = [new PolicyStatus(parts), new StartupTaint(parts, namespace)];
  const lease = new Lease({
    ...{ api, namespace, name: 'perigee-controller', holder, signal },
    onChange: (isHeld) => {
      log.info({ holder }, isHeld ? 'holds the lease' : 'does not hold the lease');
      wake.now();
    },
    onFailure: (error) => log.warn({ err: error }, 'the lease could not be read or renewed'),
  });
  signal.addEventListener('abort', () => wake.now(), { once: true });
  const running = [...tasks, lease].map((one) => one.run());
  while (!signal.aborted) {
    await wake.next();
    for (const task of tasks) {
      try {
        await task.settle(() => lease.isHeld);
      } catch (error) {
        log.warn({ err: error }, 'the cluster could not be written to; tried again');
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
        wake.now();
      }
    }
  }
  await Promise.all(running);
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
