// SPDX-License-Identifier: Apache-2.0
import type { Flow, FlowEndpoint, FlowRule, FlowVerdict } from '../core/flow.ts';
import { dropReasonNumbers, dropReasonOf } from './drop-reasons.ts';
import { toTimestamp } from './timestamp.ts';
import {
  DETAIL_TYPE,
  type WireDetail,
  type WireEndpoint,
  type WireFlow,
  type WirePolicy,
  type WireRule,
} from './wire.ts';

export const verdictsToWire: Readonly<Record<FlowVerdict, string>> = {
  allowed: 'FORWARDED',
  denied: 'DROPPED',
  audited: 'AUDIT',
  error: 'ERROR',
};

/** Cilium's message types, which Hubble's clients show and filter by. */
export const eventTypes: Readonly<Record<Flow['kind'], number>> = { close: 4, verdict: 5, request: 129 };

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
      : { pod_name: workload, workloads: [{ name: workload, kind: 'Workload' }] }),
  };
}

function policies(rule: FlowRule | undefined): readonly WirePolicy[] {
  if (rule === undefined) return [];
  return [{ name: rule.policy, namespace: rule.namespace, kind: rule.kind, labels: [`rule=${rule.rule}`] }];
}

function detail(flow: Flow): WireDetail {
  const { source, destination, egressRule, ingressRule } = flow;
  return {
    '@type': DETAIL_TYPE,
    kind: flow.kind,
    reason: flow.reason,
    path: flow.path,
    duration_ns: String(flow.duration),
    bytes_sent: String(flow.bytesSent),
    bytes_received: String(flow.bytesReceived),
    rtt_us: flow.rtt,
    retransmits: flow.retransmits,
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
  };
}

/** A refused request has no response: Hubble shows those as requests. */
function layer7(flow: Flow): Pick<WireFlow, 'l7'> {
  if (flow.http === undefined) return {};
  const { method, path, host, status } = flow.http;
  const http = { code: status, method, url: `http://${host}${path}`, protocol: 'HTTP/1.1' };
  const type = flow.verdict === 'denied' ? 'REQUEST' : 'RESPONSE';
  return { l7: { type, latency_ns: String(flow.duration), http } };
}

function layer4({ protocol, kind, verdict, source, destination }: Flow): NonNullable<WireFlow['l4']> {
  const ports = { source_port: source.port, destination_port: destination.port };
  if (protocol === 'UDP') return { UDP: ports };
  const flags =
    kind === 'close' ? (verdict === 'denied' ? { RST: true } : { FIN: true, ACK: true }) : { SYN: true };
  return { TCP: kind === 'request' ? ports : { ...ports, flags } };
}

/** As Hubble's clients read it; what they have no field for goes to `extensions`. */
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
    l4: layer4(flow),
    source: endpoint(flow.source),
    destination: endpoint(flow.destination),
    Type: flow.kind === 'request' ? 'L7' : 'L3_L4',
    node_name: node,
    ...layer7(flow),
    event_type: { type: eventTypes[flow.kind] },
    traffic_direction: flow.direction.toUpperCase(),
    is_reply: { value: false },
    socket_cookie: flow.connection,
    ...(isEgressDenied ? { egress_denied_by: egress } : { egress_allowed_by: egress }),
    ...(isIngressDenied ? { ingress_denied_by: ingress } : { ingress_allowed_by: ingress }),
    extensions: detail(flow),
  };
}
