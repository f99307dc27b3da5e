// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../support/lab.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

describe('upgrade and CONNECT', () => {
  const handshake = get('/chat', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x');
  const named = {
    rules: [
      {
        rule: 5,
        action: 'Allow' as const,
        matches: [{ headers: [{ name: 'upgrade', type: 'Exact' as const, value: 'websocket' }] }],
      },
      { rule: 8, action: 'Allow' as const, matches: [{ methods: ['CONNECT'] }] },
    ],
  };

  test(
    'a named upgrade passes; after 101 bytes go both ways untouched',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('\r\n\r\n')) {
          socket.write(
            'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello',
          );
        } else if (all.endsWith('\x00\xffping')) socket.write('pong\n\n');
      };
      const client = await wire.client();
      client.write(handshake);
      await client.sees(/101 [^]*Upgrade: websocket[^]*connection: upgrade\r\n\r\nhello/i);
      client.write('\x00\xffping');
      await client.sees('pong\n\n');
      assert.match(
        wire.server.received[0] ?? '',
        /^GET \/chat [^]*Upgrade: websocket\r\n[^]*connection: upgrade\r\n\r\n/,
      );
      client.socket.end();
      await until('the FIN at the server', () => wire.server.connections[0]?.readableEnded === true);
    }, named),
  );

  test(
    'what a client sends before 101 is not taken for a tunnel when the server declines',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.split('\r\n\r\n').length === 2) setTimeout(() => socket.write(OK), 30);
      };
      const client = await wire.client();
      client.write(`${handshake}GET /admin HTTP/1.1\r\nHost: shop\r\n\r\n`);
      await client.sees('HTTP/1.1 403 ');
      assert.doesNotMatch(wire.server.received[0] ?? '', /admin/);
    }, named),
  );

  test(
    'an upgrade that no rule names is refused',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write(handshake);
      await client.sees('HTTP/1.1 403 ');
      assert.equal(wire.drops('http-upgrade-refused'), 1);
      assert.equal(wire.server.connections.length, 0);
    }),
  );

  for (const protocol of ['h2c', 'websocket, h2c', 'HTTP/2.0']) {
    test(
      `Upgrade: ${protocol} is refused whatever the rules say`,
      withWire(
        async (wire) => {
          const client = await wire.client();
          client.write(
            get(
              '/',
              'Connection: Upgrade, HTTP2-Settings',
              `Upgrade: ${protocol}`,
              'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA',
            ),
          );
          await client.sees('HTTP/1.1 403 ');
          assert.equal(wire.drops('http-upgrade-refused'), 1);
          assert.equal(wire.server.connections.length, 0);
        },
        {
          rules: [
            { rule: 5, action: 'Allow', matches: [{ headers: [{ name: 'upgrade', type: 'Present' }] }] },
          ],
        },
      ),
    );
  }

  test(
    'upgrades can be switched off',
    withWire(
      async (wire) => {
        const client = await wire.client();
        client.write(handshake);
        await client.sees('HTTP/1.1 403 ');
      },
      { ...named, limits: { upgrade: false } },
    ),
  );

  test(
    '101 that nobody asked for is a fault of the server',
    withWire(async (wire) => {
      wire.server.answer('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
      const client = await wire.client();
      client.write(get('/'));
      await client.sees('HTTP/1.1 502 ');
      assert.equal(wire.drops('http-response-malformed'), 1);
    }),
  );

  test(
    'CONNECT that a rule names passes after 2xx',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 Connected\r\n\r\n');
        else if (all.endsWith('raw')) socket.write('raw too');
      };
      const client = await wire.client();
      client.write('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n');
      await client.sees('HTTP/1.1 200 Connected\r\n\r\n');
      client.write('raw');
      await client.sees('raw too');
    }, named),
  );

  test(
    'CONNECT that no rule names is refused',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n');
      await client.sees('HTTP/1.1 403 ');
      assert.equal(wire.drops('http-upgrade-refused'), 1);
    }),
  );
});
