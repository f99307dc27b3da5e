// SPDX-License-Identifier: Apache-2.0
import { type Flow, type FlowEndpoint, type FlowRule, type FlowVerdict, tcpFlagsOf } from '../core/flow.ts';
import { urlText } from '../core/http/url-text.ts';
import { dropReasonNumbers, dropReasonOf } from './drop-reasons.ts';
import { toTimestamp } from './timestamp.ts';
import type { WireDetail, WireEndpoint, WireFlow, WirePolicy, WireRule } from './wire.ts';

export const verdictsToWire: Readonly<Record<FlowVerdict, string>> = {
  allowed: 'FORWARDED',
  denied: 'DROPPED',
  audited: 'AUDIT',
  error: 'ERROR',
};

/** The verdict that Hubble calls so; undefined: no flow has that. */
export function verdictOfWire(name: string): FlowVerdict | undefined {
  return (Object.keys(verdictsToWire) as FlowVerdict[]).find((own) => verdictsToWire[own] === name);
}

/** What owns a pod in Hubble's terms; ours are of one kind. */
export const WORKLOAD_KIND = 'Workload';

/** Cilium's policy match types: peer and port, and none. */
const RULE_DECIDED = 2;
const NO_RULE = 0;

/** Cilium's message types, which Hubble's clients show and filter by. */
export const eventTypes: Readonly<Record<Flow['kind'], number>> = {
  close: 4,
  verdict: 5,
  request: 129,
  opaque: 4,
  open: 4,
};

function endpoint(end: FlowEndpoint): WireEndpoint {
  const labels = Object.entries(end.labels ?? {}).map(([key, value]) =>
    value === '' ? key : `${key}=${value}`,
  );
  if (end.workload === undefined && end.entity !== undefined)
    labels.push(`reserved:${end.entity.toLowerCase()}`);
  const { namespace, workload } = end;
  return {
    identity: end.identity,
    labels,
    ...(namespace === undefined ? {} : { namespace }),
    ...(workload === undefined
      ? {}
      : { pod_name: workload, workloads: [{ name: workload, kind: WORKLOAD_KIND }] }),
  };
}

function policies(rule: FlowRule | undefined): readonly WirePolicy[] {
  if (rule === undefined) return [];
  return [{ name: rule.policy, namespace: rule.namespace, kind: rule.kind, labels: [`rule=${rule.rule}`] }];
}

function timing({ timing: parts }: Flow): Pick<WireDetail, 'timing'> {
  if (parts === undefined) return {};
  const { request, server, response } = parts;
  return {
    timing: {
      request_ns: String(request),
      server_ns: String(server),
      response_ns: String(response),
    },
  };
}

function detail(flow: Flow): WireDetail {
  const { source, destination, egressRule, ingressRule } = flow;
  return {
    kind: flow.kind,
    reason: flow.reason,
    path: flow.path,
    duration_ns: String(flow.duration),
    bytes_sent: String(flow.bytesSent),
    bytes_received: String(flow.bytesReceived),
    rtt_us: flow.rtt,
    retransmits: flow.retransmits,
    ...(flow.boostedKib === undefined ? {} : { boosted_kib: flow.boostedKib }),
    ...(flow.closer === undefined ? {} : { closer: flow.closer }),
    ...(flow.reference === undefined ? {} : { reference: flow.reference }),
    ...(egressRule === undefined ? {} : { egress_rule: egressRule satisfies WireRule }),
    ...(ingressRule === undefined ? {} : { ingress_rule: ingressRule satisfies WireRule }),
    ...(source.serviceAccount === undefined ? {} : { source_service_account: source.serviceAccount }),
    ...(destination.serviceAccount === undefined
      ? {}
      : { destination_service_account: destination.serviceAccount }),
    ...(source.entity === undefined ? {} : { source_entity: source.entity }),
    ...(destination.entity === undefined ? {} : { destination_entity: destination.entity }),
    ...(flow.http === undefined ? {} : { host: flow.http.host, http_path: flow.http.path }),
    ...(flow.http?.grpcStatus === undefined ? {} : { grpc_status: { code: flow.http.grpcStatus } }),
    ...(flow.service === undefined ? {} : { service_port: flow.service.port }),
    ...timing(flow),
    ...(flow.trace === undefined
      ? {}
      : { trace_parent: { span_id: flow.trace.parent, sampled: flow.trace.sampled } }),
  };
}

/** A refused request has no response: Hubble shows those as requests. */
function layer7({ http, verdict, duration }: Flow): Pick<WireFlow, 'l7' | 'Summary'> {
  if (http === undefined) return {};
  const [method, host] = [urlText(http.method), urlText(http.host)];
  const url = `http://${host}${urlText(http.path)}`;
  const protocol = http.isHttp2 === true ? 'HTTP/2' : 'HTTP/1.1';
  const headers = host === '' ? {} : { headers: [{ key: 'Host', value: host }] };
  const wire = { code: http.status, method, url, protocol, ...headers };
  const isRequest = verdict === 'denied';
  const response = `${String(http.status)} ${String(Math.floor(duration / 1e6))}ms (${method} ${url})`;
  return {
    l7: { type: isRequest ? 'REQUEST' : 'RESPONSE', latency_ns: String(duration), http: wire },
    Summary: `${protocol} ${isRequest ? `${method} ${url}` : response}`,
  };
}

function layer4(flow: Flow): Pick<WireFlow, 'l4' | 'Summary'> {
  const ports = { source_port: flow.source.port, destination_port: flow.destination.port };
  if (flow.protocol === 'UDP') return { l4: { UDP: ports }, Summary: 'UDP' };
  const flags = tcpFlagsOf(flow);
  if (flags.length === 0) return { l4: { TCP: ports } };
  return {
    l4: { TCP: { ...ports, flags: Object.fromEntries(flags.map((flag) => [flag, true])) } },
    Summary: `TCP Flags: ${flags.join(', ')}`,
  };
}

/** As Hubble's clients read it; what they have no field for goes to `perigee`, which they pass over. */
export function flowToWire(flow: Flow, uuid: string, node: string): WireFlow {
  const isDenied = flow.verdict === 'denied';
  const reason = dropReasonOf(flow.reason);
  const egress = policies(flow.egressRule);
  const ingress = policies(flow.ingressRule);
  const isEgressDenied = isDenied && flow.direction === 'egress';
  const isIngressDenied = isDenied && flow.direction === 'ingress';
  return {
    time: toTimestamp(flow.time),
    uuid,
    verdict: verdictsToWire[flow.verdict],
    ...(isDenied ? { drop_reason: dropReasonNumbers[reason], drop_reason_desc: reason } : {}),
    IP: {
      source: flow.source.address,
      destination: flow.destination.address,
      ipVersion: flow.destination.address.includes(':') ? 'IPv6' : 'IPv4',
    },
    ...layer4(flow),
    source: endpoint(flow.source),
    destination: endpoint(flow.destination),
    Type: flow.kind === 'request' ? 'L7' : 'L3_L4',
    node_name: node,
    ...(flow.source.dnsNames === undefined ? {} : { source_names: flow.source.dnsNames }),
    ...(flow.destination.dnsNames === undefined ? {} : { destination_names: flow.destination.dnsNames }),
    ...layer7(flow),
    event_type: { type: eventTypes[flow.kind] },
    ...(flow.service === undefined
      ? {}
      : { destination_service: { name: flow.service.name, namespace: flow.service.namespace } }),
    traffic_direction: flow.direction.toUpperCase(),
    is_reply: { value: false },
    ...(flow.trace === undefined ? {} : { trace_context: { parent: { trace_id: flow.trace.id } } }),
    socket_cookie: flow.connection,
    ...(flow.kind === 'open' ? { trace_reason: 'ESTABLISHED' } : {}),
    ...(isEgressDenied ? { egress_denied_by: egress } : { egress_allowed_by: egress }),
    ...(isIngressDenied ? { ingress_denied_by: ingress } : { ingress_allowed_by: ingress }),
    policy_match_type: egress.length + ingress.length > 0 ? RULE_DECIDED : NO_RULE,
    perigee: detail(flow),
  };
}
