// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flowKind, flowPath } from '../../src/core/abi/flow.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { EndpointFilter, FlowEvent, FlowFilter, FlowQuery } from '../../src/core/flow-filter.ts';
import { flowKinds } from '../../src/core/flow.ts';
import { flowTest } from '../../src/core/flow-matches.ts';
import { pathRedaction } from '../../src/core/redact.ts';
import type { FlowStore } from '../../src/observability/flow-store.ts';
import { IndexedRing } from '../../src/observability/indexed-ring.ts';
import { compileQuery } from '../../src/observability/match/filter.ts';
import {
  batch,
  detailOf,
  mapped,
  names,
  record,
  type RecordFields,
  traceOf,
} from '../support/flow-records.ts';
import { createFlowStore, FlowWriter } from '../support/flow-stores.ts';

const addresses = ['10.0.0.1', '10.0.7.2', '10.9.0.3', '192.168.1.4'] as const;
const paths = ['/', '/orders', '/orders/7', '/orders/7/x/y/z', '/ordersx', '//a', '*', '/a?b=/c'] as const;

const range = (from: number, to = from) => ({ from, to });

function oneOf<T>(values: readonly T[]): fc.Arbitrary<T> {
  return fc.constantFrom(...values);
}

/** Records that differ in all that filters look at, most of them alike so that a rare one is rare. */
const recordFields: fc.Arbitrary<RecordFields> = fc.record({
  verdict: oneOf(Object.values(verdict)),
  kind: oneOf(Object.values(flowKind)),
  path: oneOf(Object.values(flowPath)),
  direction: oneOf(Object.values(direction)),
  reason: oneOf([0, reason['http-denied'], reason['policy-denied'], reason['http-truncated']]),
  protocol: oneOf([6, 17]),
  family: oneOf([4, 6]),
  sourceAddress: oneOf(addresses.map(mapped)),
  destinationAddress: oneOf([...addresses.map(mapped), Uint8Array.from({ length: 16 }, (_, index) => index)]),
  sourceIdentity: oneOf([2, 101, 102]),
  sourceWorkload: oneOf([0, 1, 3]),
  destinationWorkload: fc.integer({ min: 0, max: 60 }),
  sourcePort: oneOf([0, 41234, 41235]),
  destinationPort: oneOf([80, 8080]),
  egressRule: oneOf([0, 2]),
  ingressRule: oneOf([0, 1]),
  status: oneOf([0, 200, 204, 403, 404, 500]),
  reference: oneOf([0n, 10n, 0x1f3a_5c7e_9b2d_4f60n]),
  service: oneOf([0, 9, 10]),
  method: oneOf(['', 'GET', 'POST', 'get']),
  urlPath: oneOf(paths),
  host: oneOf(['', 'api']),
  detail: oneOf([detailOf(0), detailOf(1), detailOf(2)]),
});

const someOf = <T>(values: readonly T[]): fc.Arbitrary<T[]> =>
  fc.subarray([...values], { minLength: 1, maxLength: Math.min(2, values.length) });

const endpoint: fc.Arbitrary<EndpointFilter> = fc.record(
  {
    names: someOf([{ namespace: 'shop' }, { name: 'intruder' }, { name: 'a', prefix: true }]),
    addresses: someOf([
      ...addresses,
      '10.0.0.0/8',
      '10.0.0.0/16',
      '10.0.7.0/20',
      '0.0.0.0/0',
      '::/0',
      '1:203::/33',
    ]),
    ports: someOf([0, 80, 41235]),
    identities: someOf([2, 102]),
    labels: someOf([[{ key: 'app', operator: 'In' as const, values: ['api'] }]]),
    entities: someOf(['World']),
    dnsNames: someOf(['db.*', 'old-db.example.com', '*', 'nobody.*']),
    pods: someOf([{ namespace: 'dark' }, { name: 'w', prefix: true }]),
  },
  { requiredKeys: [] },
);

const filter: fc.Arbitrary<FlowFilter> = fc.record(
  {
    source: endpoint,
    destination: endpoint,
    kinds: someOf(flowKinds),
    verdicts: someOf(['allowed', 'denied', 'audited', 'error'] as const),
    reasons: someOf(['none', 'http-denied', 'http-truncated', 'packet-malformed'] as const),
    directions: someOf(['egress', 'ingress'] as const),
    protocols: someOf(['TCP', 'UDP', 'HTTP'] as const),
    families: someOf([4, 6] as const),
    paths: someOf(['direct', 'inline', 'proxied'] as const),
    methods: someOf(['GET', 'get', 'PUT']),
    httpPaths: someOf([
      ...[...paths, '/orders/{id}'].map((value) => ({ type: 'Exact' as const, value })),
      ...[...paths, '/orders/', '/orders/7/x/y', '/orders/{id}'].map((value) => ({
        type: 'PathPrefix' as const,
        value,
      })),
      { type: 'RegularExpression' as const, value: '/orders/.*' },
      { type: 'RegularExpression' as const, value: '.*7.*' },
    ]),
    statuses: someOf([range(404), range(400, 409), range(200, 299), range(0, 599), range(203, 404)]),
    tcpFlags: someOf([['SYN'], ['RST'], ['ACK', 'FIN']] as const),
    hosts: someOf(['api']),
    urls: someOf(['api/ord', '/$', 's/7']),
    traces: someOf([1, 3].map((byte) => traceOf(byte).toString('hex'))),
    sampledShare: oneOf([0, 0.3, 1]),
    references: someOf(['1f3a5c7e9b2d4f60', '0000000000000000']),
    services: someOf([{ namespace: 'shop' }, { name: 'ca', prefix: true }, { name: 'api' }]),
    policies: someOf([{ name: 'api' }, { namespace: 'shop', name: 'web' }]),
  },
  { requiredKeys: [] },
);

/** At most two fields: more match nothing. */
const narrow = filter.chain((whole) =>
  fc
    .shuffledSubarray(Object.keys(whole) as (keyof FlowFilter)[], {
      maxLength: Math.min(2, Object.keys(whole).length),
    })
    .map((keys): FlowFilter => Object.fromEntries(keys.map((key) => [key, whole[key]]))),
);

const query: fc.Arbitrary<FlowQuery> = fc
  .record({
    include: fc.array(narrow, { maxLength: 2 }),
    exclude: fc.array(narrow, { maxLength: 1 }),
    limit: fc.option(fc.integer({ min: 0, max: 40 })),
    end: oneOf(['newest', 'oldest'] as const),
    since: fc.option(fc.bigInt({ min: 0n, max: 300n })),
    until: fc.option(fc.bigInt({ min: 0n, max: 300n })),
  })
  .map(({ limit, since, until, ...rest }) => ({
    ...rest,
    follow: false,
    ...(limit === null ? {} : { limit }),
    ...(since === null ? {} : { since }),
    ...(until === null ? {} : { until }),
  }));

const RING = 16_384;
/** What the meaning of filters says of each stored flow, decoded. */
async function meant(store: FlowStore, { limit = Infinity, end, ...wanted }: FlowQuery): Promise<bigint[]> {
  const test = flowTest({ end, ...wanted });
  const times: bigint[] = [];
  const all: FlowQuery = { include: [], exclude: [], end: 'oldest', follow: false };
  for await (const event of store.query(all, new AbortController().signal))
    if (event.type === 'flow' && test(event)) times.push(event.flow.time);
  if (end === 'oldest') return times.slice(0, limit);
  return limit === 0 ? [] : times.slice(-limit);
}

/** The same records by hand: each is looked at, nothing is left out. */
function naive(all: readonly RecordFields[], wanted: FlowQuery): bigint[] {
  const { record: matches } = compileQuery(wanted, names);
  const rings = [new IndexedRing(RING), new IndexedRing(RING)] as const;
  const writer = new FlowWriter(rings[0].arena.memory, rings[1].arena.memory);
  const { bytes, offsets } = batch(all.map((fields) => record(fields)));
  writer.append(bytes, Uint32Array.from(offsets), 0n, new Uint32Array(all.length));
  const { limit = Infinity, end } = wanted;
  const times = rings.flatMap(({ arena }) => {
    const found: bigint[] = [];
    for (let left = arena.stored, at = arena.tail; left > 0; left -= 1, at = arena.after(at))
      if (matches(arena, arena.recordAt(at))) found.push(arena.bytes.readBigUInt64LE(arena.recordAt(at)));
    return found;
  });
  times.sort((a, b) => Number(a - b));
  if (end === 'oldest') return times.slice(0, limit);
  return limit === 0 ? [] : times.slice(-limit);
}

async function asked(store: FlowStore, wanted: FlowQuery): Promise<bigint[]> {
  const events: FlowEvent[] = [];
  for await (const event of store.query(wanted, new AbortController().signal)) events.push(event);
  return events.filter((event) => event.type === 'flow').map(({ flow }) => flow.time);
}

const records = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 40 }), recordFields), { maxLength: 12 })
  .map((runs) => runs.flatMap(([count, fields]) => Array<RecordFields>(count).fill(fields)))
  .map((all) => all.map((fields, index) => ({ ...fields, time: BigInt(index) })));

const everyQuery = fc.array(query, { minLength: 1, maxLength: 6 });

test('a search that passes over chunks finds what a look at every record finds, also when more has come', async () => {
  await fc.assert(
    fc.asyncProperty(records, everyQuery, fc.nat(150), async (all, queries, first) => {
      const store = storeOf(all.slice(0, first));
      for (const known of [all.slice(0, first), all]) {
        const { bytes, offsets } = batch(all.slice(first).map((fields) => record(fields)));
        if (known === all) store.append(bytes, offsets);
        for (const one of queries) assert.deepEqual(await asked(store, one), naive(known, one));
      }
    }),
    { numRuns: 400 },
  );
});

function storeOf(all: readonly RecordFields[], shown = names, size = RING): FlowStore {
  const clock = { current: () => 0n };
  const store = createFlowStore({ bytes: size, denialBytes: RING, names: shown, clock });
  const { bytes, offsets } = batch(all.map((fields) => record(fields)));
  assert.equal(store.append(bytes, offsets), 0);
  return store;
}

const noRequest = { status: 0, urlPath: '', host: '', kind: flowKind.verdict };
/** Requests, and only they, have a method, a path, a host and a status. */
function consistent(fields: RecordFields): RecordFields {
  const { method = '', sourceAddress, ...rest } = fields;
  const isV6 = fields.family === 6;
  const address = isV6 ? Uint8Array.from({ length: 16 }, (_, index) => index) : mapped('10.0.7.2');
  return {
    ...{ ...rest, method },
    ...(method === '' ? noRequest : { kind: flowKind.request }),
    ...(isV6
      ? { sourceAddress: address, destinationAddress: address }
      : { sourceAddress, destinationAddress: address }),
  } as RecordFields;
}

const path = pathRedaction(['/orders/{id}']);
const redactedNames = path === undefined ? names : { ...names, path };

test('a search finds what the meaning of its filters says, of paths as they are shown', async () => {
  await fc.assert(
    fc.asyncProperty(records, everyQuery, fc.boolean(), async (all, queries, isRedacted) => {
      const store = storeOf(all.map(consistent), isRedacted ? redactedNames : names);
      for (const one of queries) assert.deepEqual(await asked(store, one), await meant(store, one));
    }),
    { numRuns: 400 },
  );
});

test('records that were overwritten since the last search vouch for no others of their chunk', async () => {
  const wanted: FlowQuery = {
    include: [{ reasons: ['policy-denied'] }],
    exclude: [],
    end: 'newest',
    follow: false,
  };
  const first: RecordFields[] = [{ time: 0n }];
  // They fill the ring, and the first one's place anew.
  const others = Array.from({ length: 150 }, (_, index) => ({
    time: BigInt(index + 1),
    reason: reason['policy-denied'],
  }));
  for (let count = 50; count <= others.length; count += 1) {
    const store = storeOf(first);
    assert.deepEqual(await asked(store, wanted), []);
    const later = others.slice(0, count);
    const { bytes, offsets } = batch(later.map((fields) => record(fields)));
    store.append(bytes, offsets);
    assert.deepEqual(await asked(store, wanted), naive([...first, ...later], wanted));
  }
});

test('a chunk with more peers than its summary lists hides none of them', async () => {
  const all = Array.from({ length: 100 }, (_, index) => ({
    time: BigInt(index),
    destinationWorkload: 100 - index,
  }));
  const store = storeOf(all, names, 1 << 24);
  const intruder = { destination: { names: [{ name: 'intruder' }] } };
  const found = await asked(store, { include: [intruder], exclude: [], end: 'newest', follow: false });
  assert.deepEqual(found, [97n]);
  assert.deepEqual(store.namespaces(), ['dark', 'shop']);
});

test('every record is found by its UUID alone', async () => {
  await fc.assert(
    fc.asyncProperty(records, async (all) => {
      const store = createFlowStore({ bytes: RING, denialBytes: RING, names, clock: { current: () => 0n } });
      const { bytes, offsets } = batch(all.map((fields) => record(fields)));
      store.append(bytes, offsets);
      const signal = new AbortController().signal;
      const everything: FlowQuery = { include: [], exclude: [], end: 'newest', follow: false };
      for await (const event of store.query({ ...everything, limit: 3 }, signal)) {
        assert.ok(event.type === 'flow');
        const found = await asked(store, { ...everything, include: [{ uuids: [event.uuid.toUpperCase()] }] });
        assert.ok(found.includes(event.flow.time));
      }
    }),
    { numRuns: 50 },
  );
});
