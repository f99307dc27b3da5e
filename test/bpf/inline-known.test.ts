// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { compile, INLINE_LIMITS } from '../../src/core/automaton/compile.ts';
import { HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import { load } from '../../src/core/automaton/table.ts';
import { feed } from '../support/head-facts.ts';
import { requestHead, ruleSet } from '../support/http-arbitrary.ts';
import { KernelReader, type KernelState } from '../support/kernel-reader.ts';
import { allow, get } from '../support/request-cases.ts';

/** After so many a head takes the place of another that begins alike. */
const PATIENCE = 70;
const RULE_SETS = 40;
const HEADS = 40;
/** Lengths that are kept. */
const LEAST = 32;
const MOST = 512;

const tables = ruleSet
  .map((rules) => compile(rules, { limits: INLINE_LIMITS }))
  .filter(({ undecidable, notInline }) => undecidable === undefined && notInline === undefined)
  .map(({ bytes }) => bytes);

/** A word that the kernel's reader and the proxy's executor both have for what becomes of a text. */
function expected(table: Uint8Array, text: string): string {
  const head = new RequestHead(load(table));
  const status = feed(head, text, []);
  if (status === HeadStatus.NeedMore) return head.hopeless() ? 'refused' : 'more';
  return status === HeadStatus.Rejected || !head.allowed ? 'refused' : `allowed by ${String(head.rule)}`;
}

function found(state: KernelState): string {
  if (state.refused) return 'refused';
  return state.requests === 0 ? 'more' : `allowed by ${String(state.rule)}`;
}

function exactly(...paths: readonly string[]): Uint8Array {
  return compile(allow(...paths.map((value) => ({ path: { type: 'Exact' as const, value } }))), {
    limits: INLINE_LIMITS,
  }).bytes;
}

describe('a head that came before', () => {
  let kernel: KernelReader;
  before(() => {
    // Each processor keeps heads of its own.
    execFileSync('taskset', ['-p', '-c', '0', String(process.pid)], { stdio: 'ignore' });
    kernel = new KernelReader();
  });
  after(() => {
    kernel[Symbol.dispose]();
  });

  const read = (table: Uint8Array, text: string): KernelState => {
    kernel.begin(table);
    return kernel.feed(text);
  };
  const { bytes: open } = compile(allow({ path: { type: 'PathPrefix', value: '/' } }), {
    limits: INLINE_LIMITS,
  });
  const learn = (table: Uint8Array, text: string, times = PATIENCE): KernelState => {
    let last = read(table, text);
    for (let time = 1; time < times && !last.known; time += 1) last = read(table, text);
    return last;
  };

  test('comes to the same when it is known, and is known if it was allowed', () => {
    let known = 0;
    fc.assert(
      fc.property(tables, fc.array(requestHead, { minLength: HEADS, maxLength: HEADS }), (table, texts) => {
        for (const text of texts) {
          const first = read(table, text);
          const last = learn(table, text, 3);
          assert.deepEqual({ ...last, known: false }, { ...first, known: false }, JSON.stringify(text));
          assert.equal(found(last), expected(table, text), JSON.stringify(text));
          assert.ok(!last.known || last.requests > 0, JSON.stringify(text));
          known += last.known ? 1 : 0;
        }
      }),
      { numRuns: RULE_SETS, endOnFailure: true },
    );
    assert.ok(known > 20, `only ${String(known)} known`);
  });

  test('and differs in whatever byte is another head', () => {
    const text = get('/charge?x=1', 'Content-Length: 12', 'X-Tenant: abc');
    for (let at = 0; at < text.length; at += 1) {
      assert.ok(learn(open, text).known);
      for (const byte of ['a', '\r', '\n', ' ', '/', ':', '9', '\0', '\xff']) {
        if (text[at] === byte) continue;
        const changed = text.slice(0, at) + byte + text.slice(at + 1);
        const state = read(open, changed);
        assert.equal(found(state), expected(open, changed), JSON.stringify(changed));
        assert.ok(!state.known, JSON.stringify(changed));
      }
    }
  });

  test('under another table is read anew, also where that lies at the place of the first', () => {
    using pool = new KernelReader(); // with room where the first was
    const text = get('/charge');
    const first = exactly('/charge', '/a/longer/one');
    const place = pool.begin(first);
    const known = [1, 2, 3].map(() => {
      pool.begin(first);
      return pool.feed(text).known;
    });
    assert.deepEqual(known, [false, false, true]);
    const places = ['/a', '/b', '/c', '/d'].map((path) => {
      const at = pool.begin(exactly(path));
      const state = pool.feed(text);
      assert.deepEqual([state.refused, state.known], [true, false]);
      return at;
    });
    assert.ok(places.includes(place) && places.some((at) => at !== place), String([place, ...places]));
  });

  test('with its body behind it, several in a segment, and cut anywhere', () => {
    const post = 'POST /charge HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\n';
    const text = `${post}first${post}again${post}`;
    const first = read(open, text);
    const last = learn(open, text);
    assert.equal(last.requests, 3);
    assert.ok(last.known);
    assert.deepEqual({ ...last, known: false }, { ...first, known: false });
    for (let cut = 1; cut < text.length; cut += 1) {
      kernel.begin(open);
      const state = kernel.feedCut(text, [cut]);
      assert.deepEqual([state.requests, state.remaining, state.phase], [3, 5, last.phase], `cut at ${String(cut)}`);
    }
  });

  test('is kept from 32 to 512 bytes, and not with a trace', () => {
    const long = (length: number): string => {
      const text = 'GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n';
      return text.replace('X:', `X:${'x'.repeat(length - text.length)}`);
    };
    for (const [length, known] of [
      [LEAST, true],
      [LEAST + 1, true],
      [MOST - 1, true],
      [MOST, true],
      [MOST + 1, false],
    ] as const) {
      const text = long(length);
      assert.equal(text.length, length);
      assert.equal(learn(open, text).known, known, String(length));
    }
    const traced = get('/', `traceparent: 00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`);
    const state = learn(open, traced);
    assert.ok(!state.known && state.trace !== undefined);
  });

  test('keeps method, path and host for its record', () => {
    const text = 'GET /charge?x=1 HTTP/1.1\r\nAccept: */*\r\nHost:  shop.example\r\n\r\n';
    const first = read(open, text);
    const last = learn(open, text);
    assert.ok(last.known);
    assert.deepEqual(last.text, first.text);
    assert.deepEqual(last.text.slice(0, 2), ['GET', '/charge']);
    assert.match(last.text[2] ?? '', /shop\.example$/);
  });
});
