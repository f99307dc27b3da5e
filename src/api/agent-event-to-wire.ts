// SPDX-License-Identifier: Apache-2.0
import type { AgentEvent } from '../core/agent-event.ts';
import { toTimestamp } from './timestamp.ts';
import type { WireAgentEvent } from './wire.ts';

/** Hubble's clients know an endpoint by its pod. */
function endpointEvent(event: Extract<AgentEvent, { namespace: string }>): WireAgentEvent {
  const { type, namespace, name, identity, labels } = event;
  return {
    type: type === 'workload-added' ? 'ENDPOINT_CREATED' : 'ENDPOINT_DELETED',
    endpoint_update: {
      id: String(identity),
      labels: Object.entries(labels).map(([key, value]) => `${key}=${value}`),
      pod_name: name,
      namespace,
    },
  };
}

export function agentEventToWire(event: AgentEvent): WireAgentEvent {
  switch (event.type) {
    case 'started':
      return { type: 'AGENT_STARTED', agent_start: { time: toTimestamp(event.time) } };
    case 'policy-updated':
    case 'policy-deleted':
      return {
        type: event.type === 'policy-updated' ? 'POLICY_UPDATED' : 'POLICY_DELETED',
        policy_update: {
          labels: [event.policy],
          revision: String(event.revision),
          rule_count: String(event.rules),
        },
      };
    case 'workload-added':
    case 'workload-removed':
      return endpointEvent(event);
  }
}
