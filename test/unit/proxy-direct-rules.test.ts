// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verdict } from '../../src/core/abi/policy.ts';
import { compile, PROXY_LIMITS } from '../../src/core/automaton/compile.ts';
import type { L7Rule } from '../../src/core/automaton/rules.ts';
import { DEFAULT_DENY } from '../support/proxy-engine.ts';
import { get, OK, withWire } from '../support/proxy-wire.ts';

/** The byte twenty places before the end must be remembered: 2^20 states. */
const HUGE = '(?s).*a.{20}';
const matching = `/${'x'.repeat(5)}a${'y'.repeat(20)}`;
const path = (value: string, type: 'RegularExpression' | 'PathPrefix' = 'RegularExpression') => [
  { path: { type, value } },
];

describe('rules that fit no table', () => {
  const rules: readonly L7Rule[] = [
    { rule: 1, action: 'Allow', matches: path(HUGE) },
    { rule: 2, action: 'Deny', matches: [{ headers: [{ name: 'x-mode', type: 'Exact', value: 'off' }] }] },
  ];

  test('the compiler says so', () => {
    const automaton = compile(rules);
    assert.match(automaton.undecidable ?? '', /states/);
    assert.equal(automaton.notInline, automaton.undecidable);
  });

  test(
    'are enforced all the same, however the head comes',
    withWire(
      async (wire) => {
        wire.server.answer(OK);
        const client = await wire.client();
        for (const byte of get(matching)) client.write(byte);
        await client.sees('200 OK');
        client.write(get(`${matching}z`));
        await client.sees(/200 OK[^]*403/);
        client.write(get(matching, 'X-Mode: off'));
        await client.sees(/200 OK[^]*403[^]*403/);
        assert.deepEqual(
          wire.proxy.flows().map((flow) => [flow.status, flow.ingressRule]),
          [
            [200, 1],
            [403, 0],
            [403, 2],
          ],
        );
        assert.equal(wire.drops('http-no-rule') + wire.drops('http-denied'), 2);
      },
      { rules },
    ),
  );

  test(
    'an ambiguous target is refused before them',
    withWire(
      async (wire) => {
        assert.match(await wire.exchange(get(`/.${matching}`)), /^HTTP\/1.1 400 /);
        assert.equal(wire.server.received.length, 0);
      },
      { rules },
    ),
  );

  test(
    'a request on which they would take too long is refused with a reason of its own',
    withWire(
      async (wire) => {
        assert.match(
          await wire.exchange(get(`/${'x'.repeat(60_000)}`, 'Connection: close')),
          /^HTTP\/1.1 403 /,
        );
        assert.equal(wire.drops('http-too-complex'), 1);
      },
      { rules: [{ rule: 1, action: 'Allow', matches: path('(?s).*a.{500}') }] },
    ),
  );
});

describe('rules in Audit mode that fit no table', () => {
  const rules: readonly L7Rule[] = [
    { rule: 1, action: 'Allow', matches: path('/', 'PathPrefix') },
    { rule: 2, action: 'Deny', matches: path(HUGE), audit: true },
  ];
  const audit = { enforces: true, defaultDeny: DEFAULT_DENY };

  test('leave the table to what is enforced', () => {
    const automaton = compile(rules, { audit });
    assert.equal(automaton.undecidable, undefined);
    assert.match(automaton.auditUndecidable ?? '', /states/);
    assert.equal(automaton.notInline, automaton.auditUndecidable);
    const plain = compile([rules[0] as L7Rule]);
    assert.equal(automaton.states, plain.states);
  });

  test('which passes another budget, still is enforced by none', () => {
    const automaton = compile(rules, { audit, limits: { ...PROXY_LIMITS, decisionWords: 0 } });
    assert.match(automaton.undecidable ?? '', /decision/);
  });

  for (const [what, options] of [
    ['beside enforced rules', { compile: { audit } }],
    ['alone', { action: 'allow' as const }],
  ] as const) {
    test(
      `report what they would refuse: ${what}`,
      withWire(
        async (wire) => {
          wire.server.answer(OK);
          const client = await wire.client();
          client.write(get(matching));
          await client.sees('200 OK');
          client.write(get('/'));
          await client.sees(/200 OK[^]*200 OK/);
          const requests = wire.proxy.flows().filter(({ kind }) => kind === 3);
          assert.deepEqual(
            requests.map((flow) => [flow.verdict, flow.ingressRule]),
            [
              [verdict.audited, 2],
              [verdict.allowed, what === 'alone' ? 7 : 1],
            ],
          );
        },
        { rules, ...options },
      ),
    );
  }
});
