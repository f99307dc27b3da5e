// SPDX-License-Identifier: Apache-2.0
// The one place that loads OpenTelemetry's packages: imported when something is to be exported.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { FlowFilter, FlowQuery, FlowSource } from '../../core/flow-filter.ts';
import { PerigeeError } from '../../lib/errors.ts';
import type { Families } from '../metrics/families.ts';
import { hrTime } from './attributes.ts';
import { Collector, type CollectorOptions, type Signal } from './collector.ts';
import { Delivery, type OtlpCounts, type OtlpLog } from './delivery.ts';
import { Follower } from './follower.ts';
import { logOf } from './logs.ts';
import { metricsOf } from './metrics.ts';
import { type OtlpNode, OtlpResources } from './resources.ts';
import { SpanMaker } from './spans.ts';

export interface OtlpOptions extends Omit<CollectorOptions, 'userAgent'> {
  readonly node: OtlpNode;
  readonly flows: FlowSource;
  /** What a scrape would show. */
  readonly families: () => Promise<Families>;
  /** Between two sets of metrics, ms; undefined: none are sent. */
  readonly metricsMs: number | undefined;
  /** denied: what was refused, what policy in Audit mode would refuse, and what failed. */
  readonly logs: 'off' | 'denied' | 'all';
  /** Share of the requests without trace context that get a trace, 0 to 1; undefined: no spans are sent. */
  readonly traceRatio: number | undefined;
  /** Spans, and log records, at most. */
  readonly perSecond: number;
  readonly log: OtlpLog;
  /** Wall clock, ns since 1970. */
  readonly now: () => bigint;
}

/** What is sent to a collector, as long as it runs. */
export interface OtlpExport {
  counts(): Readonly<Partial<Record<Signal, OtlpCounts>>>;
  /** By signal why the last attempt brought nothing; empty: all is well. */
  problems(): Readonly<Partial<Record<Signal, string>>>;
  /** Settles when the last of it was sent, after the signal. */
  readonly ended: Promise<void>;
}

function follow(filter: FlowFilter): FlowQuery {
  const include = Object.keys(filter).length === 0 ? [] : [filter];
  return { include, exclude: [], end: 'newest', limit: 0, follow: true };
}

function encoded(message: Uint8Array | undefined): Uint8Array {
  if (message !== undefined) return message;
  throw new PerigeeError('ERR_OTLP_ENCODING', 'a message to the OpenTelemetry collector came out empty');
}

/** Parts of one export. */
class Exporter {
  readonly #options: OtlpOptions;
  readonly #collector: Collector;
  readonly #resources: OtlpResources;
  readonly #scope: { readonly name: string; readonly version: string };
  readonly #deliveries = new Map<Signal, Pick<Delivery<unknown>, 'counts' | 'problem'>>();

  constructor(options: OtlpOptions) {
    const { node } = options;
    this.#options = options;
    this.#collector = new Collector({ ...options, userAgent: `perigee/${node.version}` });
    this.#resources = new OtlpResources(node);
    this.#scope = { name: 'perigee', version: node.version };
  }

  start(signal: AbortSignal): OtlpExport {
    const { metricsMs, logs, traceRatio } = this.#options;
    const running = [
      ...(metricsMs === undefined ? [] : [this.#metrics(metricsMs, signal)]),
      ...(logs === 'off' ? [] : [this.#logs(logs, signal)]),
      ...(traceRatio === undefined ? [] : [this.#traces(traceRatio, signal)]),
    ];
    const deliveries = [...this.#deliveries];
    return {
      counts: () => Object.fromEntries(deliveries.map(([name, { counts }]) => [name, counts])),
      problems: () =>
        Object.fromEntries(
          deliveries.flatMap(([name, { problem }]) => (problem === undefined ? [] : [[name, problem]])),
        ),
      ended: Promise.all(running.map((one) => this.#guarded(one))).then(() => this.#collector.close()),
    };
  }

  /** Whatever goes wrong here is no reason for the agent to end. */
  async #guarded(running: Promise<void>): Promise<void> {
    try {
      await running;
    } catch (error) {
      this.#options.log.warn({ err: error }, 'an export to the OpenTelemetry collector has ended');
    }
  }

  #delivery<Item>(
    signal: Signal,
    encode: (items: readonly Item[]) => Uint8Array,
    rejected: (answer: Buffer) => readonly [count: number | undefined, message: string | undefined],
  ): Delivery<Item> {
    const { log } = this.#options;
    const delivery = new Delivery<Item>({
      ...{ signal, encode, log, collector: this.#collector },
      rejected: (answer) => {
        const [count = 0, message = ''] = rejected(answer);
        return { count, message };
      },
    });
    this.#deliveries.set(signal, delivery);
    return delivery;
  }

  #logs(which: 'denied' | 'all', signal: AbortSignal): Promise<void> {
    const { flows, now, perSecond } = this.#options;
    const delivery = this.#delivery<ReadableLogRecord>(
      'logs',
      (records) => encoded(ProtobufLogsSerializer.serializeRequest([...records])),
      (answer) => {
        const { partialSuccess } = ProtobufLogsSerializer.deserializeResponse(answer);
        return [partialSuccess?.rejectedLogRecords, partialSuccess?.errorMessage];
      },
    );
    const parts = { resources: this.#resources, scope: this.#scope };
    return new Follower({
      ...{ flows, delivery, perSecond },
      query: follow(which === 'all' ? {} : { verdicts: ['denied', 'audited', 'error'] }),
      itemsOf: ({ flow, uuid }) => [logOf(flow, uuid, now(), parts)],
    }).run(signal);
  }

  #traces(ratio: number, signal: AbortSignal): Promise<void> {
    const { flows, node, perSecond } = this.#options;
    const delivery = this.#delivery<ReadableSpan>(
      'traces',
      (spans) => encoded(ProtobufTraceSerializer.serializeRequest([...spans])),
      (answer) => {
        const { partialSuccess } = ProtobufTraceSerializer.deserializeResponse(answer);
        return [partialSuccess?.rejectedSpans, partialSuccess?.errorMessage];
      },
    );
    const maker = new SpanMaker(this.#resources, this.#scope, node.name);
    return new Follower({
      ...{ flows, delivery, perSecond },
      query: follow({ kinds: ['request'], sampledShare: ratio }),
      itemsOf: (event) => maker.spansOf(event),
    }).run(signal);
  }

  async #metrics(intervalMs: number, signal: AbortSignal): Promise<void> {
    const { families, now, log } = this.#options;
    const delivery = this.#delivery<MetricData>(
      'metrics',
      (metrics) =>
        encoded(
          ProtobufMetricsSerializer.serializeRequest({
            resource: this.#resources.agent,
            scopeMetrics: [{ scope: this.#scope, metrics: [...metrics] }],
          }),
        ),
      (answer) => {
        const { partialSuccess } = ProtobufMetricsSerializer.deserializeResponse(answer);
        return [partialSuccess?.rejectedDataPoints, partialSuccess?.errorMessage];
      },
    );
    const push = async (): Promise<void> => {
      try {
        const metrics = metricsOf(await families(), hrTime(now()));
        const points = metrics.reduce((sum, { dataPoints }) => sum + dataPoints.length, 0);
        await delivery.once(metrics, points, signal);
      } catch (error) {
        log.warn({ err: error }, 'metrics can not be read for the OpenTelemetry collector');
      }
    };
    for (;;) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await push();
    }
  }
}

/** Begins to send what the options want. Throws ERR_OTLP_ENDPOINT. */
export function startOtlpExport(options: OtlpOptions, signal: AbortSignal): OtlpExport {
  return new Exporter(options).start(signal);
}
