// SPDX-License-Identifier: Apache-2.0
// What OpenTelemetry's own receiver understands of a real agent's export.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { attributesOf, makeAuthority, OtlpCollector } from '../support/collector.ts';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { freePort } from '../support/prometheus.ts';
import { RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';
import { scrape } from '../support/scrape.ts';

const METRICS = '127.0.0.1:29981';
const SENDER = '00f067aa0ba902b7';

interface Conditions {
  readonly conditions: readonly { readonly object: string; readonly message: string }[];
}

describe('the export to an OpenTelemetry collector', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let collector: OtlpCollector;
  let port: number;
  let file: string;

  const get = (path: string, trace?: string, flags = '01'): string => {
    const header = trace === undefined ? [] : ['-H', `traceparent: 00-${trace}-${SENDER}-${flags}`];
    return node.curl(web, `http://${api.address4}:${String(RULED)}${path}`, ...header).status;
  };
  const trace = (digit: string): string => digit.repeat(32);
  const spansOf = (id: string) => collector.spans().filter(({ traceId }) => traceId === id);
  const problems = (): Conditions['conditions'] =>
    (JSON.parse(node.statusText()) as Conditions).conditions.filter(({ object }) =>
      object.startsWith('otlp'),
    );
  const total = async (signal: string, outcome: string): Promise<number> => {
    const text = await scrape(METRICS);
    const line = `^perigee_otlp_exported_total\\{signal="${signal}",outcome="${outcome}"\\} (\\d+)$`;
    return Number(new RegExp(line, 'm').exec(text)?.[1]);
  };
  const startAgent = async (endpoint: string, more = ''): Promise<void> => {
    const headers = join(node.run, 'headers');
    mkdirSync(headers, { recursive: true });
    writeFileSync(join(headers, 'authorization'), 'Bearer of-a-secret\n');
    const settings = join(node.run, 'settings.yaml');
    const otlp = `endpoint: '${endpoint}', headersFolder: ${headers}, logs: all, metricsIntervalMs: 1000`;
    writeFileSync(settings, `otlp: {${otlp}${more}}\n`);
    await node.startAgent('--settings', settings, '--metrics-address', METRICS);
    await node.settled();
  };

  before(async () => {
    node = new NodeScene('otlp');
    api = node.lab.host('api');
    web = node.lab.host('web');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(api, web));
    node.write('policy.yaml', serverPolicyYaml(api));
    port = await freePort();
    file = join(node.run, 'received.json');
    collector = await OtlpCollector.start({ port, file });
    await startAgent(`http://127.0.0.1:${String(port)}`);
  });
  after(async () => {
    await collector.end();
    await node.destroy();
  });

  test('a sampled request becomes a span of its client and one of its server', async () => {
    assert.equal(get('/orders', trace('a')), '200');
    assert.equal(get('/unsampled', trace('b'), '00'), '200');
    assert.equal(get('/alone'), '200');
    await until('its spans', () => spansOf(trace('a')).length === 2);
    const [client, server] = spansOf(trace('a')).toSorted((one, other) => other.kind - one.kind);
    assert.ok(client !== undefined && server !== undefined);
    assert.equal(client.resource['service.name'], 'web');
    assert.equal(client.parentSpanId, SENDER);
    assert.equal(server.resource['service.name'], 'api');
    assert.equal(server.parentSpanId, client.spanId);
    assert.equal(server.name, 'GET');
    const attributes = attributesOf(server);
    assert.equal(attributes['url.path'], '/orders');
    assert.equal(attributes['http.response.status_code'], 200);
    assert.equal(attributes['server.address'], api.address4);
    assert.equal(attributes['perigee.path'], 'proxied');
    const took = BigInt(client.endTimeUnixNano) - BigInt(client.startTimeUnixNano);
    assert.ok(took > 0n && took < 10_000_000_000n, String(took));
    await until('the request without a trace', () =>
      collector.logs().some((log) => attributesOf(log)['url.path'] === '/alone'),
    );
    assert.deepEqual(new Set(collector.spans().map(({ traceId }) => traceId)), new Set([trace('a')]));
    assert.deepEqual([...collector.authorizations()], ['Bearer of-a-secret']);
  });

  test('a refused request is a log record of its trace, and spans that failed', async () => {
    assert.equal(get('/admin/keys', trace('c')), '403');
    await until('its spans', () => spansOf(trace('c')).length === 2);
    for (const span of spansOf(trace('c'))) {
      assert.equal(span.status.code, 2);
      assert.equal(attributesOf(span)['error.type'], 'http-denied');
    }
    const mine = () => collector.logs().filter(({ traceId }) => traceId === trace('c'));
    await until('its record', () => mine().length === 1);
    const [log] = mine();
    assert.equal(log?.severityText, 'WARN');
    assert.equal(log.eventName, 'perigee.flow.request');
    assert.match(
      log.body.stringValue,
      /^denied GET \/admin\/keys shop\/web to shop\/api:8080 \(http-denied\)$/,
    );
    assert.equal(
      attributesOf(log)['perigee.ingress_rule'],
      'AccessPolicy shop/api ingress not-the-admin-pages',
    );
  });

  test('metrics are those of a scrape', async () => {
    const points = () =>
      collector
        .metrics()
        .filter(({ name }) => name === 'perigee_http_requests_total')
        .flatMap(({ sum }) => sum?.dataPoints ?? []);
    const labels = { source_workload: 'shop/web', destination_workload: 'shop/api', method: 'GET' };
    const refusedPoint = () => points().find((point) => attributesOf(point)['code'] === '403');
    await until('the requests', () => points().some(({ asDouble = 0 }) => asDouble >= 3));
    await until('the refused one', () => refusedPoint() !== undefined);
    assert.deepEqual(attributesOf(refusedPoint() ?? {}), { ...labels, code: '403', path_mode: 'proxied' });
    const durations = collector
      .metrics()
      .filter(({ name }) => name === 'perigee_http_request_duration_seconds');
    const series = durations.flatMap(({ histogram }) => histogram?.dataPoints ?? []);
    const counted = series.filter(({ count }) => Number(count) > 0);
    assert.ok(counted.length > 0);
    for (const { count, bucketCounts = [] } of counted)
      assert.equal(
        bucketCounts.reduce((sum, one) => sum + Number(one), 0),
        Number(count),
      );
    await until('the agent to count them', async () => (await total('metrics', 'sent')) > 0);
  });

  test('while the collector is away traffic and agent go on, and what happened arrives after', async () => {
    await collector.end();
    assert.equal(get('/away', trace('d')), '200');
    await until('the agent to notice', () => problems().some(({ object }) => object === 'otlp traces'));
    assert.match(problems()[0]?.message ?? '', /ECONNREFUSED/);
    await until('metrics to fail', async () => (await total('metrics', 'failed')) > 0);
    assert.equal(get('/still', trace('e')), '200');
    assert.equal(node.status()?.ready, true);
    collector = await OtlpCollector.start({ port, file });
    await until('both traces', () => spansOf(trace('d')).length + spansOf(trace('e')).length === 4);
    await until('the agent to say so', () => problems().length === 0);
    assert.equal(await total('traces', 'missed'), 0);
    assert.equal(await total('traces', 'failed'), 0);
  });

  test('a collector that the authorities do not vouch for gets nothing, and the status says why', async () => {
    const mine = makeAuthority(node.run, 'mine');
    const other = makeAuthority(node.run, 'other');
    await collector.end();
    collector = await OtlpCollector.start({ port, file, tls: mine });
    const endpoint = `https://127.0.0.1:${String(port)}`;
    await node.killAgent('SIGTERM');
    await startAgent(endpoint, `, caFile: ${other.ca}`);
    assert.equal(get('/secret', trace('f')), '200');
    await until('the agent to notice', () => problems().some(({ object }) => object === 'otlp traces'));
    assert.match(problems()[0]?.message ?? '', /otlp\.caFile/);
    assert.deepEqual(spansOf(trace('f')), []);
    await node.killAgent('SIGTERM');
    await startAgent(endpoint, `, caFile: ${mine.ca}`);
    assert.equal(get('/secret', trace('f')), '200');
    await until('its spans', () => spansOf(trace('f')).length === 2);
  });
});
