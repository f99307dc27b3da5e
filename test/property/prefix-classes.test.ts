// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPeerIdentity } from '../../src/core/identity/peer-identity.ts';
import { formatPrefix, parsePrefix, type Prefix } from '../../src/core/identity/prefix.ts';
import { peerMismatch } from '../../src/core/policy/peer-match.ts';
import { collectPrefixes, standIns } from '../../src/core/policy/prefix-classes.ts';
import type { PeerClause, Rule } from '../../src/core/policy/rule.ts';

/** Few bits, so that blocks hold one another often. */
const prefix = fc.tuple(fc.nat(255), fc.integer({ min: 4, max: 12 })).map(([bits, length]): Prefix => {
  const found = parsePrefix(`${String(bits)}.${String((bits * 16) & 255)}.0.0/${String(length)}`);
  assert.ok(found !== undefined);
  return found;
});
const clause: fc.Arbitrary<PeerClause> = fc
  .array(fc.record({ block: prefix, except: fc.array(prefix, { maxLength: 2 }) }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((blocks) => ({ blocks }));
const rule = (peers: readonly PeerClause[]): Rule => ({
  ref: { kind: 'AccessPolicy', namespace: 'shop', name: 'api', direction: 'ingress', index: 0 },
  action: 'Allow',
  clauses: peers.map((peer) => ({ peer })),
});

test('every clause says the same of a block and of what stands for it, and something else of any other', () => {
  fc.assert(
    fc.property(fc.array(clause, { minLength: 1, maxLength: 5 }), (clauses) => {
      const rules = [rule(clauses)];
      const prefixes = collectPrefixes(rules);
      const found = standIns(prefixes, () => rules, 0);
      const answersOf = (of: Prefix): string =>
        clauses
          .map((one) => peerMismatch(one, createPeerIdentity({ prefix: of }), () => ({})) === undefined)
          .join();
      const seen = new Map<string, string>();
      for (const [text, one] of prefixes) {
        const standIn = found.get(text);
        assert.ok(standIn !== undefined);
        const answers = answersOf(one);
        assert.equal(answersOf(standIn), answers);
        const name = formatPrefix(standIn);
        assert.equal(seen.get(answers) ?? name, name);
        seen.set(answers, name);
      }
    }),
    { numRuns: 1000 },
  );
});
