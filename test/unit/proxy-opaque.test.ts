// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { until } from '../support/lab.ts';
import { withWire } from '../support/proxy-wire.ts';

describe('opaque connections', () => {
  const opaque = { action: 'allow' as const, rules: undefined as never };

  test(
    'bytes and FINs go both ways, and the kernel alone records it',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all === '\x00\x01hello') socket.end('\xff\xfebye', 'latin1');
      };
      const client = await wire.client();
      client.write('\x00\x01hello');
      await client.sees('\xff\xfebye');
      await client.seesEnd();
      client.socket.end();
      await until('the server’s end', () => wire.server.connections[0]?.destroyed === true);
      assert.deepEqual([wire.proxy.flows(), wire.proxy.endings], [[], []]);
    }, opaque),
  );

  test(
    'a server that is not there: the client is reset, and that is recorded',
    withWire(async (wire) => {
      wire.proxy.serverPort = 1;
      const client = await wire.client();
      await client.seesEnd();
      assert.ok(client.wasReset);
      assert.equal(wire.drops('upstream-unreachable'), 1);
      const [told, ...more] = wire.proxy.endings;
      assert.deepEqual(
        [told?.connection, told?.reason, told?.verdict, more],
        [77n, reason['upstream-unreachable'], verdict.error, []],
      );
    }, opaque),
  );

  test(
    'idle for too long: closed; active: not',
    withWire(
      async (wire) => {
        wire.server.onBytes = (socket) => socket.write('pong');
        const client = await wire.client();
        client.write('ping');
        await client.sees('pong');
        wire.proxy.advance(11_000);
        client.write('ping');
        await client.sees('pongpong');
        wire.proxy.advance(11_000);
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(client.ended || client.wasReset, false);
        wire.proxy.advance(11_000);
        await client.seesEnd();
        assert.equal(wire.drops('idle-timeout'), 1);
      },
      { ...opaque, limits: { idleTimeoutMs: 10_000 } },
    ),
  );

  test(
    'denied at accept: reset, with the rule in the record',
    withWire(
      async (wire) => {
        const client = await wire.client();
        await client.seesEnd();
        const [flow] = wire.proxy.flows();
        assert.deepEqual([flow?.reason, flow?.ingressRule, flow?.verdict], [reason['policy-denied'], 7, 2]);
        assert.equal(wire.server.connections.length, 0);
      },
      { action: 'deny' },
    ),
  );
});
