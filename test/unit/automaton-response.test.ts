// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Framing, HeadStatus, HeaderId } from '../../src/core/automaton/executor.ts';
import { responseTable } from '../../src/core/automaton/response-table.ts';
import { describeReject } from '../../src/core/http/reasons.ts';
import { ResponseHead } from '../../src/core/http/response-head.ts';

const table = responseTable(['Content-Type']);
const FRAMINGS = new Map<number, string>(Object.entries(Framing).map(([name, value]) => [value, name]));

/** Status, framing with length, `keep` or `close`; or the reason. Byte by byte or at once must not matter. */
function read(text: string, asked = { isHead: false, isConnect: false }): string {
  const results = [text.length, 1].map((step) => {
    const head = new ResponseHead(table);
    head.expect(asked);
    let status: HeadStatus = HeadStatus.NeedMore;
    for (let from = 0; from < text.length && status === HeadStatus.NeedMore; from += step) {
      const piece = Buffer.from(text.slice(from, from + step), 'latin1');
      status = head.run(piece, 0, piece.length);
    }
    if (status === HeadStatus.Rejected) return describeReject(head.reason).name;
    if (status === HeadStatus.NeedMore) return 'more';
    const framing = `${FRAMINGS.get(head.framing)}${head.framing === Framing.Length ? head.contentLength : ''}`;
    return `${head.statusCode} ${framing} ${head.keepAlive ? 'keep' : 'close'}${head.interim ? ' interim' : ''}`;
  });
  assert.equal(results[0], results[1]);
  return results[0] ?? '';
}

const ok = (...lines: string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
const HEAD = { isHead: true, isConnect: false };
const CONNECT = { isHead: false, isConnect: true };

test('framing follows RFC 9112 6.3', () => {
  assert.equal(read(ok('Content-Length: 12')), '200 Length12 keep');
  assert.equal(read(ok('Content-Length: 0')), '200 None keep');
  assert.equal(read(ok('Transfer-Encoding: chunked')), '200 Chunked keep');
  assert.equal(read(ok()), '200 UntilClose close');
  assert.equal(read(ok('Content-Length: 12'), HEAD), '200 None keep');
  assert.equal(read(ok('Transfer-Encoding: chunked'), HEAD), '200 None keep');
  assert.equal(read(ok('Content-Length: 12'), CONNECT), '200 Tunnel close');
  assert.equal(read('HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\n', CONNECT), '407 Length1 keep');
  assert.equal(read('HTTP/1.1 204 No Content\r\n\r\n'), '204 None keep');
  assert.equal(read('HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n'), '304 None keep');
  assert.equal(read('HTTP/1.1 100 Continue\r\n\r\n'), '100 None keep interim');
  assert.equal(
    read('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    '101 Tunnel close',
  );
});

test('the connection persists as RFC 9112 9.3 says', () => {
  assert.equal(read(ok('Content-Length: 1', 'Connection: Close')), '200 Length1 close');
  assert.equal(read('HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n'), '200 Length1 close');
  assert.equal(
    read('HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: x, keep-alive\r\n\r\n'),
    '200 Length1 keep',
  );
});

test('reason phrases may be empty, missing or not ASCII', () => {
  assert.equal(read('HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n'), '200 Length1 keep');
  assert.equal(read('HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n'), '200 Length1 keep');
  assert.equal(read('HTTP/1.1 200 \xc3\xa9\r\nContent-Length: 1\r\n\r\n'), '200 Length1 keep');
});

test('what could be read two ways is rejected', () => {
  const cases: Record<string, string> = {
    [ok('Content-Length: 1', 'Transfer-Encoding: chunked')]: 'LengthAndTransferEncoding',
    [ok('Content-Length: 1', 'Content-Length: 1')]: 'RepeatedLength',
    [ok('Transfer-Encoding: gzip, chunked')]: 'BadTransferEncoding',
    ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n']: 'TransferEncodingInHttp10',
    ['HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n']: 'BodylessTransferEncoding',
    [ok('X: a\nb')]: 'BareLf',
    [ok('X: a', ' folded')]: 'ObsFold',
    ['HTTP/1.1 200 OK\n\n']: 'BareLf',
    ['HTTP/1.1 20 OK\r\n\r\n']: 'BadStatusLine',
    ['HTTP/1.1 2000 OK\r\n\r\n']: 'BadStatusLine',
    ['HTTP/1.1 600 OK\r\n\r\n']: 'BadStatusLine',
    ['HTTP/2 200\r\n\r\n']: 'Http2',
    ['ICY 200 OK\r\n\r\n']: 'BadStatusLine',
    ['<html>']: 'BadStatusLine',
  };
  for (const [text, expected] of Object.entries(cases))
    assert.equal(read(text), expected, JSON.stringify(text));
});

test('lines of interest are recorded with their spans', () => {
  const head = new ResponseHead(table);
  const text = ok('Server: x', 'content-type:  text/html ', 'Connection: close');
  assert.equal(head.run(Buffer.from(text), 0, text.length), HeadStatus.Done);
  assert.equal(head.lines, 2);
  assert.deepEqual([head.lineId(0), head.lineId(1)], [HeaderId.FirstRecorded, HeaderId.Connection]);
  assert.equal(text.slice(head.lineStart(0), head.lineEnd(0)), 'content-type:  text/html \r\n');
  assert.equal(text.slice(head.lineValue(0), head.lineEnd(0)), '  text/html \r\n');
  assert.equal(text.slice(head.lineStart(1), head.lineEnd(1)), 'Connection: close\r\n');
});
