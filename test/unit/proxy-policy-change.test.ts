// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import { until } from '../support/lab.ts';
import { everything, get, OK, withWire } from '../support/proxy-wire.ts';

describe('a policy that changes', () => {
  test(
    'holds for the next request of an open connection',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      client.write(get('/'));
      await client.sees('200 OK');
      wire.proxy.reconfigure({ rules: [{ rule: 6, action: 'Deny', matches: [] }] });
      client.write(get('/'));
      await client.sees('403 Forbidden');
      assert.equal(wire.proxy.flows().at(-1)?.ingressRule, 6);
      wire.proxy.reconfigure({ rules: everything });
      client.write(get('/'));
      await client.sees(/200[^]*403[^]*200/);
    }),
  );

  test(
    'an open request is finished under the policy that allowed it',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write(get('/'));
      await until('the request', () => wire.server.received[0] === get('/'));
      wire.proxy.reconfigure({ rules: [{ rule: 6, action: 'Deny', matches: [] }] });
      wire.server.connections[0]?.write(OK);
      await client.sees('200 OK');
    }),
  );

  test(
    'that forbids the connection closes it',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      client.write(get('/'));
      await client.sees('200 OK');
      wire.proxy.reconfigure({ action: 'deny' });
      await client.seesEnd();
      assert.ok(client.wasReset);
      assert.equal(wire.drops('policy-changed'), 1);
      const [told] = wire.proxy.endings;
      assert.deepEqual([told?.connection, told?.reason], [77n, reason['policy-changed']]);
    }),
  );

  for (const [what, next] of [
    ['forbids it', { action: 'deny' as const }],
    ['lets requests decide', { rules: everything }],
  ] as const) {
    test(
      `an opaque connection is closed by a policy that ${what}`,
      withWire(
        async (wire) => {
          wire.server.onConnect = (socket) => socket.write('220 ready\r\n');
          const client = await wire.client();
          await client.sees('220 ready');
          wire.proxy.reconfigure(next);
          await client.seesEnd();
          assert.equal(wire.drops('policy-changed'), 1);
          await until('the server’s end', () => wire.server.connections[0]?.destroyed === true);
        },
        { action: 'allow', rules: undefined as never },
      ),
    );
  }

  test(
    'a tunnel stays as long as the request that opened it would be allowed',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.endsWith('\r\n\r\n'))
          socket.write('HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n');
        else socket.write('echo');
      };
      const named = [
        {
          rule: 5,
          action: 'Allow' as const,
          matches: [{ headers: [{ name: 'upgrade', type: 'Present' as const }] }],
        },
      ];
      wire.proxy.reconfigure({ rules: named });
      const client = await wire.client();
      client.write(get('/', 'Connection: upgrade', 'Upgrade: websocket'));
      await client.sees('101');
      wire.proxy.reconfigure({
        rules: [...named, { rule: 9, action: 'Deny', matches: [{ path: { type: 'Exact', value: '/x' } }] }],
      });
      client.write('hi');
      await client.sees('echo');
      wire.proxy.reconfigure({ rules: everything });
      await client.seesEnd();
      assert.equal(wire.drops('policy-changed'), 1);
    }),
  );
});

describe('draining', () => {
  test(
    'a request under way is finished, and its client told that it was the last',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write(get('/'));
      await until('the request', () => wire.server.received[0] === get('/'));
      wire.proxy.engine.drain();
      wire.server.connections[0]?.write(OK);
      await client.seesEnd();
      assert.match(client.text, /200 OK[^]*connection: close[^]*ok$/);
    }),
  );

  test(
    'an idle client gets one more answer, with close',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      client.write(get('/'));
      await client.sees('ok');
      wire.proxy.engine.drain();
      client.write(get('/'));
      await client.seesEnd();
      assert.match(client.text, /ok[^]*connection: close[^]*ok$/);
    }),
  );

  test(
    'when the time is over, what is left is ended',
    withWire(async (wire) => {
      wire.server.onBytes = (socket, all) => {
        if (all.startsWith('GET')) socket.write(OK);
      };
      const idle = await wire.client();
      idle.write(get('/'));
      await idle.sees('ok');
      const busy = await wire.client();
      busy.write('POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\n');
      await until('both', () => wire.server.received.join('').includes('POST'));
      wire.proxy.engine.terminate(reason['proxy-draining']);
      await idle.seesEnd();
      await busy.seesEnd();
      assert.equal(idle.wasReset, false);
      assert.equal(busy.wasReset, true);
      assert.equal(wire.proxy.engine.shares.connections, 0);
    }),
  );
});
