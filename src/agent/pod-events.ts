// SPDX-License-Identifier: Apache-2.0
import type { NotEnrolled } from '../control/source/kubernetes/cluster.ts';
import { EventWriter, type EventWriterOptions } from './event-writer.ts';

/** How long a pod may lack what others have before it is worth a word, ms: a sandbox takes seconds on a busy node. */
const PATIENCE_MS = 15_000;
/** The same of the same pod, ms: the API server keeps events for an hour. */
const REPEAT_MS = 60 * 60_000;
interface Told {
  readonly since: number;
  /** When it was said last; undefined: not yet. */
  saidAt?: number;
}

/** Says in Events of the cluster which pods should be governed and are not. */
export class PodEvents {
  readonly #writer: EventWriter;
  readonly #now: () => number;
  #told = new Map<string, Told>();

  constructor(options: EventWriterOptions) {
    this.#writer = new EventWriter(options);
    this.#now = options.now ?? (() => performance.now());
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
      if (!isDue || !this.#writer.take()) continue;
      told.saidAt = now;
      const { namespace, name, uid } = problem.pod;
      const about = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
      void this.#writer.write(about, 'NotCaptured', `Perigee does not govern this pod: ${problem.why}`);
    }
    this.#told = next;
  }
}
