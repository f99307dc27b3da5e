// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';

const onOff = z.enum(['on', 'off']);

/** What goes to an OpenTelemetry collector, and how. */
export const otlpSettings = z.strictObject({
  endpoint: z
    .string()
    .regex(/^(https?:\/\/\S+)?$/, 'not an address such as http://collector:4318')
    .default('')
    .describe(
      'Address of a collector that speaks OTLP over HTTP, such as `http://collector:4318`; `/v1/traces` and the like are appended; empty: nothing is sent',
    ),
  headers: z.record(z.string(), z.string()).default({}).describe('Headers of every request to it'),
  headersFolder: z
    .string()
    .default('')
    .describe('Folder whose files are named as further headers and hold their values, read for each request'),
  caFile: z
    .string()
    .default('')
    .describe('Certificates of the authorities that may vouch for it, PEM; empty: the public ones'),
  timeoutMs: z.int().min(100).max(60_000).default(10_000).describe('How long it may take to answer, ms'),
  metrics: onOff.default('on').describe('Whether metrics are sent'),
  metricsIntervalMs: z.int().min(1000).default(60_000).describe('Between two sets of metrics, ms'),
  traces: onOff.default('on').describe('Whether spans are sent of requests whose trace is sampled'),
  traceRatio: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Share of the requests without trace context that get a trace of their own, 0 to 1'),
  logs: z
    .enum(['off', 'denied', 'all'])
    .default('off')
    .describe(
      'Flows that are sent as log records; denied: what was refused, what policy in Audit mode would refuse, and what failed',
    ),
  maxPerSecond: z
    .int()
    .min(1)
    .default(2000)
    .describe(
      'Spans, and likewise log records, at most; what exceeds it waits in the store, and is lost if that is full',
    ),
});
