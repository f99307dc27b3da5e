// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { verdict } from '../../src/core/abi/policy.ts';
import type { FlowStore } from '../../src/observability/flow-store.ts';
import { familiesOf } from '../../src/observability/metrics/families.ts';
import type { Answer } from '../../src/observability/otlp/collector.ts';
import { Delivery } from '../../src/observability/otlp/delivery.ts';
import { type OtlpOptions, startOtlpExport } from '../../src/observability/otlp/export.ts';
import { Follower } from '../../src/observability/otlp/follower.ts';
import { batch, detailOf, names, record, type RecordFields, traceOf } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { until } from '../support/lab.ts';

const node = { name: 'node-1', version: '0.1.0', isKubernetes: false };
const sampled = { method: 'GET', urlPath: '/orders', host: 'api:8080', detail: detailOf(1) };

function newStore(): FlowStore {
  return createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names, clock: { current: () => 0n } });
}

function append(store: FlowStore, ...all: readonly RecordFields[]): void {
  const { bytes, offsets } = batch(all.map((fields) => record(fields)));
  store.append(bytes, offsets);
}

suite('what a collector takes, refuses or misses', () => {
  const said: string[] = [];
  const log = {
    info: (_: object, text: string) => void said.push(text),
    warn: (_: object, text: string) => void said.push(text),
  };
  beforeEach(() => void (said.length = 0));

  test('while it is away the store is the queue, what was overwritten counts, and all else arrives', async () => {
    const store = newStore();
    const controller = new AbortController();
    let answer: Answer = { type: 'unavailable', why: 'away', retryAfterMs: 0 };
    const got: number[] = [];
    const delivery = new Delivery<number>({
      signal: 'logs',
      collector: {
        send: (_, message) => {
          if (answer.type === 'accepted')
            got.push(...(JSON.parse(Buffer.from(message).toString()) as number[]));
          return Promise.resolve(answer);
        },
      },
      encode: (items) => Buffer.from(JSON.stringify(items)),
      rejected: () => ({ count: 0, message: '' }),
      log,
    });
    const running = new Follower<number>({
      ...{ flows: store, delivery, perSecond: 1e9 },
      query: { include: [], exclude: [], end: 'newest', limit: 0, follow: true },
      itemsOf: ({ flow }) => [Number(flow.time)],
    }).run(controller.signal);
    await new Promise((resolve) => setImmediate(resolve));
    append(store, { time: 0n });
    await until('the first attempt', () => delivery.problem === 'away');
    const count = 40_000;
    for (let at = 1; at < count; at += 1000)
      append(store, ...Array.from({ length: 1000 }, (_, index) => ({ time: BigInt(at + index) })));
    answer = { type: 'accepted', body: Buffer.alloc(0) };
    await until(
      'all to be sent or missed',
      () => delivery.counts.sent + delivery.counts.missed === count + 1,
    );
    controller.abort();
    await running;
    assert.ok(delivery.counts.missed > 0);
    assert.equal(delivery.counts.failed, 0);
    assert.equal(got[0], 0);
    assert.equal(got.at(-1), count);
    assert.equal(new Set(got).size, got.length);
    assert.equal(said.length, 2, said.join('\n'));
  });

  test('what exceeds the rate waits in the store', async () => {
    const store = newStore();
    const controller = new AbortController();
    const sizes: number[] = [];
    const delivery = new Delivery<number>({
      signal: 'logs',
      collector: { send: () => Promise.resolve({ type: 'accepted', body: Buffer.alloc(0) }) },
      encode: (items) => {
        sizes.push(items.length);
        return Buffer.alloc(0);
      },
      rejected: () => ({ count: 0, message: '' }),
      log,
    });
    const running = new Follower<number>({
      ...{ flows: store, delivery, perSecond: 1 },
      query: { include: [], exclude: [], end: 'newest', limit: 0, follow: true },
      itemsOf: () => [1],
    }).run(controller.signal);
    await new Promise((resolve) => setImmediate(resolve));
    append(store, ...Array.from({ length: 600 }, (_, index) => ({ time: BigInt(index) })));
    await until('the first batch', () => delivery.counts.sent === 512);
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.deepEqual(sizes, [512]);
    controller.abort();
    await running;
  });

  let server: Server;
  const bodies: { url: string; headers: NodeJS.Dict<string | string[]>; body: Buffer }[] = [];
  let reply = { status: 200, body: Buffer.alloc(0) };
  beforeEach(async () => {
    bodies.length = 0;
    reply = { status: 200, body: Buffer.alloc(0) };
    server = createServer((incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => void parts.push(part));
      incoming.on('end', () => {
        bodies.push({
          url: incoming.url ?? '',
          headers: incoming.headers,
          body: gunzipSync(Buffer.concat(parts)),
        });
        response.writeHead(reply.status).end(reply.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const start = (store: FlowStore, signal: AbortSignal, options: Partial<OtlpOptions> = {}) =>
    startOtlpExport(
      {
        endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/base`,
        headers: () => ({ authorization: 'Bearer x' }),
        ca: undefined,
        ...{ timeoutMs: 5000, perSecond: 1e9, node, flows: store, log, now: () => 5n },
        families: () => Promise.resolve(familiesOf('# HELP g G\n# TYPE g gauge\ng 1\n')),
        ...{ metricsMs: undefined, logs: 'off', traceRatio: undefined },
        ...options,
      },
      signal,
    );

  test('each signal goes to its own path with the headers, and what was rejected is counted', async () => {
    const store = newStore();
    const controller = new AbortController();
    // partial_success {rejected_log_records: 1, error_message: "x"}
    reply = { status: 200, body: Buffer.from([0x0a, 5, 8, 1, 0x12, 1, 0x78]) };
    const otlp = start(store, controller.signal, { logs: 'denied', traceRatio: 0, metricsMs: 100 });
    await new Promise((resolve) => setImmediate(resolve));
    append(store, sampled, { verdict: verdict.denied }, { verdict: verdict.error }, {});
    await until('all signals', () => new Set(bodies.map(({ url }) => url)).size === 3);
    await until('all counts', () => (otlp.counts().logs?.sent ?? 0) > 0);
    controller.abort();
    await otlp.ended;
    const urls = [...new Set(bodies.map(({ url }) => url))].toSorted();
    assert.deepEqual(urls, ['/base/v1/logs', '/base/v1/metrics', '/base/v1/traces']);
    for (const { headers } of bodies) {
      assert.equal(headers['authorization'], 'Bearer x');
      assert.equal(headers['content-type'], 'application/x-protobuf');
    }
    assert.deepEqual(otlp.counts().logs, { sent: 1, failed: 1, missed: 0 });
    assert.match(otlp.problems().logs ?? '', /rejected 1 of them: x/);
    const traces = bodies.find(({ url }) => url.endsWith('traces'));
    assert.ok(traces?.body.includes(traceOf(1)));
  });

  test('what it refuses is counted and not sent again', async () => {
    const store = newStore();
    const controller = new AbortController();
    reply.status = 401;
    const otlp = start(store, controller.signal, { logs: 'all' });
    await new Promise((resolve) => setImmediate(resolve));
    append(store, {}, {});
    await until('the answer', () => otlp.counts().logs?.failed === 2);
    reply.status = 200;
    append(store, {});
    await until('the next', () => otlp.counts().logs?.sent === 1);
    controller.abort();
    await otlp.ended;
    assert.equal(bodies.length, 2);
    assert.equal(otlp.problems().logs, undefined);
  });

  test('one that says it has too much to do gets the same again', async () => {
    const store = newStore();
    const controller = new AbortController();
    reply.status = 429;
    const otlp = start(store, controller.signal, { logs: 'all' });
    await new Promise((resolve) => setImmediate(resolve));
    append(store, {}, {});
    await until('the first attempt', () => bodies.length === 1);
    reply.status = 200;
    await until('the second', () => otlp.counts().logs?.sent === 2);
    controller.abort();
    await otlp.ended;
    assert.deepEqual(bodies[0]?.body, bodies[1]?.body);
    assert.deepEqual(otlp.counts().logs, { sent: 2, failed: 0, missed: 0 });
  });

  test('an agent that ends does not wait for one that is away', async () => {
    const store = newStore();
    const controller = new AbortController();
    const otlp = start(store, controller.signal, { logs: 'all', endpoint: 'http://127.0.0.1:9' });
    await new Promise((resolve) => setImmediate(resolve));
    append(store, {});
    await until('the first attempt', () => otlp.problems().logs !== undefined);
    controller.abort();
    await otlp.ended;
    assert.deepEqual(otlp.counts().logs, { sent: 0, failed: 1, missed: 0 });
    assert.match(otlp.problems().logs ?? '', /ECONNREFUSED/);
  });
});
