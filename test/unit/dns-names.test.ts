// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, encode, type Packet } from 'dns-packet';
import { dnsAnswer } from '../../src/core/abi/dns.ts';
import type { FlowFilter } from '../../src/core/flow-filter.ts';
import type { Flow } from '../../src/core/flow.ts';
import { dnsNameTest, isDnsName } from '../../src/core/dns-name.ts';
import { readDnsAnswer } from '../../src/observability/dns/answer.ts';
import { DnsNames } from '../../src/observability/dns/names.ts';
import { DnsReader } from '../../src/observability/dns/reader.ts';
import { batch, mapped, names as usualNames, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl });
const cname = (name: string, data: string): Answer => ({ type: 'CNAME', name, data, ttl: 60 });
const response = (name: string, answers: Answer[], more: Partial<Packet> = {}): Buffer =>
  encode({ type: 'response', id: 1, questions: [{ type: 'A', name }], answers, ...more });
const key = (address: string): string => Buffer.from(mapped(address)).toString('latin1');

test('an answer names the addresses that aliases of the asked name lead to, and no others', () => {
  const answers = [
    a('evil.test', '203.0.113.6'),
    cname('www.Shop.test', 'edge.cdn.test'),
    a('EDGE.cdn.test', '203.0.113.7', 30),
    { type: 'AAAA', name: 'edge.cdn.test', data: '2001:db8::7', ttl: 90 } as const,
    cname('edge.cdn.test', 'edge.cdn.test'),
  ];
  const unlooped = answers.slice(0, 4);
  const authorities = [a('shop.test', '203.0.113.8')];
  assert.deepEqual(readDnsAnswer(response('WWW.shop.test', unlooped, { authorities })), {
    name: 'www.shop.test',
    addresses: [
      key('203.0.113.7'),
      Buffer.from('20010db8000000000000000000000007', 'hex').toString('latin1'),
    ],
    ttl: 30,
  });
  assert.equal(typeof readDnsAnswer(response('www.shop.test', answers)), 'object'); // an alias of itself
});

const loop = Buffer.concat([response('a.test', []).subarray(0, 12), Buffer.from('c00cc00c00010001', 'hex')]);
const manyRecords = Buffer.from(response('a.test', []));
manyRecords.writeUInt16BE(65_535, 6);
const chain = Array.from({ length: 40 }, (_, index) =>
  cname(`c${String(index)}.test`, `c${String(index + 1)}.test`),
);

const readings: readonly (readonly [what: string, message: Buffer, reading: string])[] = [
  ['nothing at all', Buffer.alloc(0), 'malformed'],
  ['a name that points to itself', loop, 'malformed'],
  ['more answers than are there', manyRecords, 'malformed'],
  ['no question', encode({ type: 'response', answers: [a('a.test', '203.0.113.7')] }), 'malformed'],
  ['an escape sequence', response('\u001b[31mred.test', [a('\u001b[31mred.test', '203.0.113.7')]), 'refused'],
  ['markup', response('<b>.test', [a('<b>.test', '203.0.113.7')]), 'refused'],
  ['the root', response('.', [a('.', '203.0.113.7')]), 'refused'],
  ['a text', response('a.test', [{ type: 'TXT', name: 'a.test', data: 'x', ttl: 1 }]), 'nothing'],
  ['another name', response('a.test', [a('b.test', '203.0.113.7')]), 'nothing'],
  ['a chain without end', response('c0.test', [...chain, a('c40.test', '203.0.113.7')]), 'nothing'],
];
for (const [what, message, reading] of readings)
  test(`an answer of ${what} is ${reading}`, () => assert.equal(readDnsAnswer(message), reading));

test('bytes that anybody may send never do more than be malformed', () => {
  const good = response('www.shop.test', [cname('www.shop.test', 'e.test'), a('e.test', '203.0.113.7')]);
  for (let at = 0; at < good.length; at += 1)
    for (const value of [0, 0x3f, 0x80, 0xc0, 0xff]) {
      const bent = Buffer.from(good);
      bent[at] = value;
      const reading = readDnsAnswer(bent);
      if (typeof reading === 'object') assert.ok(isDnsName(reading.name));
      readDnsAnswer(good.subarray(0, at));
    }
});

test('patterns are as Hubble has them', () => {
  const test = dnsNameTest([' API.*.test. ', '*-db', 'exact.test']);
  for (const name of ['api.shop.test', 'api.a.b.test', 'x.y-db', '-db', 'exact.test'])
    assert.ok(test(name), name);
  for (const name of ['api.test', 'xexact.test', 'exactxtest', 'exact.test.x']) assert.ok(!test(name), name);
  for (const bad of ['', '.', 'a..', 'a b', 'ä.test', '(a)', 'a'.repeat(300)])
    assert.throws(() => dnsNameTest([bad]), /not a pattern of DNS names/, bad);
  // Time in proportion to the pattern and the name, whatever the pattern.
  assert.ok(!dnsNameTest([`${'*a'.repeat(60)}b`])('a'.repeat(63)));
});

test('who asks for much pushes out nobody else', () => {
  const names = new DnsNames({ perAddress: 4, perWorkload: 60, perNode: 150 });
  names.learn(1, { name: 'kept.test', addresses: [key('10.0.0.1')], ttl: 60 }, 0);
  for (let index = 0; index < 10_000; index += 1) {
    const address = `10.1.${String(index >> 8)}.${String(index & 255)}`;
    names.learn(2, { name: `n${String(index)}.test`, addresses: [key(address)], ttl: 60 }, 0);
    names.learn(3, { name: `n${String(index)}.test`, addresses: [key('10.2.0.1')], ttl: 60 }, 0);
    names.learn(4 + (index & 1), { name: 'n.test', addresses: [key(address)], ttl: 60 }, 0);
  }
  assert.deepEqual(names.of(1, key('10.0.0.1'), 0, 0), ['kept.test']);
  assert.deepEqual(names.of(3, key('10.2.0.1'), 0, 0), [
    'n9999.test',
    'n9998.test',
    'n9997.test',
    'n9996.test',
  ]);
  assert.equal(names.count, 150);
  for (const [limit, pairs] of Object.entries(names.evicted)) assert.ok(pairs > 0, limit);
});

test('a name holds from the answer until an hour after its time to live', () => {
  const names = new DnsNames();
  const told = { name: 'a.test', addresses: [key('10.0.0.1')], ttl: 60 };
  const hour = 3_600_000;
  names.learn(1, told, 1000);
  assert.deepEqual(names.of(1, key('10.0.0.1'), 999, 999), []);
  assert.deepEqual(names.of(1, key('10.0.0.1'), 1000, 1000), ['a.test']);
  assert.deepEqual(names.of(1, key('10.0.0.1'), 60_999 + hour, 10 * hour), ['a.test']); // began in time
  assert.deepEqual(names.of(1, key('10.0.0.1'), 61_000 + hour, 10 * hour), []);
  names.learn(1, { ...told, ttl: 1e9 }, 2000);
  assert.deepEqual(names.of(1, key('10.0.0.1'), 26 * hour, 26 * hour), []);
  assert.deepEqual(names.of(2, key('10.0.0.1'), 1000, 1000), []);
});

test('flows are shown with the names that their other end knows, and found by them', async () => {
  const reader = new DnsReader({ current: () => 0n });
  const message = response('www.shop.test', [a('www.shop.test', '198.51.100.7')]);
  const bytes = Buffer.alloc(dnsAnswer.size);
  dnsAnswer.encode({ time: 5_000_000n, workload: 1, length: message.length, message }, bytes);
  reader.take(bytes, Uint32Array.of(0, bytes.length));
  reader.take(bytes.subarray(0, 20), Uint32Array.of(0, 20));
  assert.deepEqual(reader.counts, { named: 1, nothing: 0, refused: 0, malformed: 0 });
  const store = createFlowStore({
    ...{ bytes: 1 << 20, denialBytes: 1 << 20, clock: { current: () => 0n } },
    names: { ...usualNames, dns: reader.names },
  });
  const address = mapped('198.51.100.7');
  const flows = [
    { sourcePort: 1, destinationWorkload: 0, destinationAddress: address },
    { sourcePort: 2, sourceWorkload: 3, destinationWorkload: 0, destinationAddress: address },
    { sourcePort: 3, sourceWorkload: 0, sourceAddress: address, destinationWorkload: 1 },
    { sourcePort: 4, time: 4_999_999n, destinationWorkload: 0, destinationAddress: address },
  ];
  const { bytes: records, offsets } = batch(flows.map((one) => record({ time: 6_000_000n, ...one })));
  store.append(records, offsets);
  const all = async (...include: FlowFilter[]): Promise<Flow[]> => {
    const query = { include, exclude: [], end: 'oldest', follow: false } as const;
    const flows: Flow[] = [];
    for await (const event of store.query(query, new AbortController().signal))
      if (event.type === 'flow') flows.push(event.flow);
    return flows;
  };
  const found = async (filter: FlowFilter): Promise<number[]> =>
    (await all(filter)).map(({ source }) => source.port);
  const [first, second] = await all();
  assert.deepEqual(first?.destination.dnsNames, ['www.shop.test']);
  assert.equal(second?.destination.dnsNames, undefined);
  assert.deepEqual(await found({ destination: { dnsNames: ['*.shop.test'] } }), [1]);
  assert.deepEqual(await found({ source: { dnsNames: ['www.*'] } }), [3]);
  assert.deepEqual(await found({ destination: { dnsNames: ['shop.test'] } }), []);
});
