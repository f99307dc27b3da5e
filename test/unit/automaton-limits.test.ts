// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRules } from '../../src/core/automaton/check-rules.ts';
import { INLINE_LIMITS, compile, describe, serialise } from '../../src/core/automaton/compile.ts';
import { evaluateHttp } from '../../src/core/automaton/evaluate.ts';
import { HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import type { HttpMatch, L7Rule } from '../../src/core/automaton/rules.ts';
import { load } from '../../src/core/automaton/table.ts';
import { Reject } from '../../src/core/http/reasons.ts';
import { feed } from '../support/head-facts.ts';
import { allow, get, outcomes } from '../support/request-cases.ts';

/** 500 exact paths, 300 prefixes, 200 expressions with a header condition: the size a destination must bear. */
function thousandRules(): L7Rule[] {
  const matches: HttpMatch[] = [];
  for (let i = 0; i < 500; i++)
    matches.push({
      methods: ['GET'],
      path: { type: 'Exact', value: `/api/items/${(i * 7919).toString(36)}/d${i}` },
    });
  for (let i = 0; i < 300; i++)
    matches.push({ path: { type: 'PathPrefix', value: `/svc/${(i * 104729).toString(36)}/part${i % 17}` } });
  for (let i = 0; i < 200; i++)
    matches.push({
      path: { type: 'RegularExpression', value: `/users/[0-9]+/r${i}/[a-z0-9_-]{3,20}` },
      headers: [{ name: 'x-tenant', type: 'Exact', value: `t${i % 20}` }],
    });
  return matches.map((match, index) => ({ rule: index + 1, action: 'Allow', matches: [match] }));
}

test('a thousand rules fit one table that the kernel can run too', () => {
  const automaton = compile(thousandRules());
  assert.equal(automaton.undecidable, undefined);
  assert.equal(automaton.notInline, undefined);
  assert.ok(describe(automaton).states <= INLINE_LIMITS.states);
  const of = outcomes(thousandRules());
  assert.equal(of(get(`/api/items/${(499 * 7919).toString(36)}/d499`)), 'allow 500');
  assert.equal(of(get(`/svc/${(299 * 104729).toString(36)}/part${299 % 17}/x`)), 'allow 800');
  assert.equal(of(get('/users/12/r199/abc', 'x-tenant: t19')), 'allow 1000');
  assert.equal(of(get('/users/12/r199/abc', 'x-tenant: t18')), 'deny 0');
});

const contains = (field: 'path' | 'header' | 'query', count: number): L7Rule[] =>
  Array.from({ length: count }, (_, i) => {
    const value = `.*w${i}x.*`;
    const named = [{ name: 'q', type: 'RegularExpression' as const, value }];
    const path = { type: 'RegularExpression' as const, value };
    const match =
      field === 'path' ? { path } : field === 'header' ? { headers: named } : { queryParams: named };
    return { rule: i + 1, action: i % 5 === 4 && field === 'path' ? 'Deny' : 'Allow', matches: [match] };
  });

for (const field of ['path', 'header', 'query'] as const) {
  test(`expressions that multiply run side by side over one ${field}, wherever it is cut`, () => {
    const rules = contains(field, 24);
    const automaton = compile(rules);
    assert.equal(automaton.undecidable, undefined);
    assert.ok(automaton.lanes > 1);
    const head = new RequestHead(load(automaton.bytes));
    for (const words of ['w3x', 'w23x', 'w4xw20x', 'w7', 'ab%40w11x@', 'w1xw2xw3xw9xw19x', '']) {
      const target = field === 'path' ? `/a${words}/b?z` : field === 'query' ? `/?z&q=${words}&y` : '/';
      const headers: [string, string][] = [['Host', 'shop.example']];
      if (field === 'header') headers.push(['q', words]);
      const text = get(target, ...(field === 'header' ? [`q:  ${words} `] : []));
      const expected = evaluateHttp(rules, { method: 'GET', target, headers });
      for (let cut = 0; cut < text.length; cut++) {
        assert.equal(feed(head, text, cut === 0 ? [] : [cut]), HeadStatus.Done);
        assert.deepEqual(
          [head.allowed, head.rule],
          [expected.allowed, expected.rule],
          `${text} cut at ${cut}`,
        );
      }
    }
  });
}

test('an expression with too many states is undecidable, and its table refuses but still frames', () => {
  const rules = allow({ path: { type: 'RegularExpression', value: '/(a|b)*a(a|b){16}' } });
  const automaton = compile(rules);
  assert.match(automaton.undecidable ?? '', /more than 32768 states/);
  assert.equal(automaton.notInline, automaton.undecidable);
  const head = new RequestHead(load(automaton.bytes));
  const target = `/bba${'ab'.repeat(8)}`;
  assert.equal(feed(head, get(target, 'Content-Length: 3'), []), HeadStatus.Done);
  assert.deepEqual([head.allowed, head.contentLength, head.hopeless()], [false, 3, false]);
  const verdict = evaluateHttp(rules, { method: 'GET', target, headers: [['Host', 'shop.example']] });
  assert.deepEqual([verdict.allowed, verdict.rule, verdict.held], [true, 1, [{ rule: 1, match: 0 }]]);
});

test('smaller budgets are kept', () => {
  const limits = { ...INLINE_LIMITS, states: 300 };
  assert.match(compile(allow(), { limits }).undecidable ?? '', /more than 300 states/);
  assert.match(
    compile(thousandRules(), { limits: { ...INLINE_LIMITS, bytes: 1 << 20 } }).undecidable ?? '',
    /bytes/,
  );
  const many = Array.from({ length: 20 }, (_, i) => ({ name: `x-${i}`, type: 'Present' as const }));
  assert.match(compile(allow({ headers: many }), { limits: INLINE_LIMITS }).undecidable ?? '', /registers/);
});

test('head limits reject with their own reasons', () => {
  const table = load(compile(allow()).bytes);
  const run = (limits: Partial<RequestHead['limits']>, text: string): number => {
    const head = new RequestHead(table, { headBytes: 200, headerLines: 4, recordedLines: 2, ...limits });
    feed(head, text, []);
    return head.reason;
  };
  assert.equal(run({}, get('/', 'a: 1', 'b: 2', 'c: 3')), Reject.None);
  assert.equal(run({}, get('/', 'a: 1', 'b: 2', 'c: 3', 'd: 4')), Reject.TooManyHeaders);
  assert.equal(run({}, get('/', `a: ${'x'.repeat(200)}`)), Reject.HeadTooLarge);
  assert.equal(run({}, get('/', 'te: a', 'te: b')), Reject.TooManyHeaders);
});

test('damaged tables are refused before they can be run', () => {
  const { bytes } = compile(allow());
  assert.deepEqual(serialise(compile(allow())), bytes, 'compiling is deterministic');
  const broken = (change: (copy: Uint8Array) => void): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    change(copy);
    return copy;
  };
  const invalid = { code: 'ERR_TABLE_INVALID' };
  assert.throws(() => load(bytes.subarray(0, 64)), invalid);
  assert.throws(() => load(bytes.subarray(0, bytes.length - 8)), invalid);
  for (const word of [0, 1, 2, 4, 6, 7, 8, 9, 12, 13, 14, 15, 17, 20, 22, 25])
    assert.throws(
      () => load(broken((copy) => copy.fill(0xee, word * 4, word * 4 + 4))),
      invalid,
      `word ${word}`,
    );
  assert.throws(() => load(broken((copy) => copy.fill(0xff, bytes.length - 400))), invalid);
});

test('faults in rules are found with their place', () => {
  const problems = checkRules([
    {
      rule: 0,
      action: 'Allow',
      matches: [
        { methods: ['GE T'], path: { type: 'Exact', value: 'a' }, host: ['a:80'] },
        { path: { type: 'RegularExpression', value: 'a(b' } },
        { path: { type: 'PathPrefix', value: '/a/../b' } },
        { headers: [{ name: 'Transfer-Encoding', type: 'Present' }] },
        { headers: [{ name: 'x', type: 'Exact' }], queryParams: [{ name: 'q', type: 'Present', value: '' }] },
      ],
    },
  ]);
  assert.deepEqual(
    problems.map(({ path, message }) => `${path}: ${message}`),
    [
      '[0].rule: must be an integer from 1 to 2^32 - 1',
      '[0].matches[0].methods[0]: is not a method name',
      '[0].matches[0].path.value: must begin with "/"',
      '[0].matches[0].host[0]: is neither a host name nor *.suffix nor an address (without port)',
      '[0].matches[1].path.value: missing ) (at 1)',
      '[0].matches[2].path.value: a dot segment in the path',
      '[0].matches[3].headers[0].name: concerns one connection only and can not be matched',
      '[0].matches[4].headers[0].value: Exact needs a value',
      '[0].matches[4].queryParams[0].value: Present takes no value',
    ],
  );
  assert.throws(() => compile([{ rule: 1, action: 'Allow', matches: [{ host: [] }] }]), {
    code: 'ERR_L7_RULES',
  });
});
