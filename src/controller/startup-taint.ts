// SPDX-License-Identifier: Apache-2.0
import { ApiFailure, type ApiObject } from '../control/source/kubernetes/api.ts';
import { ListWatch } from '../control/source/kubernetes/list-watch.ts';
import type { Task, TaskParts } from './task.ts';

/** Keeps pods away from a node whose agent is not ready; whoever makes nodes gives it to them. */
export const STARTUP_TAINT = 'perigee.dev/agent-not-ready';

interface Taint {
  readonly key: string;
}

interface Node {
  readonly name: string;
  readonly taints: readonly Taint[];
}

/** Of an agent. */
interface Agent {
  readonly node: string;
  readonly isReady: boolean;
}

/**
 * Takes the start-up taint off nodes whose agent is ready. The controller does it and not the agents: the right to change
 * nodes can't be given for one node alone.
 */
export class StartupTaint implements Task {
  readonly #parts: TaskParts;
  readonly #nodes: ListWatch<Node>;
  readonly #agents: ListWatch<Agent>;

  /** @param namespace where the agents are */
  constructor(parts: TaskParts, namespace: string) {
    this.#parts = parts;
    this.#nodes = new ListWatch({ ...parts, path: '/api/v1/nodes', strip: nodeOf });
    this.#agents = new ListWatch({
      ...parts,
      path: `/api/v1/namespaces/${namespace}/pods`,
      query: { labelSelector: 'app.kubernetes.io/name=perigee,app.kubernetes.io/component=agent' },
      strip: agentOf,
    });
  }

  run(): Promise<unknown> {
    return Promise.all([this.#nodes.run(), this.#agents.run()]);
  }

  async settle(mayGoOn: () => boolean): Promise<void> {
    const agents = [...this.#agents.objects.values()];
    const ready = new Set(agents.filter(({ isReady }) => isReady).map(({ node }) => node));
    for (const { name, taints } of this.#nodes.objects.values()) {
      if (!mayGoOn()) return;
      const index = taints.findIndex(({ key }) => key === STARTUP_TAINT);
      if (index !== -1 && ready.has(name)) await this.#remove(name, index, taints[index]);
    }
  }

  /** Only if it is still there: others may change the list at the same time. */
  async #remove(node: string, index: number, taint: unknown): Promise<void> {
    const { api, signal } = this.#parts;
    const path = `/spec/taints/${String(index)}`;
    const steps = [
      { op: 'test', path, value: taint },
      { op: 'remove', path },
    ];
    try {
      await api.patch(`/api/v1/nodes/${node}`, steps, signal);
    } catch (error) {
      // The test failed, or the node is gone: the watch will tell.
      if (!(error instanceof ApiFailure && (error.status === 422 || error.status === 404))) throw error;
    }
  }
}

function nodeOf({ metadata: { name }, spec }: ApiObject): Node {
  const { taints = [] } = (spec ?? {}) as { readonly taints?: readonly Taint[] };
  return { name, taints };
}

function agentOf({ metadata, spec, status }: ApiObject): Agent {
  const { nodeName = '' } = (spec ?? {}) as { readonly nodeName?: string };
  const { conditions = [] } = (status ?? {}) as {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
  const isReady = conditions.some((one) => one.type === 'Ready' && one.status === 'True');
  return { node: nodeName, isReady: isReady && metadata.deletionTimestamp === undefined };
}
