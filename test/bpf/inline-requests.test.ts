// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { compile, INLINE_LIMITS } from '../../src/core/automaton/compile.ts';
import { evaluateHttp } from '../../src/core/automaton/evaluate.ts';
import { Framing, HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import { load } from '../../src/core/automaton/table.ts';
import { ChunkScanner, ChunkStatus, REQUEST_CHUNKS } from '../../src/core/http/chunked.ts';
import { Reject, type RejectReason, describeReject } from '../../src/core/http/reasons.ts';
import { feed, requestOf } from '../support/head-facts.ts';
import { requestHead, ruleSet } from '../support/http-arbitrary.ts';
import { KernelReader, type KernelState, SEGMENT_BYTES } from '../support/kernel-reader.ts';
import { allow, get } from '../support/request-cases.ts';

/**
 * Rule sets of each property, and heads for each set; a million by hand:
 * `INLINE_CASES=500 INLINE_HEADS=2000 node --test test/bpf/inline-requests.test.ts`.
 */
const numRuns = Number(process.env['INLINE_CASES'] ?? 60);
const heads = Number(process.env['INLINE_HEADS'] ?? 100);

/** Rules that the kernel can run, with their table. */
const inlineRules = ruleSet
  .map((rules) => ({ rules, automaton: compile(rules, { limits: INLINE_LIMITS }) }))
  .filter(({ automaton }) => automaton.undecidable === undefined && automaton.notInline === undefined)
  .map(({ rules, automaton: { bytes } }) => ({ rules, bytes }));

/** One in five ends too soon. */
const anyHead = fc
  .tuple(requestHead, fc.option(fc.nat(), { freq: 4, nil: undefined }), fc.boolean())
  .map(([text, end, whole]) => (whole || end === undefined ? text : text.slice(0, 1 + (end % text.length))));

const Phase = { head: 0, body: 1, chunked: 2 };

/** What the proxy's executor makes of a text. */
function expected(head: RequestHead, text: string): string {
  const status = feed(head, text, []);
  if (status === HeadStatus.Rejected) return describeReject(head.reason).name;
  if (status === HeadStatus.NeedMore) return head.hopeless() ? 'denied early' : 'more';
  if (!head.allowed) return `denied by ${String(head.rule)}`;
  const { framing, contentLength } = head;
  return `allowed by ${String(head.rule)}, ${framing === Framing.Length ? `${String(contentLength)} bytes` : framing === Framing.Chunked ? 'chunked' : 'no body'}`;
}

/** The same words for the kernel's. */
function found(state: KernelState, whole: boolean): string {
  if (state.rejected !== 0) return describeReject(state.rejected as RejectReason).name;
  if (state.refused) return whole ? `denied by ${String(state.rule)}` : 'denied early';
  if (state.requests === 0) return 'more';
  const body =
    state.phase === Phase.body
      ? `${String(state.remaining)} bytes`
      : state.phase === Phase.chunked
        ? 'chunked'
        : 'no body';
  return `allowed by ${String(state.rule)}, ${body}`;
}

describe('requests as the kernel reads them', () => {
  let kernel: KernelReader;
  before(() => {
    kernel = new KernelReader();
  });
  after(() => {
    kernel[Symbol.dispose]();
  });

  test('verdict, rule, reason and framing are the proxy’s, and the rules’ own', () => {
    const seen = { allowed: 0, denied: 0, more: 0, rejected: 0 };
    fc.assert(
      fc.property(
        inlineRules,
        fc.array(anyHead, { minLength: heads, maxLength: heads }),
        ({ rules, bytes }, texts) => {
          const head = new RequestHead(load(bytes));
          for (const text of texts) {
            const wanted = expected(head, text);
            const whole = wanted.startsWith('allowed') || wanted.startsWith('denied by');
            kernel.begin(bytes);
            const got = kernel.feed(whole ? text.slice(0, head.length) : text);
            assert.equal(found(got, whole), wanted, JSON.stringify(text));
            assert.equal(got.passed, !got.refused && (wanted !== 'more' || got.headBytes > 0), text);
            const kind = whole ? (got.refused ? 'denied' : 'allowed') : wanted === 'more' ? 'more' : 'rejected';
            seen[kind] += 1;
            if (!whole) continue;
            const direct = evaluateHttp(rules, requestOf(head, text));
            assert.deepEqual([direct.allowed, direct.rule], [!got.refused, got.rule], JSON.stringify(text));
          }
        },
      ),
      { numRuns, endOnFailure: true },
    );
    for (const [kind, count] of Object.entries(seen)) assert.ok(count > 10, `only ${String(count)} ${kind}`);
  });

  test('cut anywhere, nothing is let through or refused that was not; a refusal may come sooner', () => {
    fc.assert(
      fc.property(inlineRules, fc.array(requestHead, { minLength: 2, maxLength: 2 }), ({ bytes }, texts) => {
        const head = new RequestHead(load(bytes));
        for (const text of texts) {
          const wanted = expected(head, text);
          const { length } = head;
          const part = /^(allowed|denied by)/.test(wanted) ? text.slice(0, length) : text;
          const all = Array.from({ length: part.length - 1 }, (_, index) => index + 1);
          for (const cuts of [...all.map((cut) => [cut]), all]) {
            kernel.begin(bytes);
            const got = found(kernel.feedCut(part, cuts), false);
            const what = `${JSON.stringify(part)} cut at ${String(cuts)}`;
            if (got === 'denied early') assert.doesNotMatch(wanted, /^(allowed|more)/, what);
            else assert.equal(got, wanted, what);
          }
        }
      }),
      { numRuns: Math.ceil(numRuns / 2), endOnFailure: true },
    );
  });

  test('of many requests to a segment those before the first refused one count, however they are cut', () => {
    const rules = [
      { rule: 1, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: '/a' } }] },
      { rule: 2, action: 'Deny', matches: [{ headers: [{ name: 'x-evil', type: 'Present' }] }] },
    ] as const;
    const { bytes } = compile(rules, { limits: INLINE_LIMITS });
    const evil = 'GET /b HTTP/1.1\r\nHost: a\r\n\r\n';
    const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
    const body = fc.constantFrom(evil, '', 'x', evil.repeat(8), '\r\n\r\n', '0\r\n\r\n');
    const one = fc.oneof(
      fc.constant(get('/a')),
      body.map((text) => `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(text.length)}\r\n\r\n${text}`),
      fc
        .array(body.filter((text) => text !== ''), { maxLength: 4 })
        .map((parts) => `POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${parts.map(chunk).join('')}0\r\n\r\n`),
    );
    const bad = fc.constantFrom(evil, get('/a', 'X-Evil: 1'), 'nonsense\r\n\r\n');
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), fc.option(bad), fc.array(fc.nat(4000)), (good, end, places) => {
        const text = good.join('') + (end ?? '');
        if (text === '') return;
        const cuts = [...places, ...Array.from({ length: 4 }, (_, index) => (index + 1) * SEGMENT_BYTES)];
        kernel.begin(bytes);
        const sorted = [...new Set(cuts)].filter((cut) => cut < text.length).sort((a, b) => a - b);
        const got = kernel.feedCut(text, sorted);
        assert.deepEqual([got.requests, got.refused], [good.length, end !== null], JSON.stringify(text));
      }),
      { numRuns: numRuns * 10 },
    );
  });

  test('chunked framing is read as the proxy reads it, but every trailer is refused', () => {
    const { bytes } = compile(allow({}), { limits: INLINE_LIMITS });
    const head = 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const piece = fc.constantFrom(
      ...['0\r\n\r\n', '5\r\nhello\r\n', 'A\r\n0123456789\r\n', '00000000000000000005\r\nhello\r\n', '1\r\nx\r\n'],
      ...['5;a=b\r\nhello\r\n', '5 \r\nhello\r\n', '\r\n', '5\nhello\n', '-1\r\n', '0x1\r\n', 'ffffffffffffffff\r\n'],
      ...['1fffffffffffff\r\n', '20000000000000\r\n', '3\r\nhello\r\n', '0\r\na: b\r\n\r\n', '0\r', 'g', '\n'],
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(120)), (pieces, places) => {
        const text = pieces.join('');
        const buffer = Buffer.from(text, 'latin1');
        const scanner = new ChunkScanner(REQUEST_CHUNKS);
        const status = scanner.run(buffer, 0, buffer.length);
        const part = status === ChunkStatus.Done ? text.slice(0, scanner.position) : text;
        kernel.begin(bytes);
        const cuts = [...new Set(places)].filter((cut) => cut > 0 && cut < part.length);
        const state = kernel.feedCut(head + part, cuts.sort((a, b) => a - b).map((cut) => head.length + cut));
        const got = state.refused
          ? describeReject(state.rejected as RejectReason).name
          : state.phase === Phase.head
            ? 'done'
            : 'more';
        const trailer = describeReject(Reject.ForbiddenTrailer).name;
        const wanted =
          status === ChunkStatus.Rejected ? describeReject(scanner.reason).name : status === ChunkStatus.Done ? 'done' : 'more';
        if (got === trailer && /(^|\n)0+\r\n[^\r]/.test(part)) return;
        assert.equal(got, wanted, JSON.stringify(part));
      }),
      { numRuns: numRuns * 10 },
    );
  });

  const feedLong = (text: string): KernelState =>
    kernel.feedCut(
      text,
      Array.from({ length: Math.ceil(text.length / SEGMENT_BYTES) - 1 }, (_, index) => (index + 1) * SEGMENT_BYTES),
    );

  test('a head may have 64 KiB and 256 lines, not a byte and not a line more', () => {
    const { bytes } = compile(allow({}), { limits: INLINE_LIMITS });
    const head = new RequestHead(load(bytes));
    const lines = (count: number): string =>
      get('/', ...Array.from({ length: count - 1 }, (_, index) => `a${String(index)}: b`));
    const long = (length: number): string => get('/', 'a: '.padEnd(length - get('/', 'a: ').length + 3, 'x'));
    for (const text of [lines(255), lines(256), lines(257), long(65535), long(65536), long(65537)]) {
      kernel.begin(bytes);
      assert.equal(found(feedLong(text), false), expected(head, text), `${String(text.length)} bytes`);
    }
    kernel.begin(bytes);
    assert.equal(found(feedLong(lines(256)), false), 'allowed by 1, no body');
    kernel.begin(bytes);
    assert.equal(found(feedLong(long(65536)), false), 'allowed by 1, no body');
  });

  test('repeated fields and several patterns on one field come to the same', () => {
    const pattern = (value: string): { name: string; type: 'RegularExpression'; value: string } => ({
      name: 'x-tenant',
      type: 'RegularExpression',
      value,
    });
    const rules = [
      { rule: 1, action: 'Allow', matches: [{ headers: [pattern('[a-m]+.*z')] }] },
      { rule: 2, action: 'Allow', matches: [{ headers: [pattern('.*q.*q.*')] }] },
      { rule: 3, action: 'Deny', matches: [{ headers: [pattern('.*evil.*')] }] },
      { rule: 4, action: 'Allow', matches: [{ queryParams: [{ name: 'q', type: 'Exact', value: '1' }] }] },
    ] as const;
    const { bytes } = compile(rules, { limits: INLINE_LIMITS });
    const head = new RequestHead(load(bytes));
    const value = fc.stringMatching(/^[amzqevil]{0,12}$/);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(value, value.map((text) => text.repeat(100))), { maxLength: 4 }),
        fc.array(fc.constantFrom('q=1', 'q=2', 'p'), { maxLength: 3 }),
        fc.nat(3000),
        (values, params, cut) => {
          const text = get(`/?${params.join('&')}`, ...values.map((one) => `X-Tenant: ${one}`));
          const wanted = expected(head, text);
          kernel.begin(bytes);
          const got = kernel.feedCut(text, [Math.min(cut, text.length - 4)]);
          if (got.refused) assert.match(wanted, /^denied/, text);
          else assert.equal(found(got, false), wanted, text);
        },
      ),
      { numRuns: numRuns * 5 },
    );
  });
});
