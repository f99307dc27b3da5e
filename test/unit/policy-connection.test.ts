// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/core/identity/address.ts';
import { auditHttpRules, connectionVerdict, httpRules } from '../../src/core/policy/connection-verdict.ts';
import { peerOfAddress } from '../../src/core/policy/peers.ts';
import { policy, world } from '../support/policy-shop.ts';

test('connectionVerdict lists ordered ranges with the rule of each', () => {
  const one = world(
    policy(`
  selector: {matchLabels: {app: api}}
  ingress:
  - {action: Allow, to: [{port: 1000, endPort: 1999}]}
  - {action: Allow, to: [{port: 2000}]}
  - {action: Deny, to: [{port: 1500, endPort: 1600}]}
  - {action: Allow, to: [{port: http}], http: [{methods: [GET]}]}
`),
  );
  const api = one.workloads.get('shop/api') ?? assert.fail();
  const peer = peerOfAddress(one, parseAddress('192.0.2.1') ?? assert.fail());
  const text = (protocol: 'TCP' | 'UDP') =>
    connectionVerdict(one, api, 'ingress', peer, protocol).map(
      ({ from, to, verdict, rule }) => `${from}-${to} ${verdict} ${rule?.index ?? ''}`,
    );
  assert.deepEqual(text('TCP'), [
    '0-999 Deny -1',
    '1000-1499 Allow 0',
    '1500-1600 Deny 2',
    '1601-1999 Allow 0',
    '2000-2000 Allow 1',
    '2001-8079 Deny -1',
    '8080-8080 Proxy ',
    '8081-65535 Deny -1',
  ]);
  assert.deepEqual(text('UDP'), ['0-65535 Deny -1']);
  const rules = httpRules(one, api, 'ingress', peer, 8080);
  assert.deepEqual(
    rules.map(({ rule, action, matches }) => [rule.index, action, matches]),
    [[3, 'Allow', [{ methods: ['GET'] }]]],
  );
});

test('what Audit policies would make of a range stands beside its verdict', () => {
  const one = world(
    policy('{mode: Audit, ingress: [{action: Allow, to: [{port: 80}], http: [{methods: [GET]}]}]}'),
  );
  const api = one.workloads.get('shop/api') ?? assert.fail();
  const peer = peerOfAddress(one, parseAddress('192.0.2.1') ?? assert.fail());
  const ranges = connectionVerdict(one, api, 'ingress', peer, 'TCP');
  assert.deepEqual(
    ranges.map(({ from, to, verdict, audit }) => [from, to, verdict, audit?.verdict]),
    [
      [0, 79, 'Allow', 'Deny'],
      [80, 80, 'Allow', 'Proxy'],
      [81, 65535, 'Allow', 'Deny'],
    ],
  );
  assert.deepEqual(httpRules(one, api, 'ingress', peer, 80), []);
  assert.equal(auditHttpRules(one, api, 'ingress', peer, 80).length, 1);
});

test('ports whose requests Audit policies judge by other rules stay apart', () => {
  const one = world(
    policy(
      '{mode: Audit, ingress: [{action: Deny, to: [{port: 82, endPort: 90}], http: [{path: {value: /a}}]}, {action: Allow, http: [{methods: [GET]}]}]}',
    ),
  );
  const api = one.workloads.get('shop/api') ?? assert.fail();
  const peer = peerOfAddress(one, parseAddress('192.0.2.1') ?? assert.fail());
  const ranges = connectionVerdict(one, api, 'ingress', peer, 'TCP');
  assert.deepEqual(
    ranges.map(({ from, to }) => [from, to, auditHttpRules(one, api, 'ingress', peer, from).length]),
    [
      [0, 81, 1],
      [82, 90, 2],
      [91, 65535, 1],
    ],
  );
});
