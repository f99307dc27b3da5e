// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { L7Rule } from '../../src/core/automaton/rules.ts';
import { OK, withWire } from '../support/proxy-wire.ts';

const reads = (rule: number, name: string): L7Rule => ({
  rule,
  action: 'Deny',
  matches: [{ headers: [{ name, type: 'Exact', value: 'root' }] }],
});
const everything: L7Rule = { rule: 5, action: 'Allow', matches: [] };
const post = (...trailers: string[]): string =>
  [
    'POST / HTTP/1.1',
    'Host: shop',
    'Transfer-Encoding: chunked',
    '',
    '3',
    'abc',
    '0',
    ...trailers,
    '',
    '',
  ].join('\r\n');

describe('headers that policy reads', () => {
  const options = {
    rules: [everything, reads(1, 'X-Role')],
    egressRules: [everything, reads(2, 'x-tenant')],
  };

  for (const trailer of ['X-Role: root', 'x_role: admin', 'X-TENANT: root'])
    test(
      `are refused as trailers: ${trailer}`,
      withWire(async (wire) => {
        const answer = await wire.exchange(post(trailer));
        assert.match(answer, /^HTTP\/1.1 400 /);
        assert.equal(wire.drops('http-trailer'), 1);
        assert.equal(wire.drops('http-framing'), 0);
        assert.equal(wire.server.received.length, 0, 'nothing of it has gone to the server');
      }, options),
    );

  test(
    'also when the body comes after its head, byte by byte',
    withWire(async (wire) => {
      wire.server.answer(OK);
      const client = await wire.client();
      for (const byte of post('X-Sum: 1', 'X-Role: root')) client.write(byte);
      await client.seesEnd();
      assert.equal(wire.drops('http-trailer'), 1);
      assert.equal((wire.server.received[0] ?? '').includes('root'), false);
    }, options),
  );

  test(
    'and others pass; so do those that only Audit reads',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(post('X-Roles: root', 'X-Role: root'));
        await client.sees('200 OK');
        assert.equal(wire.server.received[0], post('X-Roles: root', 'X-Role: root'));
      },
      {
        rules: [everything, { ...reads(1, 'x-role'), audit: true }],
        compile: { audit: { enforces: true, defaultDeny: 9 } },
      },
    ),
  );

  test(
    'framing names keep their own reason',
    withWire(async (wire) => {
      assert.match(await wire.exchange(post('Content-Length: 5')), /^HTTP\/1.1 400 /);
      assert.equal(wire.drops('http-framing'), 1);
    }, options),
  );
});
