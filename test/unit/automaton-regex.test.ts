// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { determinise } from '../../src/core/regex/determinise.ts';
import { matchesRegex, parseRegex } from '../../src/core/regex/regex.ts';

const FAULTS: readonly (readonly [string, RegExp, number])[] = [
  ['a(b', /missing \)/, 1],
  ['ab)', /unmatched \)/, 2],
  ['a[b', /missing \]/, 1],
  ['a**', /stacked repetition/, 2],
  ['*a', /nothing to repeat/, 0],
  ['a|*', /nothing to repeat/, 2],
  ['a{1001}', /repetition bounds/, 1],
  ['a{3,2}', /repetition bounds/, 1],
  ['(a{100}){100}', /more than 1000 repetitions/, 8],
  ['(a)\\1', /backreferences/, 3],
  ['x(?=a)', /look-around/, 1],
  ['x(?<!a)', /look-around/, 1],
  ['(?P<n>a)(?P<n>b)', /used twice/, 8],
  ['a\\', /trailing backslash/, 1],
  ['\\y', /not supported/, 0],
  ['\\pL', /Unicode classes/, 0],
  ['[\u00e9]', /single bytes/, 1],
  ['[b-a]', /out of order/, 1],
  ['('.repeat(600), /nested too deeply/, 501],
  ['a'.repeat(5000), /longer than/, 4096],
  [`(?:${'[a-c]x'.repeat(30)}){1000}`, /too large/, 0],
];

test('faulty expressions are refused with what is wrong and where', () => {
  for (const [pattern, message, position] of FAULTS) {
    const parsed = parseRegex(pattern);
    assert.ok('problem' in parsed, pattern);
    assert.match(parsed.problem.message, message, pattern);
    assert.equal(parsed.problem.position, position, pattern);
  }
});

test('non-ASCII characters stand for their UTF-8 bytes', () => {
  const matches = (pattern: string, value: Uint8Array): boolean => {
    const parsed = parseRegex(pattern);
    return 'regex' in parsed && matchesRegex(parsed.regex, value);
  };
  assert.ok(matches('(?:\u00e9|x)+', Buffer.from('\u00e9x\u00e9')));
  assert.ok(matches('(?i)\u00c9t\u00e9', Buffer.from('\u00e9T\u00c9')));
  assert.ok(matches('..', Buffer.from('\u00e9')), 'every byte is one character');
  assert.ok(matches('\\xe9', Buffer.from([0xe9])));
  assert.ok(matches('\\x{e9}\\C', Buffer.from([0xe9, 10])));
});

test('expressions that make backtrackers explode stay linear and small', () => {
  for (const pattern of ['(a+)+b', '(a|aa)+', '(.*)*x', '(a?){500}a{500}', '(x+x+)+y']) {
    const parsed = parseRegex(pattern);
    assert.ok('regex' in parsed, pattern);
    assert.equal(matchesRegex(parsed.regex, Buffer.from('a'.repeat(2000) + '!')), false, pattern);
    assert.ok((determinise(parsed.regex.program, 2000)?.size ?? Infinity) <= 1002, pattern);
  }
});

test('an automaton above its budget is given up', () => {
  const parsed = parseRegex('(a|b)*a(a|b){12}');
  assert.ok('regex' in parsed);
  assert.equal(determinise(parsed.regex.program, 4000), undefined);
  assert.equal(determinise(parsed.regex.program, 9000)?.size, 8192);
});
