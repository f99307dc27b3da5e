// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkScanner, ChunkStatus, REQUEST_CHUNKS, RESPONSE_CHUNKS } from '../../src/core/http/chunked.ts';
import { describeReject } from '../../src/core/http/reasons.ts';

const LIMITS = { ...REQUEST_CHUNKS, trailerBytes: 100 };
/** Header names that policy reads. */
const READ = ['x_tenant'];

/** `done <position> <data bytes>`, `more`, or the reason, feeding pieces of `step` bytes. */
function scan(scanner: ChunkScanner, text: string, step: number): string {
  scanner.reset(READ);
  const bytes = Buffer.from(text, 'latin1');
  for (let from = 0; from < bytes.length; from += step) {
    const to = Math.min(from + step, bytes.length);
    const status = scanner.run(bytes, from, to);
    if (status === ChunkStatus.Done) return `done ${scanner.position} ${scanner.dataBytes}`;
    if (status === ChunkStatus.Rejected) return describeReject(scanner.reason).name;
    assert.equal(scanner.position, to);
  }
  return 'more';
}

const CASES: readonly (readonly [string, string])[] = [
  ['0\r\n\r\n', 'done 5 0'],
  ['5\r\nhello\r\n0\r\n\r\nGET /', 'done 15 5'],
  ['A\r\n0123456789\r\n00\r\n\r\n', 'done 21 10'],
  ['a\r\n0123456789\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n', 'done 36 11'],
  ['5\r\nhello\r\n0\r\n', 'more'],
  ['\r\n', 'BadChunkSize'],
  [' 5\r\n', 'BadChunkSize'],
  ['5 \r\n', 'BadChunkSize'],
  ['+5\r\n', 'BadChunkSize'],
  ['-1\r\n', 'BadChunkSize'],
  ['0x5\r\n', 'BadChunkSize'],
  ['g\r\n', 'BadChunkSize'],
  ['5\n', 'BareLf'],
  ['5\rh', 'BareCr'],
  ['5\r\nhelloX\r\n', 'BadChunkEnd'],
  ['5\r\nhello\n0\r\n\r\n', 'BadChunkEnd'],
  ['5\r\nhello\rX', 'BadChunkEnd'],
  ['20000000000000\r\n', 'ChunkSizeTooLarge'],
  ['fffffffffffffffff\r\n', 'ChunkSizeTooLarge'],
  ['5;a=b\r\nhello\r\n', 'ChunkExtension'],
  ['0\r\n folded\r\n\r\n', 'ObsFold'],
  ['0\r\nX : a\r\n\r\n', 'BadTrailer'],
  ['0\r\nnocolon\r\n\r\n', 'BadTrailer'],
  ['0\r\nX: a\0\r\n\r\n', 'BadTrailer'],
  ['0\r\nX: a\n\r\n', 'BareLf'],
  ['0\r\nX: a\r\n\rX', 'BareCr'],
  ['0\r\nX: a\rb\r\n\r\n', 'BareCr'],
  ['0\r\nContent-Length: 5\r\n\r\n', 'ForbiddenTrailer'],
  ['0\r\ntransfer_encoding: chunked\r\n\r\n', 'ForbiddenTrailer'],
  ['0\r\nX-Tenant: a\r\n\r\n', 'PolicyTrailer'],
  ['0\r\nx_Tenant: a\r\n\r\n', 'PolicyTrailer'],
  ['0\r\nX-Tenants: a\r\n\r\n', 'done 19 0'],
  [`0\r\n${'x'.repeat(99)}: a\r\n\r\n`, 'TrailersTooLarge'],
];

for (const [text, expected] of CASES) {
  test(`chunked ${JSON.stringify(text.slice(0, 40))}: ${expected}, however it is cut`, () => {
    const scanner = new ChunkScanner(LIMITS);
    for (let step = 1; step <= text.length; step++) assert.equal(scan(scanner, text, step), expected);
  });
}

test('responses may carry chunk extensions, within a bound', () => {
  const scanner = new ChunkScanner({ ...RESPONSE_CHUNKS, extensionBytes: 8 });
  assert.equal(scan(scanner, '1;a="b"\r\nx\r\n0;c\r\n\r\n', 1), 'done 19 1');
  assert.equal(scan(scanner, '1;aaaa\r\nx\r\n1;bbbbb\r\nx\r\n0\r\n\r\n', 3), 'ChunkExtension');
  assert.equal(scan(scanner, '1;a\nx', 2), 'BareLf');
});

test('names that policy reads are those of the last reset', () => {
  const scanner = new ChunkScanner(LIMITS);
  const trailer = Buffer.from('0\r\nX-Tenant: a\r\n\r\n', 'latin1');
  scanner.reset(READ);
  assert.equal(scanner.run(trailer, 0, trailer.length), ChunkStatus.Rejected);
  scanner.reset();
  assert.equal(scanner.run(trailer, 0, trailer.length), ChunkStatus.Done);
});
