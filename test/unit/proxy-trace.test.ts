// SPDX-License-Identifier: Apache-2.0
// What records of the proxy say of a request beside: trace context, and where its time went.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { until } from '../support/lab.ts';
import { SERVICE } from '../support/proxy-engine.ts';
import { get, OK, type Wire, withWire } from '../support/proxy-wire.ts';
import { flowKind } from '../../src/core/abi/flow.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import { findTraceParent } from '../../src/proxy/trace-parent.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const VALUE = `00-${ID}-${PARENT}-01`;

/** The records of a request that is answered, and of one that is refused. */
async function answeredAndRefused(wire: Wire): Promise<ReturnType<Wire['proxy']['flows']>> {
  wire.server.answer(OK);
  const client = await wire.client();
  client.write(get('/'));
  await client.sees('ok');
  client.write('GET / HTTP/1.1\r\n: \r\n\r\n');
  await client.sees('HTTP/1.1 400 ');
  return wire.proxy.flows().filter(({ kind }) => kind === flowKind.request);
}

test(
  'trace context passes untouched and is in the record',
  withWire(async (wire) => {
    wire.server.answer(OK);
    const client = await wire.client();
    const lines = `TraceParent:  ${VALUE} \r\ntracestate: congo=t61rcWkgMzE`;
    client.write(get('/', lines));
    await client.sees('ok');
    assert.ok(wire.server.received[0]?.includes(`${lines}\r\n`));
    const [flow] = wire.proxy.flows();
    const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
    assert.deepEqual(
      [hex(flow?.detail?.traceId), hex(flow?.detail?.parentId), flow?.detail?.traceFlags],
      [ID, PARENT, 1],
    );
  }),
);

test(
  'without trace context a record has the times alone',
  withWire(async (wire) => {
    wire.server.answer(OK);
    const client = await wire.client();
    client.write(get('/'));
    await client.sees('ok');
    assert.equal(wire.proxy.flows()[0]?.detailLength, 8);
  }),
);

test(
  'requests and connections name the Service that the client asked for, refused ones too',
  withWire(async (wire) => {
    const requests = await answeredAndRefused(wire);
    assert.deepEqual(
      requests.map(({ service }) => service),
      [SERVICE, SERVICE],
    );
    assert.notEqual(requests[1]?.reference, 0n);
    wire.proxy.reconfigure({ action: 'deny' });
    const late = await wire.proxy.connect();
    late.destroy();
    const ofConnections = (): (readonly [number, bigint])[] =>
      wire.proxy
        .flows()
        .filter(({ kind }) => kind !== flowKind.request)
        .map(({ service, reference }) => [service, reference]);
    await until('the refusal', () => ofConnections().length > 0);
    assert.deepEqual(ofConnections().at(-1), [SERVICE, 0n]);
  }),
);

test(
  'told so, it records refused requests alone',
  withWire(
    async (wire) => {
      const requests = await answeredAndRefused(wire);
      assert.deepEqual(
        requests.map(({ verdict: found }) => found),
        [verdict.denied],
      );
    },
    { requestFlows: 'refused' },
  ),
);

test(
  'the time of a request is split: its own, the server, the response',
  withWire(async (wire) => {
    const client = await wire.client();
    const { proxy } = wire;
    client.write('POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nab');
    await until('the head', () => wire.server.received[0]?.endsWith('ab') === true);
    proxy.advance(100);
    client.write('cd');
    await until('the body', () => wire.server.received[0]?.endsWith('abcd') === true);
    proxy.advance(2000);
    wire.server.connections[0]?.write('HTTP/1.1 100 Continue\r\n\r\n');
    await client.sees('100 Continue');
    proxy.advance(1000);
    wire.server.connections[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no');
    await client.sees('\r\no');
    proxy.advance(500);
    wire.server.connections[0]?.write('k');
    await client.sees('ok');
    const [flow] = proxy.flows();
    assert.ok(flow?.detail);
    const response = Number(flow.duration) / 1000 - flow.detail.requestTime - flow.detail.serverTime;
    const tenths = [flow.detail.requestTime, flow.detail.serverTime, response].map((us) =>
      Math.floor(us / 100_000),
    );
    assert.deepEqual(tenths, [1, 30, 5]);
  }),
);

const head = (...lines: readonly string[]): Buffer =>
  Buffer.from(`GET / HTTP/1.1\r\nhost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`);

for (const [what, lines, isFound] of [
  ['a valid one', [`traceparent: ${VALUE}`], true],
  ['one of a later version that goes on', [`traceparent: cc-${ID}-${PARENT}-01-more`], true],
  ['white space around', [`traceparent:\t ${VALUE}\t `], true],
  ['two', [`traceparent: ${VALUE}`, `traceparent: ${VALUE}`], false],
  ['version 00 that goes on', [`traceparent: ${VALUE}-more`], false],
  ['version ff', [`traceparent: ff-${ID}-${PARENT}-01`], false],
  ['an id of zeros', [`traceparent: 00-${'0'.repeat(32)}-${PARENT}-01`], false],
  ['a parent of zeros', [`traceparent: 00-${ID}-${'0'.repeat(16)}-01`], false],
  ['upper case', [`traceparent: ${VALUE.toUpperCase()}`], false],
  ['one that is cut', [`traceparent: ${VALUE.slice(0, 54)}`], false],
  ['another name', [`x-traceparent: ${VALUE}`, `traceparents: ${VALUE}`], false],
  ['in the path', [`x: \ttraceparent: ${VALUE}`], false],
] as const) {
  test(`trace context: ${what}`, () => {
    const bytes = head(...lines);
    assert.equal(findTraceParent(bytes, 0, bytes.length) >= 0, isFound);
    // Where the head lies and what stands behind it mean nothing.
    const moved = Buffer.concat([Buffer.from('\ntraceparent:'), bytes, head(`traceparent: ${VALUE}`)]);
    assert.equal(findTraceParent(moved, 13, bytes.length) >= 0, isFound);
  });
}

test('a search by leaps finds what a look at every line finds', () => {
  const pieces = [
    'traceparent:',
    'TraceParent: ',
    'trace',
    'parent:',
    '\r\n',
    VALUE,
    VALUE.slice(3),
    ' ',
    'ab:',
  ];
  const valid = new RegExp(
    `^traceparent:[ \\t]*(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}[ \\t]*(\\r.*)?$`,
    'is',
  );
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), (all) => {
      const text = `GET / HTTP/1.1\r\n${all.join('')}`;
      const lines = text.split('\n').filter((line, index) => index > 0 && /^traceparent:/i.test(line));
      const [line = ''] = lines;
      const bytes = Buffer.from(text);
      assert.equal(
        findTraceParent(bytes, 0, bytes.length) >= 0,
        lines.length === 1 && valid.test(line),
        text,
      );
    }),
    { numRuns: 5000 },
  );
});
