// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { connectionPath } from '../../src/agent/connection-path.ts';
import { ContentKeys } from '../../src/control/compile/content-key.ts';
import { Names } from '../../src/control/compile/names.ts';
import { evaluate } from '../../src/core/policy/evaluate.ts';
import { fromAccessPolicy } from '../../src/core/policy/from-access-policy.ts';
import type { HttpRequest } from '../../src/core/policy/verdict.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { ask, get, policy, world } from '../support/policy-shop.ts';
import { compile } from '../support/one-world.ts';

const ingress = (...rules: string[]): string =>
  policy(`{selector: {matchLabels: {app: api}}, ingress: [${rules.join(', ')}]}`);

const call = (path: string, type = 'application/grpc', more: Partial<HttpRequest> = {}): HttpRequest =>
  get(path, { method: 'POST', headers: [['content-type', type]], ...more });

function verdict(policies: string, http: HttpRequest): string {
  return ask(world(policies), 'shop/web', 'shop/api', { http }).verdict;
}

suite('gRPC rules', () => {
  test('allow the calls that they name, of which the content type says that they are calls', () => {
    const rule = ingress('{action: Allow, grpc: [{service: shop.v1.Payments, methods: [Charge, Refund]}]}');
    for (const [request, expected] of [
      [call('/shop.v1.Payments/Charge'), 'Allow'],
      [call('/shop.v1.Payments/Refund', 'application/grpc+proto'), 'Allow'],
      [call('/shop.v1.Payments/Refund', 'Application/gRPC; charset=utf-8'), 'Allow'],
      [call('/shop.v1.Payments/List'), 'Deny'],
      [call('/shop.v1.Payments2/Charge'), 'Deny'],
      [call('/shop.v1.Payments/Charge/x'), 'Deny'],
      [call('/shop.v1.Payments/Charge', 'application/grpc-web'), 'Deny'],
      [call('/shop.v1.Payments/Charge', 'text/plain'), 'Deny'],
      [call('/shop.v1.Payments/Charge', 'application/grpc', { method: 'GET' }), 'Deny'],
    ] as const) {
      assert.equal(verdict(rule, request), expected, JSON.stringify(request));
    }
  });

  test('without a service mean every service, without methods every method', () => {
    const service = ingress('{action: Allow, grpc: [{service: shop.v1.Payments}]}');
    assert.equal(verdict(service, call('/shop.v1.Payments/Any')), 'Allow');
    assert.equal(verdict(service, call('/shop.v1.PaymentsAdmin/Any')), 'Deny');
    const methods = ingress('{action: Allow, grpc: [{methods: [Check, Watch]}]}');
    assert.equal(verdict(methods, call('/grpc.health.v1.Health/Watch')), 'Allow');
    assert.equal(verdict(methods, call('/grpc.health.v1.Health/CheckAll')), 'Deny');
    const all = ingress('{action: Allow, grpc: [{}]}');
    assert.equal(verdict(all, call('/a.B/C')), 'Allow');
    assert.equal(verdict(all, call('/a.B/C', 'text/html')), 'Deny');
  });

  test('stand beside those of http, and their headers must match', () => {
    const rule = ingress(
      '{action: Allow, http: [{path: {value: /ready}}], grpc: [{service: a.B, headers: [{name: x-t, value: one}]}]}',
    );
    assert.equal(verdict(rule, get('/ready')), 'Allow');
    assert.equal(verdict(rule, call('/a.B/C')), 'Deny');
    const headers = [
      ['content-type', 'application/grpc'],
      ['x-t', 'one'],
    ] as const;
    assert.equal(verdict(rule, call('/a.B/C', '', { headers })), 'Allow');
  });

  test('deny by the path alone: no other method or content type is a way around', () => {
    const rule = ingress(
      '{action: Allow, http: [{}], http2: true}',
      '{action: Deny, grpc: [{service: a.Admin}]}',
    );
    assert.equal(verdict(rule, call('/a.B/C')), 'Allow');
    for (const request of [
      call('/a.Admin/C'),
      call('/a.Admin/C', 'text/plain'),
      call('/a.Admin/C', '', { headers: [] }),
      call('/a.Admin/C', 'application/grpc', { method: 'PUT' }),
      call('/a.%41dmin/C'),
    ]) {
      assert.equal(verdict(rule, request), 'Deny', JSON.stringify(request));
    }
  });

  function pathOf(policies: string): string {
    const now = world(policies);
    const names = new Names({ seed: [], next: 0 });
    const inline = { off: undefined, unseen: undefined, holds: () => true };
    const question = {
      source: { workload: 'shop/web' },
      destination: { workload: 'shop/api' },
      port: 8080,
      protocol: 'TCP',
    } as const;
    const sources = { world: now, names, compiled: compile(now, names), inline };
    const taken = connectionPath(sources, question, evaluate(now, question));
    return `${taken?.path ?? ''}: ${taken?.why ?? ''}`;
  }

  test('take the port to the proxy, as http2 does; in Audit mode they change nothing', () => {
    const proxied = /^proxied: .*HTTP\/2 \(grpc or http2\), which the proxy alone reads/;
    assert.match(pathOf(ingress('{action: Allow, grpc: [{service: a.B}]}')), proxied);
    assert.match(pathOf(ingress('{action: Allow, http: [{}], http2: true}')), proxied);
    assert.match(pathOf(ingress('{action: Allow, http: [{}]}', '{action: Deny, grpc: [{}]}')), proxied);
    const audit = policy(
      '{selector: {matchLabels: {app: api}}, mode: Audit, ingress: [{action: Allow, grpc: [{}]}]}',
      'AccessPolicy',
      'a',
    );
    assert.match(pathOf(audit + ingress('{action: Allow, http: [{}], to: [{port: 8080}]}')), /^inline/);
  });

  test('a rule that takes HTTP/2 means something else than one that does not, and is compiled anew', () => {
    const keys = new ContentKeys();
    const keyOf = (rule: string): string => {
      const { resources } = parseManifest(ingress(rule), 'policy.yaml');
      const directions = resources.flatMap((resource) =>
        resource.kind === 'AccessPolicy' ? fromAccessPolicy(resource).directions : [],
      );
      return keys.ofSelection(directions);
    };
    const one = '{action: Allow, http: [{path: {value: /a}}]}';
    const two = '{action: Allow, http: [{path: {value: /a}}], http2: true}';
    assert.equal(keyOf(one), keyOf(one));
    assert.notEqual(keyOf(one), keyOf(two));
  });
});
