// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { ApiObject, KubernetesWriter } from '../control/source/kubernetes/api.ts';
import { RepeatFilter, warnRepeated } from './log.ts';

export interface EventWriterOptions {
  readonly api: Pick<KubernetesWriter, 'create'>;
  readonly node: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Of a clock that never steps, ms. */
  readonly now?: () => number;
}

/** Whom an Event is about. */
export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Absent: it is in none, and its Events are in `default`. */
  readonly namespace?: string;
  readonly name: string;
  readonly uid?: string;
}

/** Events at once, and how long one more takes, ms: a fault of the whole node must not become a load for the server. */
const BURST = 20;
const REFILL_MS = 10_000;

/** Writes Events of the cluster at a bounded rate. One that can't be written is a line of the log. */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #now: () => number;
  readonly #repeats = new RepeatFilter();
  #tokens = BURST;
  #filledAt: number;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#filledAt = this.#now();
  }

  /** Whether one more may be written; it must be, then. */
  take(): boolean {
    const more = Math.floor((this.#now() - this.#filledAt) / REFILL_MS);
    this.#tokens = Math.min(BURST, this.#tokens + more);
    this.#filledAt += more * REFILL_MS;
    if (this.#tokens === 0) return false;
    this.#tokens -= 1;
    return true;
  }

  async write(about: EventObject, reason: string, message: string): Promise<void> {
    const { api, node, log, signal } = this.#options;
    const { namespace = 'default', name, kind } = about;
    const at = new Date().toISOString();
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: `${name}.${randomBytes(8).toString('hex')}` },
      involvedObject: about,
      type: 'Warning',
      ...{ reason, message },
      source: { component: 'perigee-agent', host: node },
      ...{ firstTimestamp: at, lastTimestamp: at, count: 1 },
    } satisfies ApiObject & Record<string, unknown>;
    try {
      await api.create(`/api/v1/namespaces/${namespace}/events`, event, signal);
    } catch (error) {
      if (!signal.aborted)
        warnRepeated(
          log,
          this.#repeats,
          `${kind} ${namespace}/${name}`,
          'an Event could not be written',
          error,
        );
    }
  }
}
