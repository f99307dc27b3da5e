// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type RawClient, get, Wire } from '../support/proxy-wire.ts';
import { until } from '../support/lab.ts';

const chunked =
  'POST /c HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n';
const sized = 'POST /l HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello';
const requests = [get('/a'), get('/denied'), chunked, sized, get('/b', 'Connection: keep-alive')];
const rules = [
  { rule: 5, action: 'Allow' as const, matches: [] },
  { rule: 6, action: 'Deny' as const, matches: [{ path: { type: 'Exact' as const, value: '/denied' } }] },
];

/** Answers each request that is complete in what came. */
function echo(wire: Wire): void {
  const answered: number[] = [];
  wire.server.onBytes = (socket, all, connection) => {
    const complete = all.match(/GET [^]*?\r\n\r\n|X-T: 1\r\n\r\n|\r\n\r\nhello/g)?.length ?? 0;
    for (let n = answered[connection] ?? 0; n < complete; n++)
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    answered[connection] = complete;
  };
}

test('however a conversation is cut into segments, each request is answered in its turn and forwarded as it was', async () => {
  const wire = await Wire.open({ rules });
  echo(wire);
  try {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...requests), { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }),
        async (conversation, cuts) => {
          const before = wire.server.received.length;
          const client: RawClient = await wire.client();
          client.socket.setNoDelay(true);
          const bytes = conversation.join('');
          for (let at = 0, n = 0; at < bytes.length; n++) {
            const length = n < cuts.length ? (cuts[n] ?? 1) : bytes.length;
            client.write(bytes.slice(at, at + length));
            at += length;
            if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          const expected = conversation.map((request) => (request.includes('/denied') ? '403' : '200'));
          const seen = (): string[] =>
            (client.text.match(/HTTP\/1\.1 (\d+)/g) ?? []).map((line) => line.slice(9));
          await until(
            `${expected.join()} after ${seen().join()}`,
            () => seen().length === expected.length,
            3000,
          );
          assert.deepEqual(seen(), expected);
          const forwarded = wire.server.received.slice(before).join('');
          const allowed = conversation.filter((request) => !request.includes('/denied'));
          if (wire.server.received.length > before) {
            assert.equal(forwarded, allowed.join('').replaceAll('Connection: keep-alive\r\n', ''));
          }
          client.socket.destroy();
        },
      ),
      { numRuns: 150 },
    );
  } finally {
    wire.close();
  }
});

test('no bytes that a client may send make the proxy fail, or reach the server without a verdict', async () => {
  const wire = await Wire.open({ rules: [{ rule: 5, action: 'Allow', matches: [{ methods: ['PUT'] }] }] });
  try {
    const piece = fc.oneof(
      fc.constantFrom(
        'GET / HTTP/1.1\r\n',
        'Host: a\r\n',
        'Content-Length: 3\r\n',
        'Transfer-Encoding: chunked\r\n',
        '\r\n',
        '0\r\n\r\n',
        '\n',
        ' ',
        ':',
      ),
      fc.string({ maxLength: 20 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 12 }), async (pieces) => {
        const client = await wire.client();
        for (const text of pieces) client.write(text);
        client.socket.end();
        await client.seesEnd();
        client.socket.destroy();
        assert.deepEqual(wire.proxy.faults, []);
        assert.equal(wire.server.connections.length, 0);
      }),
      { numRuns: 200 },
    );
  } finally {
    wire.close();
  }
});
