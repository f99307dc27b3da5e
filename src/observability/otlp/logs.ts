// SPDX-License-Identifier: Apache-2.0
import { type Attributes, SeverityNumber, type SpanContext, TraceFlags } from '@opentelemetry/api';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { Flow, FlowEndpoint, FlowVerdict } from '../../core/flow.ts';
import { urlText } from '../../core/http/url-text.ts';
import { hrTime, httpAttributes, meshAttributes, networkAttributes } from './attributes.ts';
import type { OtlpResources } from './resources.ts';

const severities: Readonly<Record<FlowVerdict, readonly [SeverityNumber, string]>> = {
  allowed: [SeverityNumber.INFO, 'INFO'],
  audited: [SeverityNumber.WARN, 'WARN'],
  denied: [SeverityNumber.WARN, 'WARN'],
  error: [SeverityNumber.ERROR, 'ERROR'],
};

function endAttributes(side: 'source' | 'destination', end: FlowEndpoint): Attributes {
  const { address, port, namespace, workload, serviceAccount, entity } = end;
  const ours = `perigee.${side}`;
  return {
    [`${side}.address`]: address,
    [`${side}.port`]: port,
    ...(namespace === undefined ? {} : { [`${ours}.namespace`]: namespace }),
    ...(workload === undefined ? {} : { [`${ours}.workload`]: workload }),
    ...(serviceAccount === undefined ? {} : { [`${ours}.service_account`]: serviceAccount }),
    ...(entity === undefined ? {} : { [`${ours}.entity`]: entity }),
  };
}

function nameOf({ namespace, workload, entity, address }: FlowEndpoint): string {
  return workload === undefined ? (entity ?? address) : `${namespace ?? ''}/${workload}`;
}

/** One line for people. */
function bodyOf({ verdict, kind, source, destination, http, reason }: Flow): string {
  const what = http === undefined ? kind : `${urlText(http.method)} ${urlText(http.path)}`;
  const why = reason === 'none' ? '' : ` (${reason})`;
  return `${verdict} ${what} ${nameOf(source)} to ${nameOf(destination)}:${String(destination.port)}${why}`;
}

/** The trace that a request belongs to: the span is the one that sent it. */
function contextOf({ trace }: Flow): { readonly spanContext?: SpanContext } {
  if (trace === undefined) return {};
  const { id, parent, sampled } = trace;
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return { spanContext: { traceId: id, spanId: parent, traceFlags, isRemote: true } };
}

function figures(flow: Flow): Attributes {
  const { kind } = flow;
  if (kind !== 'close' && kind !== 'open' && kind !== 'request') return {};
  return {
    'perigee.duration_ns': flow.duration,
    'perigee.bytes_sent': flow.bytesSent,
    'perigee.bytes_received': flow.bytesReceived,
    ...(kind !== 'request' ? { 'perigee.rtt_us': flow.rtt, 'perigee.retransmits': flow.retransmits } : {}),
    ...(flow.closer === undefined ? {} : { 'perigee.closer': flow.closer }),
  };
}

/** A flow as a log record. `now`: ns since 1970. */
export function logOf(
  flow: Flow,
  uuid: string,
  now: bigint,
  {
    resources,
    scope,
  }: { readonly resources: OtlpResources; readonly scope: ReadableLogRecord['instrumentationScope'] },
): ReadableLogRecord {
  const [severityNumber, severityText] = severities[flow.verdict];
  return {
    hrTime: hrTime(flow.time),
    hrTimeObserved: hrTime(now),
    ...contextOf(flow),
    ...{ severityNumber, severityText },
    body: bodyOf(flow),
    eventName: `perigee.flow.${flow.kind}`,
    resource: resources.agent,
    instrumentationScope: scope,
    attributes: {
      'log.record.uid': uuid,
      ...endAttributes('source', flow.source),
      ...endAttributes('destination', flow.destination),
      ...networkAttributes(flow),
      ...httpAttributes(flow),
      ...meshAttributes(flow),
      'perigee.direction': flow.direction,
      'perigee.connection': flow.connection,
      ...figures(flow),
    },
    droppedAttributesCount: 0,
  };
}
