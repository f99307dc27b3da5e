// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import type { L7Rule } from '../../src/core/automaton/rules.ts';
import { until } from '../support/lab.ts';
import { DEFAULT_DENY, type DecodedFlow } from '../support/proxy-engine.ts';
import { get, OK, type Wire, withWire } from '../support/proxy-wire.ts';

const rule = (number: number, action: L7Rule['action'], path: string, audit = false): L7Rule => ({
  rule: number,
  action,
  matches: [{ path: { type: 'PathPrefix', value: path } }],
  audit,
});
const requests = (wire: Wire): DecodedFlow[] => wire.proxy.flows().filter(({ kind }) => kind === 3);
const told = ({ target, status, verdict: said, egressRule, ingressRule }: DecodedFlow): unknown[] => [
  target,
  status,
  said,
  egressRule,
  ingressRule,
];

describe('Audit beside rules that are enforced', () => {
  const compile = { audit: { enforces: true, defaultDeny: DEFAULT_DENY } };
  const rules = [
    { rule: 1, action: 'Allow' as const, matches: [{ methods: ['GET', 'POST'] }] },
    rule(2, 'Deny', '/admin', true),
  ];

  test(
    'a request that Audit would refuse passes and is recorded with the rule that would',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(get('/admin') + get('/') + get('/').replace('GET', 'PUT'));
        await client.sees(/200 OK[^]*200 OK[^]*403/);
        assert.deepEqual(requests(wire).map(told), [
          ['/admin', 200, verdict.audited, 0, 2],
          ['/', 200, verdict.allowed, 0, 1],
          ['/', 403, verdict.denied, 0, 0],
        ]);
        assert.equal(requests(wire)[0]?.direction, direction.ingress);
      },
      { rules, compile },
    ),
  );

  test(
    'a path that only Audit finds ambiguous passes, reported under the default deny',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(get('//admin/../x%2Fy'));
        await client.sees('200 OK');
        assert.equal(wire.server.received[0], get('//admin/../x%2Fy'));
        assert.deepEqual(requests(wire).map(told), [
          ['//admin/../x%2Fy', 200, verdict.audited, 0, DEFAULT_DENY],
        ]);
      },
      { rules, compile },
    ),
  );

  test(
    'one side enforces, the other only reports: each has its say',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(get('/a') + get('/b') + get('/c'));
        await client.sees(/200 OK[^]*200 OK[^]*403/);
        assert.deepEqual(requests(wire).map(told), [
          ['/a', 200, verdict.allowed, 7, 1],
          ['/b', 200, verdict.audited, DEFAULT_DENY, 3],
          ['/c', 403, verdict.denied, 7, 0],
        ]);
        assert.equal(requests(wire)[1]?.direction, direction.egress);
      },
      {
        rules: [rule(1, 'Allow', '/a'), rule(3, 'Allow', '/b')],
        egressRules: [rule(2, 'Allow', '/a')],
        egressAction: 'allow',
      },
    ),
  );
});

describe('Audit where nothing is enforced', () => {
  const observed = { rules: [rule(1, 'Allow', '/a')], action: 'allow' as const };

  test(
    'requests pass as they are and are reported, in pieces and pipelined',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      const sent = get('/a', 'Connection: keep-alive, x-y', 'X-Y: 1') + get('/b') + get('//a');
      for (const byte of sent) client.write(byte);
      await client.sees(/(200 OK[^]*){3}/);
      assert.equal(wire.server.received[0], sent);
      await until('three records', () => requests(wire).length === 3);
      assert.deepEqual(requests(wire).map(told), [
        ['/a', 200, verdict.allowed, 0, 7],
        ['/b', 200, verdict.audited, 0, DEFAULT_DENY],
        ['//a', 200, verdict.audited, 0, DEFAULT_DENY],
      ]);
      client.socket.end();
      await until('the end at the server', () => wire.server.connections[0]?.readableEnded === true);
    }, observed),
  );

  test(
    'a body is followed to its end, and a response to its own',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('0\r\n\r\n'))
          socket.write(
            'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
          );
        if (all.endsWith(get('/a'))) socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
      };
      const client = await wire.client();
      client.write(`POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n`);
      await client.sees('0\r\n\r\n');
      client.write(get('/a'));
      await client.sees('until the end');
      await client.seesEnd();
      client.socket.end();
      await until('two records', () => requests(wire).length === 2);
      assert.deepEqual(requests(wire).map(told), [
        ['/b', 200, verdict.audited, 0, DEFAULT_DENY],
        ['/a', 200, verdict.allowed, 0, 7],
      ]);
    }, observed),
  );

  const opaque: readonly (readonly [string, string])[] = [
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
    ['bare line feeds', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    [
      'ambiguous framing',
      'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['a bad chunk', 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a head without end', `GET /a HTTP/1.1\r\nX: ${'x'.repeat(70_000)}`],
  ];
  for (const [what, bytes] of opaque) {
    test(
      `${what}: goes on untouched both ways`,
      withWire(async (wire) => {
        wire.server.onBytes = (socket, all) => {
          if (all === `${bytes}more`) socket.end('\x00bye');
        };
        const client = await wire.client();
        client.write(bytes);
        await until('the bytes at the server', () => wire.server.received[0] === bytes);
        client.write('more');
        await client.sees('\x00bye');
        await client.seesEnd();
        assert.equal(client.wasReset, false);
      }, observed),
    );
  }

  test(
    'a server that speaks first is heard at once, and goes on',
    withWire(async (wire) => {
      wire.server.onConnect = (socket) => socket.write('220 ready\r\n');
      wire.server.onBytes = (socket, all) => socket.end(`got ${all}`);
      const client = await wire.client();
      await client.sees('220 ready');
      client.write('EHLO x\r\n');
      await client.sees('got EHLO x');
      await client.seesEnd();
    }, observed),
  );

  test(
    'an upgrade leaves HTTP for good, CONNECT too, and a refused one does not',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('one\r\n\r\n')) socket.write('HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n');
        if (all.endsWith('two\r\n\r\n')) socket.write('HTTP/1.1 101 Switching\r\nUpgrade: two\r\n\r\n');
        if (all.endsWith('\x00ping')) socket.write('\x00pong');
      };
      const upgrade = (to: string): string => get('/a', 'Connection: upgrade', `Upgrade: ${to}`);
      const client = await wire.client();
      client.write(upgrade('one'));
      await client.sees('400 No');
      client.write(upgrade('two'));
      await client.sees('101');
      client.write('\x00ping');
      await client.sees('\x00pong');
      // An upgrade must be named, so Audit would have refused both.
      assert.deepEqual(requests(wire).map(told), [
        ['/a', 400, verdict.audited, 0, DEFAULT_DENY],
        ['/a', 101, verdict.audited, 0, DEFAULT_DENY],
      ]);
    }, observed),
  );

  test(
    'a slow reader holds up the fast side, and nothing is lost',
    withWire(async (wire) => {
      const size = 32 << 20; // more than all buffers on the way hold
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('\r\n\r\n'))
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'z'.repeat(size)}`);
      };
      const client = await wire.client();
      client.socket.pause();
      client.write(get('/a'));
      await until('some of it in the way', () => (wire.server.connections[0]?.writableLength ?? 0) > 0);
      client.socket.resume();
      await until('all of it', () => client.text.length > size);
      await until('its record', () => requests(wire).length === 1);
      assert.equal(requests(wire)[0]?.bytesReceived, BigInt(client.text.length));
    }, observed),
  );

  test(
    'a server that hangs up on a request: recorded as such, the client learns it',
    withWire(async (wire) => {
      wire.server.onBytes = (socket) => socket.resetAndDestroy();
      const client = await wire.client();
      client.write(get('/b'));
      await client.seesEnd();
      await until('its record', () => requests(wire).length === 1);
      assert.deepEqual(requests(wire).map(told), [['/b', 0, verdict.error, 0, DEFAULT_DENY]]);
    }, observed),
  );

  test(
    'rules that are enforced from now on end what nobody has followed',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      client.write(get('/b'));
      await client.sees('200 OK');
      wire.proxy.reconfigure({ rules: [rule(1, 'Allow', '/a')] });
      await client.seesEnd();
      assert.equal(wire.drops('policy-changed'), 1);
    }, observed),
  );
});
