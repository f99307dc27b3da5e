// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { featureSwitches } from '../../src/datapath/features.ts';
import type { BpfProgram } from '../../src/datapath/native.ts';
import { type Fixture, makeBpffs, native, testObject } from '../support/native.ts';

/** enum http_phase. */
const httpPhase = { head: 0, body: 1, chunked: 2, untilClose: 3, untracked: 4 };
/** Fields of `struct exchange` in inline-respond.bpf.c. */
const At = { begin: 0, ask: 4, head: 8, fin: 12, missed: 16, responses: 20, status: 24, phase: 28, current: 32, unsure: 36 };
/** Ethernet header of a run; the rest is the payload of one segment. */
const FRAME_BYTES = 14;

interface Segment {
  readonly text: string;
  /** Requests that come before it. */
  readonly ask?: number;
  readonly isHead?: boolean;
  readonly isLast?: boolean;
  /** Bytes before it that were never shown. */
  readonly missed?: number;
}

describe('responses as the kernel reads them', () => {
  let pins: Fixture;
  let program: BpfProgram;
  let exchange: Buffer;
  before(() => {
    pins = makeBpffs();
    using object = native().BpfObject.open(testObject('inline-respond'), {
      pinRoot: pins.path,
      kconfig: featureSwitches(native()),
    });
    object.load();
    program = object.program('read_response');
    exchange = object.map('exchanges').mapped();
  });
  after(() => {
    program.close();
    pins[Symbol.dispose]();
  });

  /** What is known after the last of some segments. */
  function read(...segments: readonly Segment[]): { responses: number; status: number; phase: number; unsure: boolean; open: boolean } {
    exchange.writeUInt32LE(1, At.begin);
    for (const { text, ask = 0, isHead = false, isLast = false, missed = 0 } of segments) {
      const data = Buffer.alloc(FRAME_BYTES + text.length);
      data.writeUInt16BE(0x88b5, 12);
      data.write(text, FRAME_BYTES, 'latin1');
      exchange.writeUInt32LE(ask, At.ask);
      exchange.writeUInt32LE(isHead ? 1 : 0, At.head);
      exchange.writeUInt32LE(isLast ? 1 : 0, At.fin);
      exchange.writeUInt32LE(missed, At.missed);
      program.testRun({ dataIn: data });
    }
    const field = (at: number): number => exchange.readUInt32LE(at);
    return {
      responses: field(At.responses),
      status: field(At.status),
      phase: field(At.phase),
      unsure: field(At.unsure) === 1,
      open: field(At.current) === 1,
    };
  }

  const response = (status: number, lines: readonly string[], body = ''): string =>
    [`HTTP/1.1 ${String(status)} Some reason`, ...lines, '', body].join('\r\n');
  const done = (status: number, responses = 1): object => ({ responses, status, phase: httpPhase.head, unsure: false, open: false });

  test('ends by its length, in whatever segments its body comes, among whatever lines', () => {
    const line = fc
      .tuple(fc.constantFrom('a', 'c', 't', 'X-Long-Name', 'Content-Type', 'Transfer', 'Content-Lengt', 'Date'), fc.stringMatching(/^[ -~]{0,40}$/))
      .map(([name, value]) => `${name}: ${value}`);
    const name = fc.constantFrom('Content-Length: ', 'content-length:', 'CONTENT-LENGTH:  ');
    fc.assert(
      fc.property(
        ...([fc.array(line, { maxLength: 8 }), fc.array(line, { maxLength: 8 }), name, fc.nat(900), fc.array(fc.nat(900), { maxLength: 3 })] as const),
        (earlier, later, field, length, places) => {
          const body = '\r\n'.repeat(length).slice(0, length);
          const text = response(200, [...earlier, `${field}${String(length)}`, ...later], body);
          const head = text.length - length;
          if (head > 1000) return;
          const cuts = [...new Set(places.map((place) => head + (place % (length + 1))))].sort((a, b) => a - b);
          const parts = [...cuts, text.length].map((end, index) => text.slice(cuts[index - 1] ?? 0, end)).filter((part) => part !== '');
          const segments = parts.map((part, index) => ({ text: part, ask: index === 0 ? 1 : 0 }));
          assert.deepEqual(read(...segments), done(200), JSON.stringify(text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  const ok = response(200, ['Content-Length: 2'], 'ok');
  const cases: readonly (readonly [what: string, segments: readonly Segment[], wanted: object])[] = [
    ['two in one segment', [{ text: ok + ok, ask: 2 }], done(200, 2)],
    ['to HEAD: no body', [{ text: response(200, ['Content-Length: 2']), ask: 1, isHead: true }], done(200)],
    ['204: no body', [{ text: response(204, []), ask: 1 }], done(204)],
    ['304: no body, whatever its length says', [{ text: response(304, ['Content-Length: 9']), ask: 1 }], done(304)],
    ['100, then the response', [{ text: response(100, []) + ok, ask: 1 }], done(200)],
    ['chunked', [{ text: response(200, ['Transfer-Encoding: chunked'], '2\r\nok\r\n0\r\n\r\n'), ask: 1 }], done(200)],
    [
      'chunked, byte by byte',
      [{ text: response(200, ['Transfer-Encoding: chunked']), ask: 1 }, ...Array.from('2\r\nok\r\n0\r\n\r\n', (text) => ({ text }))],
      done(200),
    ],
    ['without a length: open until the end', [{ text: response(200, [], 'some'), ask: 1 }], { responses: 0, status: 200, phase: httpPhase.untilClose, unsure: false, open: true }],
    ['without a length: done with the end', [{ text: response(200, [], 'some'), ask: 1, isLast: true }], { responses: 1, status: 200, phase: httpPhase.untracked, unsure: true, open: false }],
    ['101: another protocol until the end', [{ text: response(101, ['Upgrade: x']), ask: 1 }], { responses: 0, status: 101, phase: httpPhase.untilClose, unsure: false, open: true }],
    ['a head in two segments isn’t followed', [{ text: ok.slice(0, 20), ask: 1 }], { responses: 0, status: 200, phase: httpPhase.untracked, unsure: true, open: true }],
    ['bytes that weren’t shown', [{ text: ok, ask: 1, missed: 1 }], { responses: 0, status: 0, phase: httpPhase.untracked, unsure: true, open: true }],
    ['after that, the next request’s', [{ text: ok, ask: 1, missed: 1 }, { text: ok, ask: 1 }], { responses: 2, status: 200, phase: httpPhase.head, unsure: true, open: false }],
    ['no HTTP', [{ text: 'hello', ask: 1 }], { responses: 0, status: 0, phase: httpPhase.untracked, unsure: true, open: true }],
  ];
  for (const [what, segments, wanted] of cases) test(what, () => assert.deepEqual(read(...segments), wanted));
});
