// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowKind } from '../../src/core/abi/flow.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { FlowEvent, FlowFilter, FlowQuery } from '../../src/core/flow-filter.ts';
import { pathRedaction } from '../../src/core/redact.ts';
import type { FlowStore } from '../../src/observability/flow-store.ts';
import { batch, names, record, type RecordFields } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

const everything: FlowQuery = { include: [], exclude: [], end: 'newest', follow: false };

function createStore(bytes = 1 << 20, denialBytes = 1 << 16): FlowStore {
  return createFlowStore({ bytes, denialBytes, names, clock: { current: () => 1_000_000n } });
}

function append(store: FlowStore, ...all: readonly RecordFields[]): void {
  const { bytes, offsets } = batch(all.map((fields) => record(fields)));
  store.append(bytes, offsets);
}

async function collect(store: FlowStore, query: Partial<FlowQuery> = {}): Promise<FlowEvent[]> {
  const events: FlowEvent[] = [];
  const signal = new AbortController().signal;
  for await (const event of store.query({ ...everything, ...query }, signal)) events.push(event);
  return events;
}

/** Times of the flows; losses appear as text. */
async function times(store: FlowStore, query: Partial<FlowQuery> = {}): Promise<(bigint | string)[]> {
  const events = await collect(store, query);
  return events.map((event) =>
    event.type === 'flow' ? event.flow.time - 1_000_000n : `lost ${String(event.count)}`,
  );
}

test('what a template hides is neither shown nor found', async () => {
  const path = pathRedaction(['/reset/{token}']);
  assert.ok(path !== undefined);
  const shown = { ...names, path };
  const store = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 16, names: shown });
  append(store, { method: 'GET', urlPath: '/reset/s3cret/done', host: 'api' });
  const [event] = await collect(store);
  assert.ok(event?.type === 'flow');
  assert.equal(event.flow.http?.path, '/reset/{token}/done');
  const found = async (filter: FlowFilter): Promise<number> =>
    (await collect(store, { include: [filter] })).length;
  for (const value of ['/reset/s3cret/done', '/reset/s3cret']) {
    assert.equal(await found({ httpPaths: [{ type: 'PathPrefix', value }] }), 0, value);
    assert.equal(await found({ httpPaths: [{ type: 'RegularExpression', value: `${value}.*` }] }), 0, value);
    assert.equal(await found({ urls: [value] }), 0, value);
  }
  assert.equal(await found({ httpPaths: [{ type: 'PathPrefix', value: '/reset/{token}' }] }), 1);
  assert.equal(await found({ httpPaths: [{ type: 'PathPrefix', value: '/reset' }] }), 1);
  assert.equal(await found({ urls: ['reset/\\{token'] }), 1);
});

test('a flow comes back with names, the wall clock and all its figures', async () => {
  const store = createStore();
  append(store, {
    method: 'POST',
    urlPath: '/charge?x=1',
    host: 'api.shop',
    verdict: verdict.denied,
    reason: reason['http-no-rule'],
    status: 403,
    reference: 0x1f3a_5c7e_9b2d_4f60n,
    sourceWorkload: 3,
    destinationIdentity: 2,
    connection: 2n ** 60n,
  });
  const [event] = await collect(store);
  assert.ok(event?.type === 'flow');
  assert.match(event.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(event.flow, {
    time: 1_001_000n,
    kind: 'request',
    verdict: 'denied',
    reason: 'http-no-rule',
    direction: 'ingress',
    path: 'proxied',
    protocol: 'TCP',
    source: {
      address: '10.0.0.1',
      port: 41234,
      identity: 101,
      namespace: 'dark',
      workload: 'intruder',
      serviceAccount: 'default',
      labels: { zone: 'x' },
    },
    destination: {
      address: '10.0.0.2',
      port: 8080,
      identity: 2,
      namespace: 'shop',
      workload: 'api',
      serviceAccount: 'api',
      labels: { app: 'api', tier: 'back' },
      entity: 'World',
    },
    ingressRule: names.rule(1),
    connection: String(2n ** 60n),
    duration: 1_200_000,
    bytesSent: 100,
    bytesReceived: 200,
    rtt: 0,
    retransmits: 0,
    reference: '1f3a5c7e9b2d4f60',
    http: { method: 'POST', path: '/charge?x=1', host: 'api.shop', status: 403 },
  });
});

test('IPv6 and unknown numbers decode without a fault', async () => {
  const store = createStore();
  const sourceAddress = Buffer.from('20010db8000000000000000000000001', 'hex');
  append(store, { sourceAddress, sourceWorkload: 99, kind: 77, verdict: 77, reason: 999, egressRule: 55 });
  const [event] = await collect(store);
  assert.ok(event?.type === 'flow');
  assert.equal(event.flow.source.address, '2001:db8::1');
  assert.equal(event.flow.source.workload, undefined);
  assert.equal(event.flow.verdict, 'error');
  assert.equal(event.flow.reason, 'none');
});

test('memory stays within the size and the newest records survive', async () => {
  const store = createStore(64 * 1024, 16 * 1024);
  for (let time = 0n; time < 5000n; time += 1n) append(store, { time });
  const { bytes, capacityBytes, stored, seen } = store.stats();
  assert.equal(capacityBytes, 80 * 1024);
  assert.ok(bytes <= 64 * 1024, `${String(bytes)} bytes`);
  assert.equal(seen, 5000);
  const all = await times(store);
  assert.equal(all.length, stored);
  assert.deepEqual(
    all,
    Array.from({ length: stored }, (_, index) => 5000n - BigInt(stored - index)),
  );
});

test('allowed traffic does not push denials out', async () => {
  const store = createStore(16 * 1024, 16 * 1024);
  append(store, { time: 1n, verdict: verdict.denied, reason: reason['policy-denied'] });
  for (let time = 2n; time < 1000n; time += 1n) append(store, { time });
  const denied = await times(store, { include: [{ verdicts: ['denied'] }] });
  assert.deepEqual(denied, [1n]);
});

test('the two rings are shown as one, by time', async () => {
  const store = createStore();
  append(
    store,
    { time: 1n },
    { time: 2n, verdict: verdict.denied },
    { time: 3n },
    { time: 4n, verdict: verdict.denied },
  );
  assert.deepEqual(await times(store), [1n, 2n, 3n, 4n]);
  assert.deepEqual(await times(store, { limit: 3 }), [2n, 3n, 4n]);
  assert.deepEqual(await times(store, { limit: 3, end: 'oldest' }), [1n, 2n, 3n]);
  assert.deepEqual(await times(store, { limit: 0 }), []);
  assert.deepEqual(await times(store, { since: 1_000_002n, until: 1_000_003n }), [2n, 3n]);
});

test('a later step of the wall clock leaves stored times alone', async () => {
  let offset = 1_000_000n;
  const store = createFlowStore({
    bytes: 1 << 16,
    denialBytes: 1 << 16,
    names,
    clock: { current: () => offset },
  });
  append(store, { time: 1n });
  offset -= 500_000n;
  append(store, { time: 2n });
  const events = await collect(store);
  const stored = events.map((event) => event.type === 'flow' && event.flow.time);
  // In the order of the ring: a clock that goes back does not hide or reorder what one ring holds.
  assert.deepEqual(stored, [1_000_001n, 500_002n]);
});

test('malformed records are counted as lost, the others of their batch are kept', () => {
  const store = createStore();
  const good = record({ time: 5n });
  const short = Buffer.alloc(40);
  const overlong = record({ time: 6n, method: 'GET', urlPath: '/x' }).subarray(0, -1);
  const { bytes, offsets } = batch([short, good, overlong]);
  assert.equal(store.append(bytes, offsets), 2);
  assert.deepEqual(store.stats().lost, { flows: 0, denials: 0, proxy: 0, store: 2 });
  assert.equal(store.stats().stored, 1);
});

test('records padded by the kernel ring are kept without the padding', async () => {
  const store = createStore();
  const padded = Buffer.concat([record({ method: 'GET', urlPath: '/a' }), Buffer.alloc(4)]);
  store.append(padded, [0, padded.length]);
  append(store, { time: 2000n });
  const events = await collect(store);
  assert.equal(events[0]?.type === 'flow' && events[0].flow.http?.host, '');
});

test('a follower gets what comes, after the stored flows that it asked for', async () => {
  const store = createStore();
  append(store, { time: 1n }, { time: 2n });
  const controller = new AbortController();
  const seen: bigint[] = [];
  const following = (async () => {
    for await (const event of store.query({ ...everything, limit: 1, follow: true }, controller.signal)) {
      if (event.type === 'flow') seen.push(event.flow.time - 1_000_000n);
      if (seen.length === 3) controller.abort();
    }
  })();
  await new Promise((resolve) => setImmediate(resolve));
  append(store, { time: 3n });
  await new Promise((resolve) => setImmediate(resolve));
  append(store, { time: 4n, verdict: verdict.denied });
  await following;
  assert.deepEqual(seen, [2n, 3n, 4n]);
});

test('a follower that is overtaken is told how many it missed and goes on with what is left', async () => {
  const store = createStore(16 * 1024, 16 * 1024);
  const controller = new AbortController();
  const walk = store
    .query({ ...everything, limit: 0, follow: true }, controller.signal)
    [Symbol.asyncIterator]();
  const first = walk.next();
  append(store, { time: 0n });
  assert.equal((await first).done, false);
  for (let time = 1n; time <= 1000n; time += 1n) append(store, { time });
  const second = await walk.next();
  assert.ok(second.done !== true && second.value.type === 'lost');
  assert.equal(second.value.source, 'store');
  const third = await walk.next();
  assert.ok(third.done !== true && third.value.type === 'flow');
  assert.equal(Number(third.value.flow.time - 1_000_000n), second.value.count + 1);
  controller.abort();
});

test('losses of the rings are added up and shown to followers once', async () => {
  const store = createStore();
  const controller = new AbortController();
  const events: FlowEvent[] = [];
  const following = (async () => {
    for await (const event of store.query({ ...everything, limit: 0, follow: true }, controller.signal))
      events.push(event);
  })();
  await new Promise((resolve) => setImmediate(resolve));
  store.lost('flows', 3);
  store.lost('flows', 4);
  store.lost('denials', 1);
  store.lost('proxy', 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort();
  await following;
  const losses = events.map((event) => event.type === 'lost' && `${event.source} ${String(event.count)}`);
  assert.deepEqual(losses, ['flows 7', 'denials 1']);
  assert.deepEqual(store.stats().lost, { flows: 7, denials: 1, proxy: 0, store: 0 });
});

test('a query that is not followed shows losses among the flows it covers', async () => {
  const store = createStore();
  append(store, { time: 1n });
  store.lost('denials', 2);
  const events = await times(store);
  assert.deepEqual(events, ['lost 2', 1n]);
});

test('one hundred followers leave nothing behind when they go', async () => {
  const store = createStore();
  const controllers = Array.from({ length: 100 }, () => new AbortController());
  const counts = controllers.map(async ({ signal }) => {
    let count = 0;
    for await (const event of store.query({ ...everything, limit: 0, follow: true }, signal))
      if (event.type === 'flow') count += 1;
    return count;
  });
  await new Promise((resolve) => setImmediate(resolve));
  append(store, { time: 1n }, { time: 2n });
  await new Promise((resolve) => setTimeout(resolve, 5));
  for (const controller of controllers) controller.abort();
  assert.deepEqual(new Set(await Promise.all(counts)), new Set([2]));
});

test('namespaces are those of the flows that are stored', () => {
  const store = createStore();
  append(store, { sourceWorkload: 3, kind: flowKind.close });
  assert.deepEqual(store.namespaces(), ['dark', 'shop']);
});
