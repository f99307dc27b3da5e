// SPDX-License-Identifier: Apache-2.0
import type { KubernetesWriter } from '../control/source/kubernetes/api.ts';

export interface TaskParts {
  readonly api: KubernetesWriter;
  /** Something that the task looks at has changed. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}

/** Something that one controller of a cluster does. */
export interface Task {
  /** Follows what it looks at, until the signal. */
  run(): Promise<unknown>;
  /** Brings the cluster to where it should be, for as long as it may. */
  settle(mayGoOn: () => boolean): Promise<void>;
}
