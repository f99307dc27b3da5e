// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../support/lab.ts';
import { get, withWire } from '../support/proxy-wire.ts';

const post = (...lines: string[]): string => ['POST / HTTP/1.1', 'Host: shop', ...lines].join('\r\n');

describe('responses that break the rules are answered with 502', () => {
  for (const [what, response] of [
    ['no HTTP at all', 'hello\r\n\r\n'],
    [
      'length and chunked',
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n'],
    ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 0\r\n\r\n'],
    ['too many headers', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(300)}\r\n`],
    ['too long a head', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70000)}\r\n\r\n`],
  ] as const) {
    test(
      what,
      withWire(async (wire) => {
        wire.server.answer(response);
        const text = await wire.exchange(get('/'));
        assert.match(text, /^HTTP\/1\.1 502 /);
        assert.equal(wire.drops('http-response-malformed'), 1);
        await until('the end at the server', () => wire.server.connections[0]?.destroyed === true);
      }),
    );
  }

  test(
    'a chunked response that goes wrong is cut off, so that it can not pass for whole',
    withWire(async (wire) => {
      wire.server.answer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n');
      const client = await wire.client();
      client.write(get('/'));
      await client.sees('Wiki');
      wire.server.connections[0]?.write('nonsense\r\n');
      await client.seesEnd();
      assert.ok(client.wasReset);
    }),
  );
});

describe('resets and vanishing peers at every stage', () => {
  for (const [stage, request, ready] of [
    ['before a byte', '', 0],
    ['in a head', 'GET / HT', 0],
    ['in a body', 'POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n012', 1],
    ['while the answer is awaited', get('/'), 1],
    ['in a chunked body', post('Transfer-Encoding: chunked', '', '4\r\nWi'), 1],
  ] as const) {
    test(
      `the client resets ${stage}: nothing is left behind`,
      withWire(async (wire) => {
        const client = await wire.client();
        client.write(request);
        await until('the stage', () => wire.server.connections.length === ready);
        await until('its bytes', () => ready === 0 || wire.server.received[0] !== '');
        await new Promise((resolve) => setTimeout(resolve, 20));
        client.socket.resetAndDestroy();
        await until('all sockets to be gone', () => wire.proxy.sockets === 0);
        assert.equal(wire.proxy.engine.shares.connections, 0);
        assert.equal(wire.proxy.engine.shares.of(1).bytes, 0);
      }),
    );
  }

  for (const [stage, response, seen] of [
    ['before an answer', '', /^HTTP\/1\.1 502 /],
    ['in the head of an answer', 'HTTP/1.1 200 OK\r\nX: y', /^HTTP\/1\.1 502 /],
    ['in the body of an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012', /012$/],
    ['in a chunked answer', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWi', /Wi$/],
    ['in an answer without length', 'HTTP/1.1 200 OK\r\n\r\nabc', /abc$/],
  ] as const) {
    test(
      `the server resets ${stage}`,
      withWire(async (wire) => {
        wire.server.onBytes = (socket) => {
          socket.write(response);
          setTimeout(() => socket.resetAndDestroy(), 30);
        };
        const client = await wire.client();
        client.write(get('/'));
        await client.seesEnd();
        assert.match(client.text, seen);
        if (!client.text.includes(' 502 ')) assert.ok(client.wasReset, 'half an answer must not look whole');
        assert.equal(wire.drops('upstream-closed'), 1);
        await until('all sockets to be gone', () => wire.proxy.sockets === 0);
      }),
    );
  }

  test(
    'a server that is not there: 502, and the announcement is taken back',
    withWire(async (wire) => {
      wire.proxy.serverPort = 1;
      assert.match(await wire.exchange(get('/')), /^HTTP\/1\.1 502 /);
      assert.equal(wire.drops('upstream-unreachable'), 1);
      assert.equal(wire.proxy.notices.length, 1);
      assert.deepEqual(wire.proxy.withdrawn, wire.proxy.notices);
    }),
  );

  test(
    'a connection that the kernel did not steer is reset and counted',
    withWire(
      async (wire) => {
        const client = await wire.client();
        await client.seesEnd();
        assert.equal(wire.drops('not-steered'), 1);
        assert.equal(wire.server.connections.length, 0);
      },
      { unsteered: true },
    ),
  );

  test(
    'inbound, to the listener’s own address: nobody was steered there',
    withWire(
      async (wire) => {
        const client = await wire.client();
        await client.seesEnd();
        assert.equal(wire.drops('not-steered'), 1);
      },
      { direction: 'inbound', inboundAddress: '127.0.0.1' },
    ),
  );
});
