// SPDX-License-Identifier: Apache-2.0
import { ApiFailure } from '../control/source/kubernetes/api.ts';
import { type Judged, judge, missingStatus } from '../control/source/kubernetes/conditions.ts';
import { ListWatch } from '../control/source/kubernetes/list-watch.ts';
import type { Task, TaskParts } from './task.ts';

const MANAGER = 'perigee-controller';
const OURS = '/apis/perigee.dev/v1alpha1';
const plurals = { AccessPolicy: 'accesspolicies', ClusterAccessPolicy: 'clusteraccesspolicies' } as const;

/** Says in the status of each policy what became of it. */
export class PolicyStatus implements Task {
  readonly #parts: TaskParts;
  readonly #watches: readonly ListWatch<Judged>[];

  constructor(parts: TaskParts) {
    this.#parts = parts;
    this.#watches = (['AccessPolicy', 'ClusterAccessPolicy'] as const).map(
      (kind) =>
        new ListWatch({ ...parts, path: `${OURS}/${plurals[kind]}`, strip: (object) => judge(kind, object) }),
    );
  }

  run(): Promise<unknown> {
    return Promise.all(this.#watches.map((watch) => watch.run()));
  }

  async settle(mayGoOn: () => boolean): Promise<void> {
    for (const judged of this.#watches.flatMap(({ objects }) => [...objects.values()])) {
      if (!mayGoOn()) return;
      await this.#write(judged);
    }
  }

  async #write(judged: Judged): Promise<void> {
    const status = missingStatus(judged, new Date());
    if (status === undefined) return;
    const { kind, namespace, name } = judged;
    const place = namespace === undefined ? plurals[kind] : `namespaces/${namespace}/${plurals[kind]}`;
    const { api, signal } = this.#parts;
    try {
      await api.apply(`${OURS}/${place}/${name}/status`, MANAGER, status, signal);
    } catch (error) {
      // It was removed meanwhile.
      if (!(error instanceof ApiFailure && error.status === 404)) throw error;
    }
  }
}
