// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../support/lab.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

describe('requests and responses', () => {
  test(
    'keep-alive: requests of one client share one connection to the server',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      for (let n = 1; n <= 3; n++) {
        client.write(get(`/${String(n)}`));
        await until('a response', () => client.text.length === n * OK.length);
      }
      assert.equal(wire.server.connections.length, 1);
      assert.deepEqual(
        wire.proxy.flows().map((flow) => flow.target),
        ['/1', '/2', '/3'],
      );
    }),
  );

  test(
    'a head is forwarded byte for byte but for hop-by-hop lines',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      const kept =
        'GET /a?b=c HTTP/1.1\r\nhOsT: shop\r\nX-Odd:  two  spaces \r\nCookie: a=b\r\nCookie: c=d\r\n';
      client.write(
        `${kept}Connection: keep-alive, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nProxy-Connection: close\r\n` +
          'TE: trailers\r\nx-mine: 2\r\nX-Mine-Too: 3\r\n\r\n',
      );
      await client.sees('ok');
      assert.equal(wire.server.received[0], `${kept}X-Mine-Too: 3\r\n\r\n`);
    }),
  );

  test(
    'hop-by-hop lines of a response stay here',
    withWire(async (wire) => {
      wire.server.answer(
        'HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=9\r\nX-Hop: 1\r\nETag: "e"\r\nContent-Length: 2\r\n\r\nok',
      );
      const client = await wire.client();
      client.write(get('/'));
      await client.sees('ok');
      assert.equal(client.text, 'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 2\r\n\r\nok');
    }),
  );

  test(
    'a client that asks for close is told so and closed; the server is not',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const text = await wire.exchange(get('/', 'Connection: close'));
      assert.equal(text, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok');
      assert.doesNotMatch(wire.server.received[0] ?? '', /connection/i);
    }),
  );

  test(
    'pipelined requests are answered in order, one at a time',
    withWire(async (wire) => {
      const waiting: (() => void)[] = [];
      wire.server.onBytes = (socket, all) => {
        const last = all.split('\r\n\r\n').at(-2)?.split(' ')[1] ?? '';
        waiting.push(() =>
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(last.length)}\r\n\r\n${last}`),
        );
      };
      const client = await wire.client();
      client.write(get('/one') + get('/two') + get('/three'));
      for (let n = 0; n < 3; n++) {
        await until('a request at the server', () => waiting.length === n + 1);
        waiting[n]?.();
      }
      await client.sees(/\/one[^]*\/two[^]*\/three/);
      assert.equal(wire.server.received[0], get('/one') + get('/two') + get('/three'));
    }),
  );

  test(
    'a pipelined request is judged, too, and its refusal comes in its turn',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(get('/a') + get('/admin') + get('/b', 'Connection: close'));
        await client.seesEnd();
        assert.match(client.text, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 403 [^]*HTTP\/1\.1 200 /);
        assert.equal(wire.server.received[0], `${get('/a')}GET /b HTTP/1.1\r\nHost: shop\r\n\r\n`);
      },
      {
        rules: [
          { rule: 5, action: 'Allow', matches: [] },
          { rule: 6, action: 'Deny', matches: [{ path: { type: 'PathPrefix', value: '/admin' } }] },
        ],
      },
    ),
  );

  test(
    'a body of a stated length is passed as it comes, and its end is known',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('0123456789')) socket.write(OK);
      };
      const client = await wire.client();
      client.write('POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n01234');
      await until('half the body', () => wire.server.received[0]?.endsWith('01234') === true);
      client.write(`56789${get('/next')}`);
      await until('the next request', () => wire.server.received[0]?.endsWith(get('/next')) === true);
    }),
  );

  test(
    'chunked bodies with trailers pass both ways',
    withWire(async (wire) => {
      const body = '4\r\nWiki\r\nA\r\n0123456789\r\n0\r\nX-Sum: abc\r\n\r\n';
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('X-Sum: abc\r\n\r\n')) {
          socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`);
        }
      };
      const client = await wire.client();
      const head = 'POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n';
      for (const byte of head + body) client.write(byte);
      await client.sees('X-Sum: abc\r\n\r\n');
      assert.equal(wire.server.received[0], head + body);
      assert.ok(client.text.endsWith(body));
    }),
  );

  test(
    'Expect: 100-continue: the server decides when the body comes',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
        else if (all.endsWith('body')) socket.write(OK);
      };
      const client = await wire.client();
      client.write('PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n');
      await client.sees('HTTP/1.1 100 Continue\r\n\r\n');
      client.write('body');
      await client.sees(OK);
      assert.match(wire.server.received[0] ?? '', /Expect: 100-continue/);
    }),
  );

  test(
    'interim responses are passed, and the final one is still awaited',
    withWire(async (wire) => {
      wire.server.answer(
        `HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${OK}`,
      );
      const client = await wire.client();
      client.write(get('/'));
      await client.sees(/103[^]*102[^]*200 OK/);
      client.write(get('/again'));
      await client.sees(/200[^]*200/);
    }),
  );

  for (const [what, request, response] of [
    ['HEAD', 'HEAD / HTTP/1.1\r\nHost: shop\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'],
    ['204', get('/'), 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['304', get('/'), 'HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n'],
    ['length 0', get('/'), 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ] as const) {
    test(
      `${what}: the response ends with its head`,
      withWire(async (wire) => {
        wire.server.answer(response);
        const client = await wire.client();
        client.write(request);
        await until('the response', () => client.text === response);
        client.write(request);
        await until('another on the same connection', () => client.text === response + response);
      }),
    );
  }

  test(
    'a response without a length ends when the server closes',
    withWire(async (wire) => {
      wire.server.onBytes = (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
      assert.equal(await wire.exchange(get('/')), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it');
    }),
  );

  test(
    'HTTP/1.0 is served and closed',
    withWire(async (wire) => {
      wire.server.onBytes = (socket) =>
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
      const text = await wire.exchange('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      assert.match(text, /^HTTP\/1\.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok$/);
    }),
  );

  test(
    'half-close: a client that has said all still gets its answer',
    withWire(async (wire) => {
      wire.server.onBytes = (socket) => setTimeout(() => socket.write(OK), 50);
      const client = await wire.client();
      client.socket.end(get('/'));
      await client.seesEnd();
      assert.match(client.text, /200 OK[^]*ok$/);
    }),
  );

  test(
    'a server that answers before the body is complete is heard, then both ends are closed',
    withWire(async (wire) => {
      wire.server.answer('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nbig!');
      const client = await wire.client();
      client.write('POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\nx');
      await client.seesEnd();
      assert.match(client.text, /413[^]*big!$/);
      assert.equal(wire.proxy.flows().at(-1)?.status, 413);
    }),
  );
});
