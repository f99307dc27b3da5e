// SPDX-License-Identifier: Apache-2.0
import type {
  EndpointFilter,
  FlowFilter,
  FlowQuery,
  NamePattern,
  PathPattern,
  StatusRange,
} from '../core/flow-filter.ts';
import { invalid, regex } from './filter-fields.ts';
import { eventTypes, verdictsToWire } from './flow-to-wire.ts';
import { toTimestamp } from './timestamp.ts';
import type { WireFilter, WireFlowsRequest, WireSelection } from './wire.ts';

function nameText({ namespace, name = '' }: NamePattern): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** A range that Hubble can write: the digits that both ends share, as in 404, 40+ or 4+. */
function statusText({ from, to }: StatusRange): string {
  if (from === to) return String(from);
  const [first, last] = [String(from), String(to)];
  const shared = first.slice(0, 2) === last.slice(0, 2) ? 2 : 1;
  return `${first.slice(0, shared)}+`;
}

function endpoint(filter: EndpointFilter | undefined, side: 'source' | 'destination'): WireFilter {
  if (filter === undefined) return {};
  const { names = [], pods = [], addresses = [], ports = [], identities = [], labels = [] } = filter;
  const { dnsNames = [] } = filter;
  const selectors = labels.map((requirements) =>
    requirements
      .map(({ key, operator, values }) => {
        if (operator === 'Exists') return key;
        if (operator === 'DoesNotExist') return `!${key}`;
        return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
      })
      .join(','),
  );
  return {
    [`${side}_workload`]: names.map((pattern) => ({ name: nameText(pattern) })),
    // Without a namespace Hubble reads `default`.
    [`${side}_pod`]: pods.map(({ namespace = '', name = '' }) => `${namespace}/${name}`),
    [`${side}_fqdn`]: dnsNames,
    [`${side}_ip`]: addresses,
    [`${side}_port`]: ports.map(String),
    [`${side}_identity`]: identities,
    [`${side}_label`]: selectors,
  };
}

function selection(filter: FlowFilter): WireSelection {
  const { httpPaths = [], policies = [] } = filter;
  const values = (type: PathPattern['type']): readonly string[] =>
    httpPaths.filter((pattern) => pattern.type === type).map(({ value }) => value);
  return {
    reference: filter.references ?? [],
    reason: filter.reasons ?? [],
    path: filter.paths ?? [],
    kind: filter.kinds ?? [],
    http_path_exact: values('Exact'),
    http_path_prefix: values('PathPrefix'),
    policy: policies.map(nameText),
    source_entity: filter.source?.entities ?? [],
    destination_entity: filter.destination?.entities ?? [],
  };
}

/**
 * The filter as Hubble's message, with what that has no field for in our own. Throws ERR_FILTER_INVALID where it can't be
 * said: the agent would be asked for more.
 */
export function filterToWire(filter: FlowFilter): WireFilter {
  if (filter.sampledShare !== undefined)
    throw invalid("flows can't be asked for by whether they are sampled", 'Filter what comes');
  const patterns = (filter.httpPaths ?? []).filter(({ type }) => type === 'RegularExpression');
  return {
    ...endpoint(filter.source, 'source'),
    ...endpoint(filter.destination, 'destination'),
    // Several kinds of ours are one event type; `perigee.kind` tells them apart.
    event_type: [...new Set((filter.kinds ?? []).map((kind) => eventTypes[kind]))].map((type) => ({ type })),
    verdict: (filter.verdicts ?? []).map((verdict) => verdictsToWire[verdict]),
    traffic_direction: (filter.directions ?? []).map((direction) => direction.toUpperCase()),
    protocol: (filter.protocols ?? []).map((protocol) => protocol.toLowerCase()),
    ip_version: (filter.families ?? []).map((family) => (family === 6 ? 'IPv6' : 'IPv4')),
    http_method: filter.methods ?? [],
    // Between anchors something else may be one: `a)|(?:b`.
    http_path: patterns.map(({ value }) => `^(?:${regex(value)})$`),
    http_status_code: (filter.statuses ?? []).map(statusText),
    // Without a namespace Hubble reads `default`.
    destination_service: (filter.services ?? []).map(
      ({ namespace = '', name = '' }) => `${namespace}/${name}`,
    ),
    http_url: filter.urls ?? [],
    http_header: (filter.hosts ?? []).map((value) => ({ key: 'Host', value })),
    tcp_flags: (filter.tcpFlags ?? []).map((flags) => Object.fromEntries(flags.map((flag) => [flag, true]))),
    uuid: filter.uuids ?? [],
    trace_id: filter.traces ?? [],
    perigee: selection(filter),
  };
}

export function queryToWire(query: FlowQuery): WireFlowsRequest {
  const { limit, end, until, follow, include, exclude } = query;
  // A follower without a number gets new flows only, unless it names a time.
  const since = query.since ?? (follow && limit === undefined ? 0n : undefined);
  return {
    number: String(limit ?? 0),
    first: end === 'oldest',
    follow,
    whitelist: include.map(filterToWire),
    blacklist: exclude.map(filterToWire),
    ...(since === undefined ? {} : { since: toTimestamp(since) }),
    ...(until === undefined ? {} : { until: toTimestamp(until) }),
  };
}
