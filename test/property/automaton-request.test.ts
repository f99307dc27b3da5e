// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../src/core/automaton/compile.ts';
import { evaluateHttp } from '../../src/core/automaton/evaluate.ts';
import { HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import { load } from '../../src/core/automaton/table.ts';
import { describeReject } from '../../src/core/http/reasons.ts';
import { factsOf, feed, requestOf, traceOf } from '../support/head-facts.ts';
import { requestHead, ruleSet } from '../support/http-arbitrary.ts';
import { referenceHead } from '../support/reference-http.ts';

test('the table agrees with a plain string implementation on every generated and damaged request', () => {
  const seen = { allowed: 0, denied: 0, refused: 0, incomplete: 0 };
  fc.assert(
    fc.property(ruleSet, fc.array(requestHead, { minLength: 50, maxLength: 50 }), (rules, texts) => {
      const head = new RequestHead(load(compile(rules).bytes));
      for (const text of texts) {
        const expected = referenceHead(text, rules);
        const status = feed(head, text, []);
        const what = `${JSON.stringify(text)}: ${describeReject(head.reason).name}, expected ${JSON.stringify(expected)}`;
        if (expected === undefined) {
          seen.incomplete++;
          assert.notEqual(status, HeadStatus.Done, what);
        } else if (typeof expected === 'string') {
          seen.refused++;
          assert.equal(status, HeadStatus.Rejected, what);
        } else {
          seen[expected.allowed ? 'allowed' : 'denied']++;
          assert.equal(status, HeadStatus.Done, what);
          assert.deepEqual(factsOf(head, text), expected, text);
        }
      }
    }),
    { numRuns: 420, endOnFailure: true },
  );
  for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 100, `only ${count} ${outcome}`);
});

test('cutting a head anywhere changes nothing', () => {
  fc.assert(
    fc.property(ruleSet, fc.array(requestHead, { minLength: 4, maxLength: 4 }), (rules, texts) => {
      const head = new RequestHead(load(compile(rules).bytes));
      for (const text of texts) {
        const whole = traceOf(head, feed(head, text, []));
        for (let cut = 1; cut < text.length; cut++)
          assert.deepEqual(
            traceOf(head, feed(head, text, [cut])),
            whole,
            `${JSON.stringify(text)} cut at ${cut}`,
          );
        const everywhere = Array.from({ length: text.length - 1 }, (_, index) => index + 1);
        assert.deepEqual(
          traceOf(head, feed(head, text, everywhere)),
          whole,
          `${JSON.stringify(text)} byte by byte`,
        );
      }
    }),
    { numRuns: 60 },
  );
});

test('a hopeless beginning never leads to an allowed request', () => {
  let hopeless = 0;
  fc.assert(
    fc.property(ruleSet, fc.array(requestHead, { minLength: 10, maxLength: 10 }), (rules, texts) => {
      const head = new RequestHead(load(compile(rules).bytes));
      for (const text of texts) {
        if (feed(head, text, []) !== HeadStatus.Done || !head.allowed) continue;
        const { length } = head;
        for (let cut = 1; cut < length; cut++) {
          feed(head, text.slice(0, cut), []);
          assert.equal(head.hopeless(), false, `${JSON.stringify(text)} at ${cut}`);
        }
      }
      for (const text of texts) {
        if (feed(head, text, []) !== HeadStatus.Done || head.allowed) continue;
        feed(head, text.slice(0, text.length - 4), []);
        if (head.hopeless()) hopeless++;
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(hopeless > 20, 'some refusals are known early');
});

test('explanations evaluate as the table does', () => {
  fc.assert(
    fc.property(ruleSet, fc.array(requestHead, { minLength: 20, maxLength: 20 }), (rules, texts) => {
      const head = new RequestHead(load(compile(rules).bytes));
      for (const text of texts) {
        if (feed(head, text, []) !== HeadStatus.Done) continue;
        const { allowed, rule } = factsOf(head, text);
        const verdict = evaluateHttp(rules, requestOf(head, text));
        assert.deepEqual([verdict.reject, verdict.allowed, verdict.rule], [0, allowed, rule], text);
      }
    }),
    { numRuns: 100 },
  );
});
