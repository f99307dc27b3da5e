// SPDX-License-Identifier: Apache-2.0

/** What changed in the agent of a node, beside the flows. */
export type AgentEvent = {
  /** Wall clock, ns since 1970. */
  readonly time: bigint;
} & (
  | { readonly type: 'started' }
  | {
      readonly type: 'policy-updated' | 'policy-deleted';
      /** `AccessPolicy shop/api`. */
      readonly policy: string;
      /** Of the configuration in which it came into force. */
      readonly revision: number;
      readonly rules: number;
    }
  | {
      readonly type: 'workload-added' | 'workload-removed';
      readonly namespace: string;
      readonly name: string;
      readonly identity: number;
      readonly labels: Readonly<Record<string, string>>;
    }
);

export interface AgentEventQuery {
  /** How many of the remembered ones at most; all when absent. */
  readonly limit?: number;
  readonly end: 'newest' | 'oldest';
  readonly since?: bigint;
  readonly until?: bigint;
  readonly follow: boolean;
}

export interface AgentEventSource {
  /** Ends when the remembered events do, or with `follow` when `signal` aborts. */
  query(query: AgentEventQuery, signal: AbortSignal): AsyncIterable<AgentEvent>;
}
