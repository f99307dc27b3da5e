// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FrameWatch, PREFACE } from '../../src/proxy/http2/frame-watch.ts';
import { forwardedHeaders, readRequest } from '../../src/proxy/http2/request-text.ts';
import { Frame, frame, request } from '../support/http2-frames.ts';

type Field = readonly [string, string];

const pseudo: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'api:80'],
  [':path', '/items?q=1'],
];

describe('a header list as a head of HTTP/1', () => {
  const read = (...fields: readonly Field[]) => readRequest(fields.flat());
  const without = (name: string): Field[] => pseudo.filter(([one]) => one !== name);

  test('all of it, in order, cookies as one line', () => {
    const asked = read(...pseudo, ['a', '1'], ['cookie', 'x=1'], ['a', '2'], ['cookie', 'y=2']);
    assert.equal(
      asked?.head.toString('latin1'),
      'GET /items?q=1 HTTP/1.1\r\nhost: api:80\r\na: 1\r\na: 2\r\ncookie: x=1; y=2\r\n\r\n',
    );
    assert.deepEqual([asked.method, asked.path, asked.authority], ['GET', '/items?q=1', 'api:80']);
  });

  test('the host may come as such, or both ways if they agree', () => {
    const alone = read(...without(':authority'), ['host', 'b']);
    assert.match(String(alone?.head), /\r\nhost: b\r\n/);
    assert.equal(alone?.authority, 'b');
    assert.equal(String(read(...pseudo, ['host', 'api:80'])?.head).match(/host:/g)?.length, 1);
  });

  test('the target of CONNECT is the authority', () => {
    assert.match(String(read([':method', 'CONNECT'], [':authority', 'a:1'])?.head), /^CONNECT a:1 HTTP/);
  });

  test('what has no one meaning in HTTP/1 is none', () => {
    const cases: readonly (readonly Field[])[] = [
      [...pseudo, ['host', 'other']],
      [...pseudo, ['host', 'api:80'], ['host', 'api:80']],
      [...pseudo, [':path', '/other']],
      [...pseudo, [':protocol', 'websocket']],
      [...without(':path'), [':path', '/a HTTP/1.1\r\nx: y']],
      [...without(':path'), [':path', '/a b']],
      [...without(':method'), [':method', 'GET /other']],
      [...without(':authority'), [':authority', 'a\tb']],
      ...['a b', 'a:', 'a\r\nb', '', 'A', 'a\u0100', '\u0141', 'a\u00e9'].map((name) => [
        ...pseudo,
        [name, 'x'] as const,
      ]),
      ...['x\r\ny: z', 'x\n', 'x\0'].map((value) => [...pseudo, ['a', value] as const]),
    ];
    for (const fields of cases) assert.equal(read(...fields), undefined, JSON.stringify(fields.at(-1)));
  });

  test('gRPC is told by the content type', () => {
    for (const [type, isGrpc] of [
      ['application/grpc', true],
      ['APPLICATION/grpc+proto', true],
      ['application/grpc;a=b', true],
      ['application/grpc-web', false],
      ['application/json', false],
    ] as const)
      assert.equal(read(...pseudo, ['content-type', type])?.isGrpc, isGrpc, type);
  });

  test('it goes on with one name for the host, and the scheme that it came by', () => {
    const raw = [...pseudo.with(1, [':scheme', 'file']), ['host', 'api:80'], ['a', '1']].flat();
    const asked = readRequest(raw) ?? assert.fail();
    assert.deepEqual(
      [...forwardedHeaders(asked, { raw, headers: {} })],
      [...pseudo.slice(0, 1), pseudo[1], ...pseudo.slice(2), ['a', '1']].flat(),
    );
  });
});

describe('the watch over frames', () => {
  const { data, headers, ping, continuation } = Frame;
  const END_HEADERS = 4;
  const whole = Buffer.concat([
    PREFACE,
    frame(ping, 0, 0, Buffer.alloc(8)),
    request(1, '/'),
    frame(headers, 0, 3, Buffer.alloc(5)),
    frame(continuation, 0, 3, Buffer.alloc(0)),
    frame(continuation, END_HEADERS, 3, Buffer.alloc(70000)),
    frame(data, 0, 3, Buffer.alloc(300)),
  ]);

  test('the same, however the bytes come', () => {
    for (const size of [1, 2, 7, 9, 10, 1000, whole.length]) {
      const watch = new FrameWatch();
      for (let at = 0; at < whole.length; at += size)
        watch.read(whole, at, Math.min(at + size, whole.length));
      assert.deepEqual([watch.isInHead, watch.begun], [false, 4], String(size));
    }
  });

  test('a header list is begun until its last frame is whole, data is none, nor is the preface', () => {
    const watch = new FrameWatch();
    const says = (bytes: Buffer): readonly [boolean, number] => {
      watch.read(bytes, 0, bytes.length);
      return [watch.isInHead, watch.begun];
    };
    assert.deepEqual(says(PREFACE.subarray(0, 10)), [false, 0]);
    assert.deepEqual(says(PREFACE.subarray(10)), [false, 0]);
    const list = frame(headers, 0, 1, Buffer.alloc(5));
    assert.deepEqual(says(list.subarray(0, 3)), [true, 1]);
    assert.deepEqual(says(list.subarray(3)), [true, 1]);
    assert.deepEqual(says(frame(continuation, 0, 1, Buffer.alloc(5))), [true, 1]);
    const last = frame(continuation, END_HEADERS, 1, Buffer.alloc(5));
    assert.deepEqual(says(last.subarray(0, 13)), [true, 1]);
    assert.deepEqual(says(last.subarray(13)), [false, 1]);
    const body = frame(data, 0, 1, Buffer.alloc(5));
    assert.deepEqual(says(body.subarray(0, 3)), [true, 2]);
    assert.deepEqual(says(body.subarray(3, 5)), [false, 2]);
  });
});
