// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Automaton, compile } from '../../src/core/automaton/compile.ts';
import { evaluateHttp } from '../../src/core/automaton/evaluate.ts';
import { HeadStatus, RequestHead } from '../../src/core/automaton/executor.ts';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { load } from '../../src/core/automaton/table.ts';
import { Reject } from '../../src/core/http/reasons.ts';
import { factsOf, feed, requestOf } from '../support/head-facts.ts';
import { requestHead, ruleSet } from '../support/http-arbitrary.ts';
import { referenceHead } from '../support/reference-http.ts';

const DEFAULT_DENY = 99;
const texts = fc.array(requestHead, { minLength: 30, maxLength: 30 });
/** Rules of which about half are in Audit mode. */
const mixed = fc
  .tuple(ruleSet, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }))
  .map(([rules, audits]) => rules.map((rule, index) => ({ ...rule, audit: audits[index] === true })));

function headOf({ bytes }: Automaton): RequestHead {
  return new RequestHead(load(bytes));
}

/** Whether the whole list, enforced, refuses what the head says. */
function refuses(text: string, rules: RuleSet): boolean {
  const reference = referenceHead(text, rules);
  return typeof reference !== 'object' || !reference.allowed;
}

test('rules in Audit mode change nothing but the report, and that is what enforcing them would do', () => {
  const seen = { audited: 0, passed: 0, ambiguous: 0, inTable: 0, later: 0 };
  fc.assert(
    fc.property(mixed, texts, (rules, heads) => {
      const enforced = rules.filter(({ audit }) => !audit);
      const plain = headOf(compile(enforced));
      const automaton = compile(rules, { audit: { enforces: true, defaultDeny: DEFAULT_DENY } });
      const inTable = automaton.auditUndecidable === undefined;
      seen[inTable ? 'inTable' : 'later']++;
      const head = headOf(automaton);
      for (const text of heads) {
        const status = feed(plain, text, []);
        const what = JSON.stringify({ text, rules });
        const mine = feed(head, text, []);
        // A CONNECT that is refused anyway may be refused for its Host.
        if (head.reason === Reject.HostMismatch && !plain.allowed) continue;
        assert.equal(mine, status, what);
        assert.equal(head.reason, plain.reason, what);
        if (status !== HeadStatus.Done) continue;
        assert.deepEqual(factsOf(head, text), factsOf(plain, text), what);
        assert.equal(head.audited && !head.allowed, false);
        if (!head.allowed || !inTable) continue;
        assert.equal(head.audited, refuses(text, rules), what);
        seen[head.audited ? 'audited' : 'passed']++;
        if (head.audited && head.auditRule === DEFAULT_DENY) seen.ambiguous++;
        else if (head.audited) assert.ok(rules[head.auditRule - 1]?.audit, what);
      }
    }),
    { numRuns: 150, endOnFailure: true },
  );
  for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 3, `only ${count} ${outcome}`);
});

test('where nothing is enforced every request passes, reported as the rules would have it', () => {
  const seen = { audited: 0, passed: 0, ambiguous: 0 };
  fc.assert(
    fc.property(mixed, texts, (rules, heads) => {
      const head = headOf(compile(rules, { audit: { enforces: false, defaultDeny: DEFAULT_DENY } }));
      const grammar = headOf(compile([]));
      for (const text of heads) {
        const what = JSON.stringify({ text, rules });
        const status = feed(grammar, text, []);
        const mine = feed(head, text, []);
        if (status === HeadStatus.Done && mine === HeadStatus.Rejected) {
          assert.equal(head.reason, Reject.HostMismatch, what);
          continue;
        }
        assert.equal(mine, status, what);
        if (status !== HeadStatus.Done) continue;
        assert.deepEqual([head.allowed, head.rule], [true, 0], what);
        assert.equal(head.audited, refuses(text, rules), what);
        seen[head.audited ? 'audited' : 'passed']++;
        if (!head.audited) continue;
        const verdict = evaluateHttp(rules, requestOf(head, text));
        if (head.auditRule === DEFAULT_DENY) seen.ambiguous++;
        else assert.equal(head.auditRule, verdict.rule, what);
      }
    }),
    { numRuns: 80, endOnFailure: true },
  );
  for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 50, `only ${count} ${outcome}`);
});
