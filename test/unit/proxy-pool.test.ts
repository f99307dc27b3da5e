// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '../support/lab.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

describe('connections to the server', () => {
  test(
    'a server that closes after its response gets a new connection for the next request',
    withWire(async (wire) => {
      wire.server.onBytes = (socket) =>
        socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
      const client = await wire.client();
      client.write(get('/1'));
      await client.sees('ok');
      client.write(get('/2'));
      await client.sees(/ok[^]*ok/);
      assert.equal(wire.server.connections.length, 2);
      assert.doesNotMatch(client.text, /connection/i);
    }),
  );

  test(
    'a kept connection that the server has just closed costs the client nothing',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all, connection) => {
        if (connection === 0 && all.includes('/2')) socket.destroy();
        else socket.write(OK);
      };
      const client = await wire.client();
      client.write(get('/1'));
      await client.sees('ok');
      client.write(get('/2', 'Connection: keep-alive', 'X-Last: 1'));
      await client.sees(/ok[^]*ok/);
      assert.equal(wire.server.received[1], get('/2', 'X-Last: 1'));
    }),
  );

  test(
    'what could do harm twice is not repeated',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.includes('/2')) socket.destroy();
        else socket.write(OK);
      };
      const client = await wire.client();
      client.write(get('/1'));
      await client.sees('ok');
      client.write('POST /2 HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n');
      await client.sees('HTTP/1.1 502 ');
      assert.equal(wire.server.connections.length, 1);
      assert.equal(wire.drops('upstream-closed'), 1);
    }),
  );

  test(
    'short client connections share a connection to the server',
    withWire(async (wire) => {
      wire.server.answer(OK);
      for (let n = 0; n < 5; n++) assert.match(await wire.exchange(get('/', 'Connection: close')), /200 OK/);
      assert.equal(wire.server.connections.length, 1);
    }),
  );

  test(
    'pooling can be off: each client has a connection to the server of its own',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        for (let n = 0; n < 3; n++)
          assert.match(await wire.exchange(get('/', 'Connection: close')), /200 OK/);
        assert.equal(wire.server.connections.length, 3);
      },
      { pooling: false },
    ),
  );

  test(
    'an idle connection to a server that says something unasked is not used again',
    withWire(async (wire) => {
      wire.server.answer(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
      const client = await wire.client();
      client.write(get('/1'));
      await client.sees('ok');
      wire.server.answer(OK);
      client.write(get('/2'));
      await until('another connection', () => wire.server.connections.length === 2);
      await client.sees(/ok[^]*ok/);
      assert.doesNotMatch(client.text, /evil/);
    }),
  );
});

test(
  'a local port that is taken to this very destination is changed for another',
  withWire(async (wire) => {
    wire.server.answer(OK);
    const client = await wire.client();
    const { reactor } = wire.proxy.engine;
    const connect = reactor.connect.bind(reactor);
    let refused = 0;
    // What connect() says when two of our sockets were bound to the same port.
    reactor.connect = (slot, address, port, family): void => {
      if (refused++ > 0) connect(slot, address, port, family);
      else setImmediate(() => wire.proxy.engine.owners.of(slot)?.connected(slot, 99));
    };
    client.write(get('/'));
    await client.sees('200 OK');
    assert.equal(refused, 2);
    assert.equal(wire.server.received[0], get('/'));
  }),
);
