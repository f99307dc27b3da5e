// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { type Attributes, type SpanContext, SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_ERROR_TYPE,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_NETWORK_PEER_PORT,
  ATTR_URL_FULL,
} from '@opentelemetry/semantic-conventions';
import type { FlowEvent } from '../../core/flow-filter.ts';
import type { Flow } from '../../core/flow.ts';
import { grpcStatusNames, isGrpcError } from '../../core/http/grpc.ts';
import { urlText } from '../../core/http/url-text.ts';
import { randomDigits, traceRandomOf } from '../../core/trace-share.ts';
import { hrTime, httpAttributes, meshAttributes, methodOf, networkAttributes } from './attributes.ts';
import type { OtlpResources } from './resources.ts';

/** Of a trace's id. */
const TRACE_DIGITS = 32;

type Request = Flow & { readonly http: NonNullable<Flow['http']> };
type FlowOfStore = Extract<FlowEvent, { type: 'flow' }>;
type Side = 'client' | 'server';

interface Trace {
  readonly id: string;
  /** The span that sent the request; absent: the trace begins here. */
  readonly parent?: string;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Which workloads of this node a request tells of: a refused one never got to the server, unless it was refused there. */
function sidesOf({ flow: { verdict, direction }, here }: FlowOfStore): readonly Side[] {
  const reached = verdict !== 'denied' || direction === 'ingress';
  return [
    ...(here?.source === true ? (['client'] as const) : []),
    ...(here?.destination === true && reached ? (['server'] as const) : []),
  ];
}

/** What went wrong, as the conventions see it from a side; undefined: nothing. */
function errorOf({ verdict, reason, http }: Request, side: Side): string | undefined {
  if (verdict === 'denied' || verdict === 'error') return reason;
  const { grpcStatus } = http;
  if (grpcStatus !== undefined && isGrpcError(grpcStatus, side)) return grpcStatusNames[grpcStatus];
  return http.status >= (side === 'client' ? 400 : 500) ? String(http.status) : undefined;
}

/** Makes spans of requests after the fact. Numbers are hashes, so the same request gives the same spans. */
export class SpanMaker {
  readonly #resources: OtlpResources;
  readonly #scope: ReadableSpan['instrumentationScope'];
  readonly #node: string;

  constructor(resources: OtlpResources, scope: ReadableSpan['instrumentationScope'], node: string) {
    this.#resources = resources;
    this.#scope = scope;
    this.#node = node;
  }

  /** The client's span, then the server's as its child, of those of this node. Of a request that is to have them. */
  spansOf(event: FlowOfStore): readonly ReadableSpan[] {
    const { flow, uuid } = event;
    if (flow.http === undefined) return [];
    const request = { ...flow, http: flow.http };
    const sides = sidesOf(event);
    if (sides.length === 0) return [];
    const seed = `${this.#node}\n${uuid}`;
    let trace = this.#traceOf(flow, seed);
    const spans: ReadableSpan[] = [];
    if (trace === undefined) return spans;
    for (const side of sides) {
      const id = digest(`${seed}\n${side}`).slice(0, 16);
      spans.push(this.#span(request, side, trace, id));
      trace = { ...trace, parent: id };
    }
    return spans;
  }

  /** Of a request that came without a trace one of its own, whose last digits are what it was chosen by. */
  #traceOf({ trace, time, connection }: Flow, seed: string): Trace | undefined {
    if (trace !== undefined) return trace.sampled ? { id: trace.id, parent: trace.parent } : undefined;
    const random = randomDigits(traceRandomOf(time, BigInt(connection)));
    return { id: digest(seed).slice(0, TRACE_DIGITS - random.length) + random };
  }

  #span(request: Request, side: Side, trace: Trace, spanId: string): ReadableSpan {
    const { time, duration } = request;
    const context = (id: string, isRemote: boolean): SpanContext => ({
      traceId: trace.id,
      spanId: id,
      traceFlags: TraceFlags.SAMPLED,
      isRemote,
    });
    const end = side === 'client' ? request.source : request.destination;
    const error = errorOf(request, side);
    const isRemote = trace.parent === request.trace?.parent;
    return {
      name: methodOf(request.http.method),
      kind: side === 'client' ? SpanKind.CLIENT : SpanKind.SERVER,
      spanContext: () => context(spanId, false),
      ...(trace.parent === undefined ? {} : { parentSpanContext: context(trace.parent, isRemote) }),
      startTime: hrTime(time - BigInt(duration)),
      endTime: hrTime(time),
      duration: hrTime(BigInt(duration)),
      status: { code: error === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
      attributes: attributesOf(request, side, error),
      links: [],
      events: eventsOf(request),
      ended: true,
      resource: this.#resources.of(end),
      instrumentationScope: this.#scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

function attributesOf(request: Request, side: Side, error: string | undefined): Attributes {
  const { source, destination, http } = request;
  const peer = side === 'client' ? destination : source;
  const host = http.host === '' ? destination.address : http.host;
  return {
    ...httpAttributes(request),
    ...networkAttributes(request),
    ...meshAttributes(request),
    ...(error === undefined ? {} : { [ATTR_ERROR_TYPE]: error }),
    ...(side === 'client'
      ? { [ATTR_URL_FULL]: `http://${urlText(host)}${urlText(http.path)}` }
      : { [ATTR_CLIENT_ADDRESS]: source.address }),
    [ATTR_NETWORK_PEER_ADDRESS]: peer.address,
    [ATTR_NETWORK_PEER_PORT]: peer.port,
  };
}

/** Where the time went, if that is known. */
function eventsOf({ time, duration, timing }: Request): ReadableSpan['events'] {
  if (timing === undefined) return [];
  const start = time - BigInt(duration);
  const { request, server } = timing;
  return [
    { name: 'perigee.request.passed_on', time: hrTime(start + BigInt(request)) },
    { name: 'perigee.response.began', time: hrTime(start + BigInt(request + server)) },
  ];
}
