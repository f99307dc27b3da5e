// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { FlowEvent, FlowQuery, LossSource } from '../core/flow-filter.ts';
import { PerigeeError } from '../lib/errors.ts';
import { filterFromWire } from './filter-from-wire.ts';
import { flowToWire } from './flow-to-wire.ts';
import type { ApiOptions } from './ports.ts';
import { toServiceError } from './status-codes.ts';
import { fromTimestamp, toTimestamp } from './timestamp.ts';
import type { WireFlowsRequest, WireFlowsResponse } from './wire.ts';

/** More filters than this are refused: each is tried on each flow. */
const MAX_FILTERS = 64;

/** Hubble's names for where flows were lost. */
export const lossSources: Readonly<Record<LossSource, string>> = {
  flows: 'PERF_EVENT_RING_BUFFER',
  denials: 'PERF_EVENT_RING_BUFFER',
  proxy: 'OBSERVER_EVENTS_QUEUE',
  store: 'HUBBLE_RING_BUFFER',
};

export function queryFromWire(request: WireFlowsRequest): FlowQuery {
  const { whitelist = [], blacklist = [], since, until, first = false, follow = false } = request;
  if (whitelist.length + blacklist.length > MAX_FILTERS) {
    throw new PerigeeError('ERR_FILTER_INVALID', `more than ${String(MAX_FILTERS)} filters`);
  }
  if (first && follow) throw new PerigeeError('ERR_FILTER_INVALID', 'first and follow exclude each other');
  const number = Number(request.number ?? 0);
  const isBounded = since !== undefined || until !== undefined;
  // A follower that names no number wants what comes, one that names a time wants all from there.
  const limit = number > 0 ? number : follow && !isBounded ? 0 : undefined;
  return {
    include: whitelist.map(filterFromWire),
    exclude: blacklist.map(filterFromWire),
    end: first ? 'oldest' : 'newest',
    follow,
    ...(limit === undefined ? {} : { limit }),
    ...(since === undefined ? {} : { since: fromTimestamp(since) }),
    ...(until === undefined ? {} : { until: fromTimestamp(until) }),
  };
}

function response(event: FlowEvent, node: string): WireFlowsResponse {
  if (event.type === 'flow') {
    const flow = flowToWire(event.flow, event.uuid, node);
    return { flow, node_name: node, ...(flow.time === undefined ? {} : { time: flow.time }) };
  }
  const lost = { source: lossSources[event.source], num_events_lost: String(event.count) };
  return { lost_events: lost, node_name: node, time: toTimestamp(event.time) };
}

type FlowsCall = ServerWritableStream<WireFlowsRequest, WireFlowsResponse>;

async function streamFlows(call: FlowsCall, options: ApiOptions, closing: AbortSignal): Promise<void> {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  call.on('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, closing]);
  const query = queryFromWire(call.request);
  try {
    for await (const event of options.flows.query(query, signal)) {
      // A slow client holds up its own walk only; what it misses it is told by the store.
      if (!call.write(response(event, options.node))) await once(call, 'drain', { signal });
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  call.end();
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
    GetFlows: (call: FlowsCall): void => {
      streamFlows(call, options, closing).catch((error: unknown) => {
        if (!(error instanceof PerigeeError)) log.warn({ err: error }, 'flow query failed');
        call.emit('error', toServiceError(error));
      });
    },
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
