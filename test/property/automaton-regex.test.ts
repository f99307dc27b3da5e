// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { DEAD, type Dfa } from '../../src/core/regex/dfa.ts';
import { determinise } from '../../src/core/regex/determinise.ts';
import { matchesRegex, parseRegex } from '../../src/core/regex/regex.ts';
import { byteString, regexPattern } from '../support/regex-arbitrary.ts';

function runDfa(dfa: Dfa, value: Uint8Array): boolean {
  let state = 0;
  for (const byte of value) {
    state = dfa.next[state * dfa.classes + (dfa.classOf[byte] ?? 0)] ?? DEAD;
    if (state < 0) return false;
  }
  return dfa.label[state] === 1;
}

function oracle(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}

test('RE2 and this engine accept the same expressions and match the same values', () => {
  let matches = 0;
  let refused = 0;
  fc.assert(
    fc.property(regexPattern, fc.array(byteString, { minLength: 6, maxLength: 6 }), (pattern, values) => {
      const theirs = oracle(pattern);
      const ours = parseRegex(pattern);
      assert.equal(
        'regex' in ours,
        theirs !== undefined,
        `${JSON.stringify(pattern)}: ${JSON.stringify(ours)}`,
      );
      if (theirs === undefined || 'problem' in ours) {
        refused++;
        return;
      }
      const dfa = determinise(ours.regex.program, 5000);
      for (const value of values) {
        const bytes = Buffer.from(value, 'latin1');
        const expected = theirs.matcher(value).matches();
        if (expected) matches++;
        const what = `${JSON.stringify(pattern)} on ${JSON.stringify(value)}`;
        assert.equal(matchesRegex(ours.regex, bytes), expected, `NFA: ${what}`);
        if (dfa !== undefined) assert.equal(runDfa(dfa, bytes), expected, `DFA: ${what}`);
      }
    }),
    { numRuns: 15000 },
  );
  assert.ok(matches > 500, `only ${matches} matches: the generator lost its aim`);
  assert.ok(refused > 50, `only ${refused} refusals: the generator lost its aim`);
});
