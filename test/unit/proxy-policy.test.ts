// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import type { ProxyVerdict } from '../../src/core/proxy/config.ts';
import { Mode, type Parties, PolicyTable } from '../../src/proxy/policy.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

const parties: Parties = {
  sourceWorkload: 1,
  sourceIdentity: 11,
  destinationWorkload: 2,
  destinationIdentity: 12,
  destinationPort: 80,
};
const egress = (row: Partial<ProxyVerdict>): ProxyVerdict => ({
  workload: 1,
  direction: 'egress',
  identity: 12,
  from: 80,
  to: 80,
  action: 'allow',
  rule: 3,
  ...row,
});
const ingress = (row: Partial<ProxyVerdict>): ProxyVerdict =>
  egress({ workload: 2, direction: 'ingress', identity: 11, rule: 4, ...row });

describe('the ruling on a connection', () => {
  const cases: readonly (readonly [string, readonly ProxyVerdict[], keyof typeof Mode, number])[] = [
    ['nobody governed: allow', [], 'allow', reason.none],
    ['both sides allow', [egress({}), ingress({})], 'allow', reason.none],
    ['egress denies', [egress({ action: 'deny' }), ingress({})], 'deny', reason['policy-denied']],
    ['ingress denies', [egress({}), ingress({ action: 'deny' })], 'deny', reason['policy-denied']],
    ['governed and no row: deny', [egress({}), ingress({ identity: 99 })], 'deny', reason['policy-no-rule']],
    ['governed and another port: deny', [egress({ from: 81, to: 90 })], 'deny', reason['policy-no-rule']],
    [
      'one side asks for requests',
      [egress({}), ingress({ action: 'http', automaton: 0 })],
      'http',
      reason.none,
    ],
    [
      'requests on one side do not outvote a denial on the other',
      [egress({ action: 'http', automaton: 0 }), ingress({ action: 'deny' })],
      'deny',
      reason['policy-denied'],
    ],
    [
      'http without an automaton can not be decided: deny',
      [ingress({ action: 'http' })],
      'deny',
      reason['policy-denied'],
    ],
    [
      'rows of the other direction do not count',
      [egress({ workload: 2, action: 'deny' })],
      'allow',
      reason.none,
    ],
    [
      'a range holds its ends',
      [egress({ from: 80, to: 90 }), ingress({ from: 1, to: 80 })],
      'allow',
      reason.none,
    ],
  ];
  for (const [what, rows, mode, why] of cases) {
    test(what, () => {
      const ruling = new PolicyTable(rows).rule(parties);
      assert.equal(ruling.mode, Mode[mode]);
      assert.equal(ruling.reason, why);
    });
  }

  test('the rules of both sides and their automata are named', () => {
    const ruling = new PolicyTable([
      egress({ action: 'http', automaton: 5 }),
      ingress({ action: 'http', automaton: 6 }),
    ]).rule(parties);
    assert.deepEqual(
      [ruling.egress.rule, ruling.ingress.rule, ruling.egress.automaton, ruling.ingress.automaton],
      [3, 4, 5, 6],
    );
  });
});

describe('both sides decide on requests', () => {
  const path = (value: string, rule: number) => [
    { rule, action: 'Allow' as const, matches: [{ path: { type: 'PathPrefix' as const, value } }] },
  ];

  test(
    'each must allow, and the record names the rule of each',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        client.write(get('/a/b'));
        await client.sees('200 OK');
        client.write(get('/a'));
        await client.sees('403');
        client.write(get('/x'));
        await client.sees(/403[^]*403/);
        const flows = wire.proxy.flows();
        assert.deepEqual(
          flows.map((flow) => [flow.target, flow.status, flow.egressRule, flow.ingressRule]),
          [
            ['/a/b', 200, 9, 8],
            ['/a', 403, 0, 8],
            ['/x', 403, 0, 0],
          ],
        );
        assert.equal(wire.drops('http-no-rule'), 2);
      },
      { rules: path('/a', 8), egressRules: path('/a/b', 9) },
    ),
  );

  test(
    'a head in pieces is judged like one in one piece',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        for (const byte of get('/a/b') + get('/a')) client.write(byte);
        await client.sees(/200 OK[^]*403/);
        assert.equal(wire.server.received[0], get('/a/b'));
      },
      { rules: path('/a', 8), egressRules: path('/a/b', 9) },
    ),
  );
});
