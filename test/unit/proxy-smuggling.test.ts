// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { until } from '../support/lab.ts';
import { get, withWire } from '../support/proxy-wire.ts';

const post = (...lines: string[]): string => ['POST / HTTP/1.1', 'Host: shop', ...lines].join('\r\n');

/** Each must be answered 400 (or what is given) and closed, and no byte may reach the server. */
const refused: readonly (readonly [what: string, request: string, status?: number])[] = [
  ['length and chunked', post('Content-Length: 4', 'Transfer-Encoding: chunked', '', '0\r\n\r\n')],
  ['chunked and length', post('Transfer-Encoding: chunked', 'Content-Length: 4', '', '0\r\n\r\n')],
  ['chunked twice', post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', '', '0\r\n\r\n')],
  ['chunked not last', post('Transfer-Encoding: chunked, identity', '', '0\r\n\r\n')],
  ['an unknown coding', post('Transfer-Encoding: xchunked', '', '0\r\n\r\n')],
  ['a vertical tab before chunked', post('Transfer-Encoding: \x0bchunked', '', '0\r\n\r\n')],
  ['quoted chunked', post('Transfer-Encoding: "chunked"', '', '0\r\n\r\n')],
  ['underscore for dash', post('Transfer_Encoding: chunked', '', '0\r\n\r\n')],
  ['two different lengths', post('Content-Length: 4', 'Content-Length: 5', '', 'abcde')],
  ['two equal lengths', post('Content-Length: 4', 'Content-Length: 4', '', 'abcd')],
  ['a list of lengths', post('Content-Length: 4, 4', '', 'abcd')],
  ['a signed length', post('Content-Length: +4', '', 'abcd')],
  ['a negative length', post('Content-Length: -1', '', '')],
  ['a hexadecimal length', post('Content-Length: 0x4', '', 'abcd')],
  ['a length with a space', post('Content-Length: 4 4', '', 'abcd')],
  ['an empty length', post('Content-Length:', '', '')],
  ['a huge length', post('Content-Length: 99999999999999999999', '', 'x'), 413],
  ['bare LF lines', 'GET / HTTP/1.1\nHost: shop\n\n'],
  ['a bare LF within', 'GET / HTTP/1.1\r\nHost: shop\nX: y\r\n\r\n'],
  ['a bare CR', 'GET / HTTP/1.1\r\nHost: shop\rX: y\r\n\r\n'],
  ['obsolete folding', get('/', 'X: a', ' b')],
  ['folding of a length', post('Content-Length: 1', '\t0', '', '0123456789')],
  ['NUL in a value', get('/', 'X: a\x00b')],
  ['NUL in a name', get('/', 'X\x00: a')],
  ['white space before the colon', post('Content-Length : 4', '', 'abcd')],
  ['a tab before the colon', post('Transfer-Encoding\t: chunked', '', '0\r\n\r\n')],
  ['a header without a name', get('/', ': a')],
  ['a header without a colon', get('/', 'abc')],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
  ['two Hosts', get('/', 'Host: other')],
  ['an odd Host', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
  ['HTTP/0.9', 'GET /\r\n\r\n'],
  ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  ['another version', 'GET / HTTP/1.2\r\nHost: shop\r\n\r\n', 505],
  ['two spaces', 'GET  / HTTP/1.1\r\nHost: shop\r\n\r\n'],
  ['a TLS client hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['a dot segment', get('/a/../admin')],
  ['an encoded slash', get('/a%2fb')],
  ['Connection names Host', get('/', 'Connection: host')],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a body on CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 4\r\n\r\nabcd'],
  ['a chunk extension', post('Transfer-Encoding: chunked', '', '4;a=b\r\nWiki\r\n0\r\n\r\n')],
  ['a signed chunk size', post('Transfer-Encoding: chunked', '', '+4\r\nWiki\r\n0\r\n\r\n')],
  ['a prefixed chunk size', post('Transfer-Encoding: chunked', '', '0x4\r\nWiki\r\n0\r\n\r\n')],
  ['a huge chunk size', post('Transfer-Encoding: chunked', '', 'FFFFFFFFFFFFFFFFF\r\n'), 413],
  ['a chunk line with bare LF', post('Transfer-Encoding: chunked', '', '4\nWiki\r\n0\r\n\r\n')],
  ['a chunk longer than said', post('Transfer-Encoding: chunked', '', '4\r\nWikipedia\r\n0\r\n\r\n')],
  ['a length as trailer', post('Transfer-Encoding: chunked', '', '0\r\nContent-Length: 9\r\n\r\n')],
];

/** The target is held to its stricter grammar where a rule reads the path. */
const readsPath: RuleSet = [
  { rule: 5, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: '/' } }] },
];

describe('smuggling: refused, closed, counted, and nothing reaches the server', () => {
  for (const [what, request, status = 400] of refused) {
    test(
      what,
      withWire(
        async (wire) => {
          const text = await wire.exchange(request + get('/smuggled'));
          assert.match(text, new RegExp(`^HTTP/1\\.1 ${String(status)} [^]*connection: close\r\n`));
          assert.equal(text.split('HTTP/1.1 ').length, 2, 'one answer');
          assert.equal(wire.server.received.join(''), '');
          const flow = wire.proxy.flows().at(-1);
          assert.ok(flow !== undefined);
          assert.equal(flow.status, status);
          assert.notEqual(flow.reference, 0n);
          assert.equal(wire.proxy.drops(flow.reason), 1);
        },
        { rules: readsPath },
      ),
    );
  }

  test(
    'a chunked body that goes wrong later ends both connections',
    withWire(async (wire) => {
      const client = await wire.client();
      client.write(post('Transfer-Encoding: chunked', '', '4\r\nWiki\r\n'));
      await until('the first chunk', () => wire.server.received[0]?.endsWith('Wiki\r\n') === true);
      client.write('zz\r\nGET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n');
      await client.sees('HTTP/1.1 400 ');
      await until('the end at the server', () => wire.server.connections[0]?.destroyed === true);
      assert.doesNotMatch(wire.server.received[0] ?? '', /smuggled|zz/);
      assert.equal(wire.drops('http-framing'), 1);
    }),
  );
});
