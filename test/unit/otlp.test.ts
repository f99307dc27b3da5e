// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { DataPointType } from '@opentelemetry/sdk-metrics';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { FlowEvent, FlowFilter } from '../../src/core/flow-filter.ts';
import { familiesOf } from '../../src/observability/metrics/families.ts';
import { logOf } from '../../src/observability/otlp/logs.ts';
import { metricsOf } from '../../src/observability/otlp/metrics.ts';
import { OtlpResources } from '../../src/observability/otlp/resources.ts';
import { SpanMaker } from '../../src/observability/otlp/spans.ts';
import { batch, detailOf, names, record, type RecordFields, traceOf } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

type FlowOfStore = Extract<FlowEvent, { type: 'flow' }>;

const node = { name: 'node-1', version: '0.1.0', isKubernetes: false };
const scope = { name: 'perigee', version: '0.1.0' };
const request = { method: 'GET', urlPath: '/orders', host: 'api:8080' };
const sampled = { ...request, detail: detailOf(1) };
const TRACE = traceOf(1).toString('hex');
const SENDER = Buffer.alloc(8, 9).toString('hex');

/** What the store says of records, of the requests that a share of traces is chosen from. */
async function flowsOf(
  all: readonly RecordFields[],
  ...include: readonly FlowFilter[]
): Promise<FlowOfStore[]> {
  const store = createFlowStore({
    ...{ bytes: 1 << 20, denialBytes: 1 << 18, names },
    clock: { current: () => 0n },
  });
  const { bytes, offsets } = batch(all.map(record));
  store.append(bytes, offsets);
  const query = { include, exclude: [], end: 'newest', follow: false } as const;
  const flows: FlowOfStore[] = [];
  for await (const event of store.query(query, new AbortController().signal))
    if (event.type === 'flow') flows.push(event);
  return flows;
}

async function flowOf(fields: RecordFields): Promise<FlowOfStore> {
  const [event] = await flowsOf([fields]);
  assert.ok(event !== undefined);
  return event;
}

const maker = new SpanMaker(new OtlpResources(node), scope, node.name);

async function spansOf(fields: RecordFields) {
  return maker.spansOf(await flowOf(fields));
}

suite('spans of requests', () => {
  test('the client has one below the span that sent the request, the server one below that', async () => {
    const [client, server, ...others] = await spansOf({ ...sampled, time: 5_001_200_000n });
    assert.ok(client !== undefined && server !== undefined);
    assert.deepEqual(others, []);
    assert.equal(client.kind, SpanKind.CLIENT);
    assert.equal(client.spanContext().traceId, TRACE);
    assert.equal(client.parentSpanContext?.spanId, SENDER);
    assert.equal(client.parentSpanContext.isRemote, true);
    assert.equal(client.resource.attributes['service.name'], 'web');
    assert.equal(server.kind, SpanKind.SERVER);
    assert.equal(server.spanContext().traceId, TRACE);
    assert.equal(server.parentSpanContext?.spanId, client.spanContext().spanId);
    assert.equal(server.resource.attributes['service.name'], 'api');
    assert.equal(server.resource.attributes['service.namespace'], 'shop');
    assert.match(server.spanContext().spanId, /^[0-9a-f]{16}$/);
    // 1.2 ms, which ended 5.0012 s after the clock's beginning.
    assert.deepEqual(client.startTime, [5, 0]);
    assert.deepEqual(client.endTime, [5, 1_200_000]);
    assert.deepEqual(
      client.events.map(({ name, time }) => [name, time[1]]),
      [
        ['perigee.request.passed_on', 5000],
        ['perigee.response.began', 12_000],
      ],
    );
  });

  test('attributes are those of the conventions', async () => {
    const [client, server] = await spansOf({ ...sampled, status: 503 });
    assert.equal(client?.name, 'GET');
    const common = {
      'http.request.method': 'GET',
      'url.scheme': 'http',
      'url.path': '/orders',
      'http.response.status_code': 503,
      'server.address': 'api',
      'server.port': 8080,
      'network.protocol.name': 'http',
      'network.transport': 'tcp',
      'network.type': 'ipv4',
      'perigee.verdict': 'allowed',
      'perigee.path': 'proxied',
      'perigee.ingress_rule': 'AccessPolicy shop/api ingress web-may-read',
      'error.type': '503',
    };
    const peer = { 'network.peer.address': '10.0.0.2', 'network.peer.port': 8080 };
    assert.deepEqual(client.attributes, { ...common, ...peer, 'url.full': 'http://api:8080/orders' });
    assert.deepEqual(server?.attributes, {
      ...common,
      'client.address': '10.0.0.1',
      'network.peer.address': '10.0.0.1',
      'network.peer.port': 41234,
    });
    assert.equal(client.status.code, SpanStatusCode.ERROR);
    const [, notFound] = await spansOf({ ...sampled, status: 404 });
    assert.equal(notFound?.status.code, SpanStatusCode.UNSET);
  });

  test('bytes that a terminal could obey, and names that a client makes up, are neither names nor text', async () => {
    const hostile = { method: 'X\x1b[2J', urlPath: '/\x1b]0;x\x07<b>', host: '\x9b:80' };
    const [client] = await spansOf({ ...sampled, ...hostile });
    assert.equal(client?.name, '_OTHER');
    assert.equal(client.attributes['http.request.method_original'], 'X%1B[2J');
    assert.equal(client.attributes['url.path'], '/%1B]0;x%07<b>');
    assert.match(String(client.attributes['server.address']), /^[\x21-\x7e]+$/);
  });

  test('a request without a trace begins one, which is the same whenever it is asked for', async () => {
    const [client, server] = await spansOf(request);
    assert.equal(client?.parentSpanContext, undefined);
    assert.match(client?.spanContext().traceId ?? '', /^[0-9a-f]{32}$/);
    assert.equal(server?.parentSpanContext?.spanId, client?.spanContext().spanId);
    const again = await spansOf(request);
    assert.equal(again[0]?.spanContext().traceId, client?.spanContext().traceId);
  });

  test('a client that does not sample its trace gets none, and one that does always', async () => {
    const unsampled = { ...request, detail: detailOf(2) };
    assert.deepEqual(await spansOf(unsampled), []);
    assert.equal((await flowsOf([unsampled], { sampledShare: 1 })).length, 0);
    assert.equal((await flowsOf([sampled], { sampledShare: 0 })).length, 1);
  });

  test('of requests without a trace a share is chosen, by the last digits of the id that they get', async () => {
    const many = Array.from({ length: 2000 }, (_, index) => ({ ...request, time: BigInt(index) * 1000n }));
    const all = await flowsOf(many, { sampledShare: 1 });
    assert.equal(all.length, 2000);
    assert.equal((await flowsOf(many, { sampledShare: 0 })).length, 0);
    const ids = (events: FlowOfStore[]): string[] =>
      events.flatMap((event) => maker.spansOf(event).slice(0, 1)).map((span) => span.spanContext().traceId);
    const chosen = ids(await flowsOf(many, { sampledShare: 0.25 }));
    const threshold = (0.75 * 2 ** 56).toString(16);
    assert.deepEqual(
      chosen,
      ids(all).filter((id) => id.slice(-14) >= threshold),
    );
    assert.ok(chosen.length > 420 && chosen.length < 580, String(chosen.length));
    assert.equal(new Set(ids(all)).size, 2000);
  });

  test('each node tells of its own workloads, and a server of what reached it', async () => {
    const kinds = async (fields: RecordFields): Promise<readonly SpanKind[]> =>
      (await spansOf({ ...sampled, ...fields })).map(({ kind }) => kind);
    assert.deepEqual(await kinds({ sourceWorkload: 0 }), [SpanKind.SERVER]);
    assert.deepEqual(await kinds({ destinationWorkload: 0 }), [SpanKind.CLIENT]);
    const denied = { verdict: verdict.denied, reason: reason['http-denied'], status: 403 };
    assert.deepEqual(await kinds({ ...denied, direction: direction.egress }), [SpanKind.CLIENT]);
    assert.deepEqual(await kinds({ ...denied, direction: direction.ingress }), [
      SpanKind.CLIENT,
      SpanKind.SERVER,
    ]);
    const [span] = await spansOf({ ...sampled, ...denied });
    assert.equal(span?.attributes['error.type'], 'http-denied');
    assert.deepEqual(await spansOf({ kind: 1, detail: detailOf(1) }), []);
  });
});

test('a flow becomes a log record of the trace that it belongs to', async () => {
  const { flow, uuid } = await flowOf({
    ...sampled,
    ...{ verdict: verdict.denied, reason: reason['http-denied'], reference: 0xabcn, status: 403 },
    destinationIdentity: 2,
  });
  const resources = new OtlpResources({ ...node, isKubernetes: true });
  const log = logOf(flow, uuid, 7n, { resources, scope });
  assert.equal(log.eventName, 'perigee.flow.request');
  assert.equal(log.severityText, 'WARN');
  assert.equal(log.body, 'denied GET /orders shop/web to shop/api:8080 (http-denied)');
  assert.equal(log.spanContext?.traceId, TRACE);
  assert.equal(log.spanContext.spanId, SENDER);
  assert.equal(log.resource.attributes['service.name'], 'perigee-agent');
  assert.equal(log.resource.attributes['k8s.node.name'], 'node-1');
  const expected = {
    'log.record.uid': uuid,
    'source.address': '10.0.0.1',
    'perigee.source.workload': 'web',
    'destination.port': 8080,
    'perigee.destination.namespace': 'shop',
    'url.path': '/orders',
    'perigee.reason': 'http-denied',
    'perigee.reference': '0000000000000abc',
    'perigee.bytes_received': 200,
  };
  for (const [key, value] of Object.entries(expected)) assert.equal(log.attributes[key], value, key);
  const pod = resources.of(flow.source);
  assert.equal(pod.attributes['k8s.pod.name'], 'web');
  assert.equal(pod.attributes['k8s.namespace.name'], 'shop');
  assert.equal(resources.of(flow.source), pod);
});

test('a scrape becomes metrics with the same names and labels', () => {
  const text = `# HELP c_total C
# TYPE c_total counter
c_total{a="x\\"y",b=""} 3
# HELP t_seconds T
# TYPE t_seconds histogram
t_seconds_bucket{p="1",le="0.5"} 2
t_seconds_bucket{p="1",le="1"} 2
t_seconds_bucket{p="1",le="+Inf"} 5
t_seconds_sum{p="1"} 7.5
t_seconds_count{p="1"} 5
# HELP g G
# TYPE g gauge
g Nan
# HELP b_bytes B
# TYPE b_bytes gauge
b_bytes 4096
# HELP empty E
# TYPE empty counter
`;
  const metrics = metricsOf(familiesOf(text), [1, 2]);
  assert.deepEqual(
    metrics.map(({ descriptor, dataPointType }) => [descriptor.name, descriptor.unit, dataPointType]),
    [
      ['c_total', '', DataPointType.SUM],
      ['t_seconds', 's', DataPointType.HISTOGRAM],
      ['b_bytes', 'By', DataPointType.GAUGE],
    ],
  );
  const points = metrics.map(({ dataPoints: [point] }) => [point?.attributes, point?.value]);
  assert.deepEqual(points, [
    [{ a: 'x"y', b: '' }, 3],
    [{ p: '1' }, { buckets: { boundaries: [0.5, 1], counts: [2, 0, 3] }, sum: 7.5, count: 5 }],
    [{}, 4096],
  ]);
});
