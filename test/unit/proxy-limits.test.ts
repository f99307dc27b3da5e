// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../support/lab.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

describe('limits', () => {
  test(
    'a head longer than the limit: 431',
    withWire(
      async (wire) => {
        const text = await wire.exchange(get('/', `X: ${'y'.repeat(2000)}`));
        assert.match(text, /^HTTP\/1\.1 431 /);
        assert.equal(wire.drops('http-head-too-large'), 1);
      },
      { limits: { headBytes: 1024 } },
    ),
  );

  test(
    'a head just within the limit passes',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const head = get('/', 'X: ');
        assert.match(
          await wire.exchange(
            get('/', `X: ${'y'.repeat(1023 - head.length)}`).replace('GET', 'GET') +
              get('/', 'Connection: close'),
          ),
          /200 OK/,
        );
      },
      { limits: { headBytes: 1024 } },
    ),
  );

  test(
    'an endless head that never ends a line: 431 at the limit',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write('GET / HTTP/1.1\r\nX: ');
      for (let n = 0; n < 80 && !client.ended; n++) client.write('y'.repeat(1024));
      await client.sees('HTTP/1.1 431 ');
      assert.equal(wire.server.connections.length, 0);
    }),
  );

  test(
    'more header lines than the limit: 431',
    withWire(
      async (wire) => {
        assert.match(await wire.exchange(get('/', ...Array<string>(20).fill('X: y'))), /^HTTP\/1\.1 431 /);
        assert.equal(wire.drops('http-too-many-headers'), 1);
      },
      { limits: { headers: 16 } },
    ),
  );

  test(
    'a slow head: 408 when its time is over, however often a byte comes',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write('GET / HTTP/1.1\r\nX: ');
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (let n = 0; n < 4; n++) {
        wire.proxy.advance(3000);
        client.write('T');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await client.sees('HTTP/1.1 408 ');
      await client.seesEnd();
      assert.equal(wire.drops('http-head-timeout'), 1);
    }),
  );

  test(
    'an idle connection is closed when its time is over, not before',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(get('/'));
        await client.sees('ok');
        wire.proxy.advance(9000);
        await new Promise((resolve) => setTimeout(resolve, 30));
        assert.equal(client.ended, false);
        wire.proxy.advance(1500);
        await client.seesEnd();
        assert.equal(client.wasReset, false);
        assert.equal(wire.drops('idle-timeout'), 1);
      },
      { limits: { idleTimeoutMs: 10_000 } },
    ),
  );

  test(
    'a server that does not answer: 504',
    withWire(
      async (wire) => {
        const client = await wire.client();
        client.write(get('/'));
        await until(
          'the request',
          () => wire.server.received[0] !== undefined && wire.server.received[0] !== '',
        );
        wire.proxy.advance(1100);
        await client.sees('HTTP/1.1 504 ');
        assert.equal(wire.drops('upstream-timeout'), 1);
      },
      { limits: { idleTimeoutMs: 1000 } },
    ),
  );

  test(
    'a server that stops in the middle of a response: the client is reset, not left with half',
    withWire(
      async (wire) => {
        wire.server.answer('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
        const client = await wire.client();
        client.write(get('/'));
        await client.sees('half');
        wire.proxy.advance(1100);
        await client.seesEnd();
        assert.ok(client.wasReset);
      },
      { limits: { idleTimeoutMs: 1000 } },
    ),
  );

  test(
    'connections beyond a workload’s share are reset and counted; the others go on',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const first = await wire.client();
        const second = await wire.client();
        first.write(get('/'));
        second.write(get('/'));
        await first.sees('ok');
        await second.sees('ok');
        const third = await wire.client();
        await third.seesEnd();
        assert.equal(wire.drops('connection-limit'), 1);
        first.socket.destroy();
        await until('the share to be given back', () => wire.proxy.engine.shares.connections === 1);
        const fourth = await wire.client();
        fourth.write(get('/'));
        await fourth.sees('ok');
      },
      { limits: { connectionsPerWorkload: 2 } },
    ),
  );

  test(
    'a slow reader stops the server, and costs a bounded amount of memory',
    withWire(async (wire) => {
      const size = 64 * 1024 * 1024;
      let written = 0;
      wire.server.onBytes = (socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${String(size)}\r\n\r\n`);
        const more = (): void => {
          while (written < size && socket.write(Buffer.alloc(65536, 'x'))) written += 65536;
          if (written < size) socket.once('drain', more);
        };
        more();
      };
      const client = await wire.client();
      client.socket.pause();
      client.write(get('/'));
      let before = -1;
      await until('the server to stand still', async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const stands = before === written && written > 0;
        before = written;
        return stands;
      });
      assert.ok(written < size / 2, `${String(written)} bytes were taken`);
      assert.ok(wire.proxy.engine.reactor.stats.queuedBytes < 1 << 20);
      assert.ok(wire.proxy.engine.shares.of(1).bytes < 1 << 20);
    }),
  );

  test(
    'a server that reads slowly stops the client',
    withWire(async (wire) => {
      wire.server.onConnect = (socket) => socket.pause();
      const client = await wire.client();
      client.write('POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000000\r\n\r\n');
      let taken = 0;
      const more = (): void => {
        while (client.socket.write(Buffer.alloc(65536, 'x'), () => (taken += 65536)));
        client.socket.once('drain', more);
      };
      more();
      let before = -1;
      await until('the client to stand still', async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const stands = before === taken && taken > 0;
        before = taken;
        return stands;
      });
      assert.ok(wire.proxy.engine.reactor.stats.queuedBytes < 1 << 20);
    }),
  );

  test(
    'buffers beyond a workload’s share cost the connection that grows, with a reason',
    withWire(
      async (wire) => {
        wire.server.answer(`HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n${'x'.repeat(9_000_000)}`);
        const clients = await Promise.all([1, 2, 3, 4].map(() => wire.client()));
        for (const client of clients) {
          client.socket.pause();
          client.write(get('/'));
        }
        await until('the limit to bite', () => wire.drops('memory-limit') > 0);
        assert.ok(wire.proxy.engine.shares.of(1).bytes <= 65536 * 2);
      },
      { limits: { bytesPerWorkload: 65536 } },
    ),
  );

  test(
    'a flood of pipelined requests is worked off in turns, all of it in order',
    withWire(
      async (wire) => {
        const client = await wire.client();
        client.write(get('/no').repeat(500) + get('/no', 'Connection: close'));
        await client.seesEnd();
        assert.equal(client.text.split('HTTP/1.1 403').length - 1, 501);
      },
      { rules: [{ rule: 5, action: 'Allow', matches: [{ methods: ['PUT'] }] }] },
    ),
  );
});

test(
  '2,000 idle connections are held, and served when they speak',
  withWire(async (wire) => {
    wire.server.answer(OK);
    const clients = [];
    for (let n = 0; n < 2000; n++) clients.push(await wire.client());
    await until('all to be accepted', () => wire.proxy.engine.shares.connections === 2000);
    clients[1234]?.write(get('/'));
    await clients[1234]?.sees('ok');
    assert.equal(wire.server.connections.length, 1);
  }),
);
