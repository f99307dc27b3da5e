// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRuleRef } from '../../src/core/policy/rule-ref.ts';
import { ask, get, HTTP, policy, WORKLOADS, world } from '../support/policy-shop.ts';
import type { HttpRequest } from '../../src/core/policy/verdict.ts';

test('without any policy everything is allowed, directly', () => {
  const { verdict, reason, path } = ask(world(''), 'evil/intruder', 'shop/api');
  assert.deepEqual(
    { verdict, reason, path },
    { verdict: 'Allow', reason: 'AllowedNoPolicy', path: 'direct' },
  );
});

test('a present but empty direction denies everything in it and nothing in the other', () => {
  const one = world(policy('{selector: {matchLabels: {app: api}}, ingress: []}'));
  const denied = ask(one, 'shop/web', 'shop/api');
  assert.equal(denied.reason, 'DeniedByDefault');
  assert.equal(
    formatRuleRef(denied.decidingRule ?? assert.fail()),
    'AccessPolicy shop/p ingress default deny',
  );
  assert.equal(ask(one, 'shop/api', 'shop/web').verdict, 'Allow');
});

test('NetworkPolicy and AccessPolicy do not widen each other: each must allow', () => {
  const access = policy('{selector: {matchLabels: {app: api}}, ingress: [{action: Allow}]}');
  const network = policy(
    '{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress]}',
    'NetworkPolicy',
    'n',
  );
  assert.equal(ask(world(access), 'shop/web', 'shop/api').verdict, 'Allow');
  const both = ask(world(access + network), 'shop/web', 'shop/api');
  assert.equal(both.verdict, 'Deny');
  assert.equal(both.decidingRule?.kind, 'NetworkPolicy');
});

test('Deny wins over Allow of any policy, in whatever order they stand', () => {
  const allow = policy('{ingress: [{action: Allow}]}', 'AccessPolicy', 'b');
  const deny = policy(
    '{ingress: [{name: no-web, action: Deny, from: [{podSelector: {matchLabels: {app: web}}}]}]}',
    'AccessPolicy',
    'a',
  );
  for (const text of [allow + deny, deny + allow]) {
    const { verdict, reason, decidingRule } = ask(world(text), 'shop/web', 'shop/api');
    assert.deepEqual([verdict, reason, decidingRule?.ruleName], ['Deny', 'DeniedByRule', 'no-web']);
  }
});

test('a peer without namespaceSelector is one of the policy’s own namespace', () => {
  const one = world(policy('{ingress: [{action: Allow, from: [{podSelector: {matchLabels: {app: web}}}]}]}'));
  assert.equal(ask(one, 'shop/web', 'shop/api').verdict, 'Allow');
  assert.equal(ask(one, 'evil/intruder', 'shop/api').verdict, 'Deny');
  const wide = world(
    policy(
      '{ingress: [{action: Allow, from: [{podSelector: {matchLabels: {app: web}}}]}]}',
      'ClusterAccessPolicy',
    ),
  );
  assert.equal(ask(wide, 'evil/intruder', 'shop/api').verdict, 'Allow');
});

test('a rule with http decides requests, not the connection', () => {
  const one = world(HTTP);
  const connection = ask(one, 'shop/web', 'shop/api');
  assert.deepEqual(
    [connection.verdict, connection.layer, connection.path, connection.reason],
    ['Allow', 'L3L4', 'proxied', 'RequestsDecide'],
  );
  const decide = (http: HttpRequest) => {
    const { verdict, layer, reason, decidingRule } = ask(one, 'shop/web', 'shop/api', { http });
    return [verdict, layer, reason, decidingRule?.ruleName];
  };
  assert.deepEqual(decide(get('/items/1')), ['Allow', 'L7', 'AllowedByRule', 'read']);
  assert.deepEqual(decide(get('/items')), ['Allow', 'L7', 'AllowedByRule', 'read']);
  assert.deepEqual(decide(get('/itemsX')), ['Deny', 'L7', 'RequestDeniedByDefault', undefined]);
  assert.deepEqual(decide(get('/items/admin/x')), ['Deny', 'L7', 'RequestDeniedByRule', 'no-admin']);
  assert.deepEqual(decide(get('/items', { method: 'POST' })), [
    'Deny',
    'L7',
    'RequestDeniedByDefault',
    undefined,
  ]);
  const other = ask(one, 'evil/intruder', 'shop/api', { http: get('/items') });
  assert.deepEqual([other.verdict, other.layer, other.reason], ['Deny', 'L3L4', 'DeniedByDefault']);
});

test('an Allow without http makes requests on that port a matter of course, unless some are denied', () => {
  const open = '{ingress: [{action: Allow}, {action: Allow, http: [{methods: [GET]}]}]}';
  assert.equal(ask(world(policy(open)), 'shop/web', 'shop/api').path, 'direct');
  const but = '{ingress: [{action: Allow}, {action: Deny, http: [{path: {value: /admin}}]}]}';
  const one = world(policy(but));
  assert.equal(ask(one, 'shop/web', 'shop/api').path, 'proxied');
  assert.equal(ask(one, 'shop/web', 'shop/api', { http: get('/') }).verdict, 'Allow');
  assert.equal(ask(one, 'shop/web', 'shop/api', { http: get('/admin') }).verdict, 'Deny');
  assert.equal(ask(one, 'shop/web', 'shop/api', { protocol: 'UDP' }).path, 'direct');
});

test('rules with http of both sides must each allow the request', () => {
  const one = world(
    policy(
      '{selector: {matchLabels: {app: web}}, egress: [{action: Allow, http: [{methods: [GET, POST]}]}]}',
      'AccessPolicy',
      'out',
    ) +
      policy(
        '{selector: {matchLabels: {app: api}}, ingress: [{action: Allow, http: [{methods: [GET, PUT]}]}]}',
        'AccessPolicy',
        'in',
      ),
  );
  const verdict = (method: string) =>
    ask(one, 'shop/web', 'shop/api', { http: get('/', { method }) }).verdict;
  assert.deepEqual(['GET', 'POST', 'PUT'].map(verdict), ['Allow', 'Deny', 'Deny']);
});

test('CONNECT and upgrades pass only where an Allow names them', () => {
  const any = world(policy('{ingress: [{action: Allow, http: [{path: {value: /}}]}]}'));
  const upgrade = get('/', {
    headers: [
      ['Connection', 'upgrade'],
      ['Upgrade', 'websocket'],
    ],
  });
  assert.equal(ask(any, 'shop/web', 'shop/api', { http: upgrade }).verdict, 'Deny');
  const named = world(
    policy('{ingress: [{action: Allow, http: [{headers: [{name: Upgrade, value: websocket}]}]}]}'),
  );
  assert.equal(ask(named, 'shop/web', 'shop/api', { http: upgrade }).verdict, 'Allow');
  const connect = get('', { method: 'CONNECT' });
  assert.equal(
    ask(world(policy('{ingress: [{action: Allow, http: [{}]}]}')), 'shop/web', 'shop/api', { http: connect })
      .verdict,
    'Deny',
  );
  assert.equal(
    ask(world(policy('{ingress: [{action: Allow, http: [{methods: [CONNECT]}]}]}')), 'shop/web', 'shop/api', {
      http: connect,
    }).verdict,
    'Allow',
  );
});

test('Audit policies deny nothing and say what they would deny', () => {
  const one = world(policy('{mode: Audit, ingress: [{name: get, action: Allow, http: [{methods: [GET]}]}]}'));
  const post = ask(one, 'shop/web', 'shop/api', { http: get('/', { method: 'POST' }) });
  assert.deepEqual([post.verdict, post.path], ['Allow', 'proxied'], 'requests must be seen to be reported');
  assert.deepEqual(post.auditWouldDeny.map(formatRuleRef), ['AccessPolicy shop/p ingress default deny']);
  assert.deepEqual(ask(one, 'shop/web', 'shop/api', { http: get('/') }).auditWouldDeny, []);
});

test('what is denied anyway is not reported as a would-be denial', () => {
  const audit = policy('{mode: Audit, ingress: []}', 'AccessPolicy', 'audit');
  const deny = policy('{ingress: []}', 'AccessPolicy', 'deny');
  assert.deepEqual(ask(world(audit + deny), 'shop/web', 'shop/api').auditWouldDeny, []);
});

test('the deciding rule leads to its file and line', () => {
  const one = world(HTTP);
  const { decidingRule } = ask(one, 'shop/web', 'shop/api', { http: get('/items') });
  assert.ok(decidingRule !== undefined);
  assert.equal(decidingRule.file, 'shop.yaml');
  const line = `${WORKLOADS}\n---\n${HTTP}`.split('\n')[(decidingRule.line ?? 0) - 1];
  assert.equal(line, '  - name: read');
});

test('the trace says of each rule why it did not match', () => {
  const one = world(HTTP);
  const { steps } = ask(one, 'evil/intruder', 'shop/api', { http: get('/') });
  const details = steps
    .filter(({ rule }) => rule !== undefined)
    .map(({ outcome, detail }) => `${outcome}: ${detail}`);
  assert.deepEqual(details, [
    'NotMatched: namespace is evil, not shop',
    'NotMatched: path / is not PathPrefix /items/admin',
  ]);
});
