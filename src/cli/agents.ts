// SPDX-License-Identifier: Apache-2.0
import type { Explanation } from '../api/ports.ts';
import type { WireFlowsResponse } from '../api/wire.ts';
import type { FlowQuery } from '../core/flow-filter.ts';
import type { Question } from '../core/policy/verdict.ts';
import type { CliContext } from './context.ts';
import type { NodeStatus } from './printers/status.ts';

/** Where the agents are. */
export interface ConnectionFlags {
  readonly socket: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly node?: string;
  readonly systemNamespace: string;
}

/** The agent of this node, or those of a cluster as if they were one. */
export interface Agents {
  /** For a heading. */
  name(): Promise<string>;
  status(): Promise<readonly NodeStatus[]>;
  explain(question: Question): Promise<Explanation>;
  flows(query: FlowQuery, signal: AbortSignal): AsyncGenerator<WireFlowsResponse, void, undefined>;
  /** Agents that went away while their flows were followed. */
  lost(): number;
  close(): void;
}

/** Whether this is `kubectl perigee`. */
export function isPlugin(): boolean {
  return process.env['PERIGEE_CLUSTER'] === '1';
}

/** Whether the flags, or the name under which the program was called, mean a cluster. */
export function meansCluster({ kubeconfig, context, node }: ConnectionFlags): boolean {
  return (kubeconfig ?? context ?? node) !== undefined || isPlugin();
}

export async function connectAgents(flags: ConnectionFlags, context: CliContext): Promise<Agents> {
  if (meansCluster(flags)) {
    const { connectCluster } = await import('./cluster/cluster-agents.ts');
    return await connectCluster(flags, context);
  }
  const { AgentClient } = await import('../api/client.ts');
  const client = await AgentClient.connect(flags.socket);
  return {
    name: async () => (await client.status()).node,
    status: async () => [await client.status()],
    explain: (question) => client.explain(question),
    flows: (query, signal) => client.flows(query, signal),
    lost: () => 0,
    close: () => client.close(),
  };
}
