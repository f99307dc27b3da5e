// SPDX-License-Identifier: Apache-2.0
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { FlowEvent, FlowQuery, LossSource } from '../core/flow-filter.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { AgentEventQuery } from '../core/agent-event.ts';
import { agentEventToWire } from './agent-event-to-wire.ts';
import { fieldMask } from './field-mask.ts';
import { filtersFromWire } from './filter-from-wire.ts';
import { flowToWire } from './flow-to-wire.ts';
import type { ApiOptions } from './ports.ts';
import { toServiceError } from './status-codes.ts';
import { fromTimestamp, toTimestamp } from './timestamp.ts';
import { serveStream } from './stream.ts';
import type {
  WireAgentEventsResponse,
  WireEventsRequest,
  WireFlowsRequest,
  WireFlowsResponse,
} from './wire.ts';

/** More filters than this are refused: each is tried on each flow. */
const MAX_FILTERS = 64;

/** Hubble's names for where flows were lost. */
export const lossSources: Readonly<Record<LossSource, string>> = {
  flows: 'PERF_EVENT_RING_BUFFER',
  denials: 'PERF_EVENT_RING_BUFFER',
  proxy: 'OBSERVER_EVENTS_QUEUE',
  store: 'HUBBLE_RING_BUFFER',
};

/** Which part of what is stored: both streams ask for it alike. */
function rangeFromWire(request: WireEventsRequest): AgentEventQuery {
  const { since, until, first = false, follow = false } = request;
  if (first && follow) throw new PerigeeError('ERR_FILTER_INVALID', 'first and follow exclude each other');
  const number = Number(request.number ?? 0);
  const isBounded = since !== undefined || until !== undefined;
  // A follower that names no number wants what comes, one that names a time wants all from there.
  const limit = number > 0 ? number : follow && !isBounded ? 0 : undefined;
  return {
    end: first ? 'oldest' : 'newest',
    follow,
    ...(limit === undefined ? {} : { limit }),
    ...(since === undefined ? {} : { since: fromTimestamp(since) }),
    ...(until === undefined ? {} : { until: fromTimestamp(until) }),
  };
}

export function queryFromWire(request: WireFlowsRequest, node: string): FlowQuery {
  const { whitelist = [], blacklist = [] } = request;
  if (whitelist.length + blacklist.length > MAX_FILTERS) {
    throw new PerigeeError('ERR_FILTER_INVALID', `more than ${String(MAX_FILTERS)} filters`);
  }
  return {
    ...rangeFromWire(request),
    include: filtersFromWire(whitelist, 'whitelist', node),
    exclude: filtersFromWire(blacklist, 'blacklist', node),
  };
}

export function responseOf(event: FlowEvent, node: string): WireFlowsResponse {
  if (event.type === 'flow') {
    const flow = flowToWire(event.flow, event.uuid, node);
    return { flow, node_name: node, ...(flow.time === undefined ? {} : { time: flow.time }) };
  }
  const lost = { source: lossSources[event.source], num_events_lost: String(event.count) };
  return { lost_events: lost, node_name: node, time: toTimestamp(event.time) };
}

async function* flowsOf(
  { flows, node }: ApiOptions,
  request: WireFlowsRequest,
  signal: AbortSignal,
): AsyncGenerator<WireFlowsResponse, void, undefined> {
  const mask = fieldMask(request.field_mask?.paths);
  for await (const event of flows.query(queryFromWire(request, node), signal)) {
    const { flow, ...response } = responseOf(event, node);
    yield flow === undefined ? response : { ...response, flow: mask(flow) };
  }
}

async function* agentEventsOf(
  { events, node }: ApiOptions,
  request: WireEventsRequest,
  signal: AbortSignal,
): AsyncGenerator<WireAgentEventsResponse, void, undefined> {
  for await (const event of events.query(rangeFromWire(request), signal))
    yield { agent_event: agentEventToWire(event), node_name: node, time: toTimestamp(event.time) };
}

function unary<Answer>(answer: () => Answer) {
  return (_call: ServerUnaryCall<object, Answer>, callback: sendUnaryData<Answer>): void => {
    try {
      callback(null, answer());
    } catch (error) {
      callback(toServiceError(error));
    }
  };
}

/** Hubble's Observer over this node's flows. */
export function observerService(options: ApiOptions, closing: AbortSignal): UntypedServiceImplementation {
  const { node, version, flows, log } = options;
  const started = process.hrtime.bigint();
  const counts = () => {
    const { stored, capacity, seen } = flows.stats();
    const uptime = process.hrtime.bigint() - started;
    return { num_flows: stored, max_flows: capacity, seen_flows: seen, uptime_ns: uptime.toString() };
  };
  return {
    GetFlows: (call: ServerWritableStream<WireFlowsRequest, WireFlowsResponse>): void =>
      serveStream(call, (request, signal) => flowsOf(options, request, signal), { closing, log }),
    GetAgentEvents: (call: ServerWritableStream<WireEventsRequest, WireAgentEventsResponse>): void =>
      serveStream(call, (request, signal) => agentEventsOf(options, request, signal), { closing, log }),
    GetNodes: unary(() => ({ nodes: [{ name: node, version, state: 'NODE_CONNECTED', ...counts() }] })),
    GetNamespaces: unary(() => ({ namespaces: flows.namespaces().map((namespace) => ({ namespace })) })),
    ServerStatus: unary(() => ({
      ...counts(),
      num_connected_nodes: { value: 1 },
      num_unavailable_nodes: { value: 0 },
      version,
      flows_rate: flows.stats().rate,
    })),
  };
}
