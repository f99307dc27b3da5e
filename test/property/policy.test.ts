// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '../../src/core/identity/address.ts';
import { formatPrefix, PrefixTable } from '../../src/core/identity/prefix.ts';
import { connectionVerdict, httpRules } from '../../src/core/policy/connection-verdict.ts';
import { decisionReasons } from '../../src/core/policy/decision-reason.ts';
import { evaluate } from '../../src/core/policy/evaluate.ts';
import { decideRequest } from '../../src/core/policy/http-decision.ts';
import { peerOfAddress } from '../../src/core/policy/peers.ts';
import { ruleKey } from '../../src/core/policy/rule-ref.ts';
import type { World } from '../../src/core/policy/world.ts';
import { type Scene, questionFor, scene } from '../support/policy-arbitrary.ts';
import { oracleAllows, type OracleQuestion } from '../support/policy-oracle.ts';
import { questionOf, worldOf } from '../support/policy-scene.ts';
import { ipcache } from '../support/one-world.ts';

const RUNS = 1200;

const sceneAndQuestion = scene.chain((one) => questionFor(one).map((question) => [one, question] as const));

test('the generated worlds reach every outcome', () => {
  const counts = new Map<string, number>();
  const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const [one, question] of fc.sample(sceneAndQuestion, { seed: 1, numRuns: 2500 })) {
    const { reason, path, auditWouldDeny } = evaluate(worldOf(one), questionOf(question));
    count(reason);
    count(path);
    if (auditWouldDeny.length > 0) count('audit');
  }
  // What a generator never reaches, the properties below say nothing about.
  for (const key of [...decisionReasons, 'direct', 'proxied', 'audit']) {
    assert.ok((counts.get(key) ?? 0) > 1, `${key}: ${counts.get(key) ?? 0}`);
  }
});

test('evaluate agrees with the brute-force oracle on every world and question', () => {
  fc.assert(
    fc.property(sceneAndQuestion, ([one, question]) => {
      const decision = evaluate(worldOf(one), questionOf(question));
      assert.equal(decision.verdict, oracleAllows(one, question) ? 'Allow' : 'Deny');
    }),
    { numRuns: RUNS },
  );
});

test('auditWouldDeny names rules exactly when enforcing the audited policies would turn Allow into Deny', () => {
  fc.assert(
    fc.property(sceneAndQuestion, ([one, question]) => {
      const { verdict, auditWouldDeny } = evaluate(worldOf(one), questionOf(question));
      const expected = verdict === 'Allow' && !oracleAllows({ ...one, enforceAudit: true }, question);
      assert.equal(auditWouldDeny.length > 0, expected);
    }),
    { numRuns: RUNS },
  );
});

test('the order of resources changes nothing, neither verdict nor trace', () => {
  const shuffled = sceneAndQuestion.chain(([one, question]) =>
    fc
      .shuffledSubarray([...one.resources], { minLength: one.resources.length })
      .map((resources) => [one, { ...one, resources }, question] as const),
  );
  fc.assert(
    fc.property(shuffled, ([one, other, question]) => {
      assert.deepEqual(
        evaluate(worldOf(other), questionOf(question)),
        evaluate(worldOf(one), questionOf(question)),
      );
    }),
    { numRuns: 300 },
  );
});

/** What enforcers compiled from the truth tables would do with the question. */
function byTables(world: World, { addresses }: Scene, question: OracleQuestion) {
  const { port, protocol, http } = question;
  const addressOf = (text: string) => parseAddress(addresses.get(text) ?? text);
  const ends = { source: addressOf(question.source), destination: addressOf(question.destination) };
  assert.ok(ends.source !== undefined && ends.destination !== undefined);
  const verdicts = [];
  for (const [direction, self, other] of [
    ['egress', ends.source, ends.destination],
    ['ingress', ends.destination, ends.source],
  ] as const) {
    const owner = world.addresses.owner(self);
    const workload =
      owner !== undefined && 'workload' in owner ? world.workloads.get(owner.workload) : undefined;
    if (workload === undefined) continue;
    const peer = peerOfAddress(world, other);
    const ranges = connectionVerdict(world, workload, direction, peer, protocol);
    assert.equal(ranges[0]?.from, 0);
    assert.equal(ranges.at(-1)?.to, 65535);
    for (const [index, range] of ranges.entries()) {
      assert.ok(range.from <= range.to);
      assert.equal(
        range.from,
        (ranges[index - 1]?.to ?? -1) + 1,
        'ranges are ordered, disjoint and without a gap',
      );
    }
    const range = ranges.find(({ from, to }) => from <= port && port <= to);
    assert.ok(range !== undefined);
    if (range.verdict !== 'Proxy' || http === undefined) {
      verdicts.push({
        proxied: range.verdict === 'Proxy' || range.audit?.verdict === 'Proxy',
        allowed: range.verdict !== 'Deny',
        rule: range.rule,
      });
    } else {
      const { verdict } = decideRequest(httpRules(world, workload, direction, peer, port), http);
      verdicts.push({ proxied: true, allowed: verdict === 'Allow', rule: undefined });
    }
  }
  return verdicts;
}

test('connectionVerdict and httpRules, carried out as they stand, agree with evaluate', () => {
  fc.assert(
    fc.property(sceneAndQuestion, ([one, question]) => {
      const world = worldOf(one);
      const decision = evaluate(world, questionOf(question));
      if (decision.reason === 'AllowedSelf') return;
      const verdicts = byTables(world, one, question);
      assert.equal(
        decision.verdict === 'Allow',
        verdicts.every(({ allowed }) => allowed),
      );
      if (decision.verdict === 'Allow' || decision.layer === 'L7') {
        assert.equal(
          decision.path === 'proxied',
          verdicts.some((verdict) => verdict.proxied),
        );
      }
      if (decision.layer === 'L3L4' && decision.verdict === 'Deny' && decision.decidingRule !== undefined) {
        const keys = verdicts.map(({ rule }) => (rule === undefined ? '' : ruleKey(rule)));
        assert.ok(keys.includes(ruleKey(decision.decidingRule)));
      }
    }),
    { numRuns: RUNS },
  );
});

test('connectionVerdict gives each port of a range the same answer as evaluate', () => {
  fc.assert(
    fc.property(sceneAndQuestion, fc.nat(65535), ([one, question], port) => {
      const world = worldOf(one);
      const { http: _, ...connection } = question;
      const decision = evaluate(world, questionOf({ ...connection, port }));
      if (decision.reason === 'AllowedSelf') return;
      const verdicts = byTables(world, one, { ...connection, port });
      assert.equal(
        decision.verdict === 'Allow',
        verdicts.every(({ allowed }) => allowed),
      );
    }),
    { numRuns: 500 },
  );
});

test('the longest prefix of ipcache gives every address its peer identity', () => {
  const addresses = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom(
      '10.0.0.1',
      '10.0.0.2',
      '10.0.0.3',
      '10.0.0.129',
      '10.0.1.2',
      'fd00::2',
      'fd00::7',
      '127.0.0.1',
      '::1',
      '::',
      '0.0.0.0',
    ),
  );
  fc.assert(
    fc.property(scene, addresses, (one, text) => {
      const world = worldOf(one);
      const address = parseAddress(text);
      assert.ok(address !== undefined);
      const entries = ipcache(world);
      const table = new PrefixTable(Array.from(entries.values(), ({ prefix }) => prefix));
      const longest = table.longest(address);
      assert.ok(longest !== undefined);
      const entry = entries.get(formatPrefix(longest));
      assert.equal(entry?.peer.key, peerOfAddress(world, address).key);
    }),
    { numRuns: 500 },
  );
});

test('every step of a trace names its direction, and every rule of a selecting policy has one', () => {
  fc.assert(
    fc.property(sceneAndQuestion, ([one, question]) => {
      const world = worldOf(one);
      const { steps, reason } = evaluate(world, questionOf(question));
      if (reason === 'AllowedSelf') return;
      const traced = new Set(steps.flatMap(({ rule }) => (rule === undefined ? [] : [ruleKey(rule)])));
      const subjects = new Set(steps.map(({ direction, subject }) => `${direction} ${subject}`));
      for (const subject of subjects) {
        for (const { rules } of world.selections.get(subject) ?? []) {
          for (const { ref } of rules) assert.ok(traced.has(ruleKey(ref)));
        }
      }
    }),
    { numRuns: 300 },
  );
});
