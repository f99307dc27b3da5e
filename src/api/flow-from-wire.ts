// SPDX-License-Identifier: Apache-2.0
import {
  type Flow,
  flowClosers,
  flowKinds,
  type FlowEndpoint,
  type FlowPath,
  type FlowRule,
  type FlowVerdict,
} from '../core/flow.ts';
import { type ReasonName, reasons } from '../core/reasons.ts';
import { fromTimestamp } from './timestamp.ts';
import { eventTypes } from './flow-to-wire.ts';
import type { WireDetail, WireEndpoint, WireFlow, WireRule } from './wire.ts';

export const verdictsFromWire: Readonly<Record<string, FlowVerdict>> = {
  FORWARDED: 'allowed',
  REDIRECTED: 'allowed',
  DROPPED: 'denied',
  AUDIT: 'audited',
  ERROR: 'error',
};

const paths: readonly FlowPath[] = ['direct', 'inline', 'proxied'];
const noDetail: WireDetail = {};

function labelsOf(labels: readonly string[]): Record<string, string> {
  const own = labels.filter((label) => !label.startsWith('reserved:'));
  return Object.fromEntries(
    own.map((label) => {
      const equals = label.indexOf('=');
      return equals === -1 ? [label, ''] : [label.slice(0, equals), label.slice(equals + 1)];
    }),
  );
}

interface Place {
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly serviceAccount: string | undefined;
  readonly entity: string | undefined;
  readonly dnsNames: readonly string[] | undefined;
}

function endpoint(wire: WireEndpoint, place: Place): FlowEndpoint {
  const { namespace, pod_name: workload, identity = 0 } = wire;
  const labels = labelsOf(wire.labels ?? []);
  const { address = '', port = 0, serviceAccount, entity, dnsNames = [] } = place;
  return {
    address,
    port,
    identity,
    ...(namespace === undefined ? {} : { namespace }),
    ...(workload === undefined ? {} : { workload }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(entity === undefined ? {} : { entity }),
    ...(dnsNames.length === 0 ? {} : { dnsNames }),
  };
}

function rule(wire: WireRule): FlowRule {
  return {
    kind: wire.kind ?? '',
    namespace: wire.namespace ?? '',
    policy: wire.policy ?? '',
    direction: wire.direction === 'egress' ? 'egress' : 'ingress',
    rule: wire.rule ?? '',
    ...(wire.file === undefined ? {} : { file: wire.file }),
    ...(wire.line === undefined ? {} : { line: wire.line }),
  };
}

function isReason(name: string): name is ReasonName {
  return Object.hasOwn(reasons, name);
}

function http({ l7 }: WireFlow, detail: WireDetail): Pick<Flow, 'http'> {
  if (l7?.http === undefined) return {};
  const { method = '', code = 0, url = '', protocol = '' } = l7.http;
  const { grpc_status: grpc } = detail;
  // Flows that Hubble saved have a URL alone.
  const [, host = '', path = ''] = /^[a-z]+:\/\/([^/]*)(.*)$/i.exec(url) ?? [];
  return {
    http: {
      method,
      path: detail.http_path ?? path,
      host: detail.host ?? host,
      status: code,
      ...(protocol === 'HTTP/2' ? { isHttp2: true } : {}),
      ...(grpc === undefined ? {} : { grpcStatus: grpc.code ?? 0 }),
    },
  };
}

function service({ destination_service: asked }: WireFlow, detail: WireDetail): Pick<Flow, 'service'> {
  if (asked === undefined) return {};
  const { name = '', namespace = '' } = asked;
  return { service: { name, namespace, port: detail.service_port ?? 0 } };
}

function timingAndTrace(
  wire: WireFlow,
  { timing, trace_parent: parent }: WireDetail,
): Pick<Flow, 'timing' | 'trace'> {
  const id = wire.trace_context?.parent?.trace_id;
  const trace = { parent: parent?.span_id ?? '', sampled: parent?.sampled ?? false };
  return {
    ...(timing === undefined
      ? {}
      : {
          timing: {
            request: Number(timing.request_ns ?? 0),
            server: Number(timing.server_ns ?? 0),
            response: Number(timing.response_ns ?? 0),
          },
        }),
    ...(id === undefined ? {} : { trace: { id, ...trace } }),
  };
}

function counters(
  detail: WireDetail,
): Pick<Flow, 'duration' | 'bytesSent' | 'bytesReceived' | 'rtt' | 'retransmits'> {
  return {
    duration: Number(detail.duration_ns ?? 0),
    bytesSent: Number(detail.bytes_sent ?? 0),
    bytesReceived: Number(detail.bytes_received ?? 0),
    rtt: detail.rtt_us ?? 0,
    retransmits: detail.retransmits ?? 0,
  };
}

function ends(wire: WireFlow, detail: WireDetail): Pick<Flow, 'protocol' | 'source' | 'destination'> {
  const ports = wire.l4?.TCP ?? wire.l4?.UDP ?? {};
  return {
    protocol: wire.l4?.UDP === undefined ? 'TCP' : 'UDP',
    source: endpoint(wire.source ?? {}, {
      address: wire.IP?.source,
      port: ports.source_port,
      serviceAccount: detail.source_service_account,
      entity: detail.source_entity,
      dnsNames: wire.source_names,
    }),
    destination: endpoint(wire.destination ?? {}, {
      address: wire.IP?.destination,
      port: ports.destination_port,
      serviceAccount: detail.destination_service_account,
      entity: detail.destination_entity,
      dnsNames: wire.destination_names,
    }),
  };
}

function kindOf({ event_type: { type } = {} }: WireFlow, { kind }: WireDetail): Flow['kind'] {
  return (
    flowKinds.find((known) => known === kind) ??
    flowKinds.find((known) => eventTypes[known] === type) ??
    'verdict'
  );
}

/** What flowToWire made, back again; of flows that Hubble saved, what they have. */
export function flowFromWire(wire: WireFlow): Flow {
  const detail = wire.perigee ?? noDetail;
  const reason = detail.reason ?? 'none';
  const closer = flowClosers.find((known) => known === detail.closer);
  return {
    time: fromTimestamp(wire.time ?? {}),
    kind: kindOf(wire, detail),
    verdict: verdictsFromWire[wire.verdict ?? ''] ?? 'error',
    reason: isReason(reason) ? reason : 'none',
    direction: wire.traffic_direction === 'EGRESS' ? 'egress' : 'ingress',
    path: paths.find((path) => path === detail.path) ?? 'direct',
    ...ends(wire, detail),
    ...(detail.boosted_kib === undefined ? {} : { boostedKib: detail.boosted_kib }),
    ...(closer === undefined ? {} : { closer }),
    ...(detail.egress_rule === undefined ? {} : { egressRule: rule(detail.egress_rule) }),
    ...(detail.ingress_rule === undefined ? {} : { ingressRule: rule(detail.ingress_rule) }),
    connection: wire.socket_cookie ?? '0',
    ...counters(detail),
    ...(detail.reference === undefined ? {} : { reference: detail.reference }),
    ...service(wire, detail),
    ...http(wire, detail),
    ...timingAndTrace(wire, detail),
  };
}
