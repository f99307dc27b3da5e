// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { ApiObject, KubernetesWriter } from '../control/source/kubernetes/api.ts';
import type { NotEnrolled } from '../control/source/kubernetes/cluster.ts';
import { RepeatFilter, warnRepeated } from './log.ts';

export interface PodEventsOptions {
  readonly api: Pick<KubernetesWriter, 'create'>;
  readonly node: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly now?: () => number;
}

/** How long a pod may lack what others have before it is worth a word, ms: a sandbox takes seconds on a busy node. */
const PATIENCE_MS = 15_000;
/** The same of the same pod, ms: the API server keeps events for an hour. */
const REPEAT_MS = 60 * 60_000;
/** Events at once, and how long one more takes, ms: a fault of the whole node must not become a load for the server. */
const BURST = 20;
const REFILL_MS = 10_000;

interface Told {
  readonly since: number;
  /** When it was said last; undefined: not yet. */
  saidAt?: number;
}

/** Says in Events of the cluster which pods should be governed and are not. */
export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #now: () => number;
  readonly #repeats = new RepeatFilter();
  #told = new Map<string, Told>();
  #tokens = BURST;
  #filledAt: number;

  constructor(options: PodEventsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#filledAt = this.#now();
  }

  /** All that there are now; call it now and then. */
  report(problems: readonly NotEnrolled[]): void {
    const now = this.#now();
    const next = new Map<string, Told>();
    for (const problem of problems) {
      const key = `${problem.pod.uid} ${problem.why}`;
      const told = this.#told.get(key) ?? { since: now };
      next.set(key, told);
      const isDue =
        told.saidAt === undefined ? now - told.since >= PATIENCE_MS : now - told.saidAt >= REPEAT_MS;
      if (!isDue || !this.#take(now)) continue;
      told.saidAt = now;
      void this.#say(problem);
    }
    this.#told = next;
  }

  #take(now: number): boolean {
    const more = Math.floor((now - this.#filledAt) / REFILL_MS);
    this.#tokens = Math.min(BURST, this.#tokens + more);
    this.#filledAt += more * REFILL_MS;
    if (this.#tokens === 0) return false;
    this.#tokens -= 1;
    return true;
  }

  async #say({ pod: { namespace, name, uid }, why }: NotEnrolled): Promise<void> {
    const { api, node, log, signal } = this.#options;
    const at = new Date(this.#now()).toISOString();
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: `${name}.${randomBytes(8).toString('hex')}` },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
      type: 'Warning',
      reason: 'NotCaptured',
      message: `Perigee does not govern this pod: ${why}`,
      source: { component: 'perigee-agent', host: node },
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    } satisfies ApiObject & Record<string, unknown>;
    try {
      await api.create(`/api/v1/namespaces/${namespace}/events`, event, signal);
    } catch (error) {
      if (!signal.aborted)
        warnRepeated(log, this.#repeats, `Pod ${namespace}/${name}`, 'an Event could not be written', error);
    }
  }
}
