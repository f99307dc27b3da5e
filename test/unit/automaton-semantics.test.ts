// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { allow, get, outcome, outcomes } from '../support/request-cases.ts';

/** Rules, then heads with what comes of them. */
function holds(what: string, rules: RuleSet, expected: Readonly<Record<string, string>>): void {
  test(what, () => {
    const of = outcomes(rules);
    for (const [text, result] of Object.entries(expected))
      assert.equal(of(text), result, JSON.stringify(text));
  });
}

const path = (type: 'Exact' | 'PathPrefix' | 'RegularExpression', value: string): RuleSet =>
  allow({ path: { type, value } });

holds('no rules refuse everything', [], { [get('/')]: 'deny 0' });
holds('a rule without matches allows everything but CONNECT and upgrades', allow(), {
  [get('/x')]: 'allow 1',
  [get('/x', 'Connection: upgrade', 'Upgrade: h2c')]: 'deny 0',
  ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n']: 'deny 0',
});
holds('Exact paths are exact', path('Exact', '/charge'), {
  [get('/charge')]: 'allow 1',
  [get('/charge?x=1')]: 'allow 1',
  [get('/charge/')]: 'deny 0',
  [get('/charg')]: 'deny 0',
  [get('/Charge')]: 'deny 0',
});
holds('PathPrefix compares elements', path('PathPrefix', '/charge'), {
  [get('/charge')]: 'allow 1',
  [get('/charge/')]: 'allow 1',
  [get('/charge/x/y')]: 'allow 1',
  [get('/charges')]: 'deny 0',
  [get('/')]: 'deny 0',
});
holds('a trailing slash of a prefix means nothing', path('PathPrefix', '/charge/'), {
  [get('/charge')]: 'allow 1',
});
holds('the prefix / is every path', path('PathPrefix', '/'), {
  [get('/')]: 'allow 1',
  [get('/a/b')]: 'allow 1',
});
holds('expressions match the whole path', path('RegularExpression', '/v[0-9]+'), {
  [get('/v12')]: 'allow 1',
  [get('/v12/')]: 'deny 0',
  [get('/a/v12')]: 'deny 0',
});
holds('paths compare decoded', path('Exact', '/a@b%20c'), {
  [get('/a@b%20c')]: 'allow 1',
  [get('/a%40b%20c')]: 'allow 1',
});
holds('expressions see decoded paths', path('RegularExpression', '/[a-z]+@x/\u00e9'), {
  [get('/abc%40x/%C3%a9')]: 'allow 1',
  [get('/abc@x/%c3%A9')]: 'allow 1',
  [get('/abc@x/%c3')]: 'deny 0',
});
holds('paths that would need normalising are rejected where a rule reads paths', path('PathPrefix', '/'), {
  [get('/a//b')]: 'DoubleSlash',
  [get('//a')]: 'DoubleSlash',
  [get('/a/./b')]: 'DotSegment',
  [get('/a/..')]: 'DotSegment',
  [get('/a/..;x/b')]: 'DotSegment',
  [get('/a/..%3bx')]: 'DotSegment',
  [get('/..?x')]: 'DotSegment',
  [get('/a/...')]: 'allow 1',
  [get('/a/.well-known')]: 'allow 1',
  [get('/a%2Fb')]: 'EncodedSlash',
  [get('/a%5cb')]: 'EncodedBackslash',
  [get('/a%00')]: 'EncodedControl',
  [get('/a%0d%0a')]: 'EncodedControl',
  [get('/%2e%2e/')]: 'EncodedUnreserved',
  [get('/%61dmin')]: 'EncodedUnreserved',
  [get('/a\\b')]: 'Backslash',
  [get('/a%2')]: 'BadEscape',
  [get('/a%zz')]: 'BadEscape',
  [get('/a%25')]: 'allow 1',
});
holds('without a rule that reads paths they pass as they are', allow({ methods: ['GET'] }), {
  [get('/a//b/../%2e')]: 'allow 1',
  [get('/a\\b')]: 'Backslash',
});
holds(
  'hosts compare without case, port and final dot',
  allow({ host: ['shop.example', '*.api.example', '[::1]'] }),
  {
    ['GET / HTTP/1.1\r\nHost: SHOP.example.:80\r\n\r\n']: 'allow 1',
    ['GET / HTTP/1.1\r\nHost:\tshop.example \r\n\r\n']: 'allow 1',
    ['GET / HTTP/1.1\r\nHost: a.b.api.example\r\n\r\n']: 'allow 1',
    ['GET / HTTP/1.1\r\nHost: api.example\r\n\r\n']: 'deny 0',
    ['GET / HTTP/1.1\r\nHost: xapi.example\r\n\r\n']: 'deny 0',
    ['GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n']: 'allow 1',
    ['GET / HTTP/1.1\r\nHost:\r\n\r\n']: 'deny 0',
    ['GET / HTTP/1.0\r\n\r\n']: 'deny 0',
  },
);
const tenant = { name: 'X-Tenant', type: 'RegularExpression', value: '[a-z ]+' } as const;
holds('Allow wants a header exactly once', allow({ headers: [tenant] }), {
  [get('/', 'x-tenant: abc')]: 'allow 1',
  [get('/', 'X-TENANT:  a b\t')]: 'allow 1',
  [get('/', 'x-tenant: a1')]: 'deny 0',
  [get('/', 'x-tenant: abc', 'x-tenant: abc')]: 'deny 0',
  [get('/')]: 'deny 0',
});
holds(
  'Deny looks at every line of a header',
  [
    { rule: 1, action: 'Allow', matches: [] },
    { rule: 2, action: 'Deny', matches: [{ headers: [{ name: 'x-role', type: 'Exact', value: 'admin' }] }] },
  ],
  {
    [get('/', 'x-role: admin')]: 'deny 2',
    [get('/', 'x-role: user', 'x-role: admin')]: 'deny 2',
    [get('/', 'x-role: admin', 'x-role: a', 'x-role: b')]: 'deny 2',
    [get('/', 'x-role: user', 'x-role: other')]: 'allow 1',
    [get('/', 'x-role: Admin')]: 'allow 1',
  },
);
holds('Present asks for at least one line', allow({ headers: [{ name: 'x-a', type: 'Present' }] }), {
  [get('/', 'x-a:')]: 'allow 1',
  [get('/', 'x-a: 1', 'X-A: 2')]: 'allow 1',
  [get('/', 'x-ab: 1')]: 'deny 0',
});
holds(
  'query parameters compare as forms decode them',
  allow({ queryParams: [{ name: 'a b', type: 'Exact', value: 'x&y' }] }),
  {
    [get('/?a+b=x%26y')]: 'allow 1',
    [get('/?z=1&%61%20b=%78%26y&q')]: 'allow 1',
    [get('/?a+b=x%26y&a+b=x%26y')]: 'deny 0',
    [get('/?a+b=x')]: 'deny 0',
    [get('/')]: 'deny 0',
    [get('/?a+b=%z')]: 'BadEscape',
    [get('/?other=%z')]: 'deny 0',
  },
);
holds(
  'a parameter without = is present and empty',
  allow({ queryParams: [{ name: 'd', type: 'Exact', value: '' }] }),
  {
    [get('/?d')]: 'allow 1',
    [get('/?d=')]: 'allow 1',
    [get('/?d&x=1')]: 'allow 1',
    [get('/?d=1')]: 'deny 0',
  },
);
const websocket = { name: 'upgrade', type: 'Exact', value: 'websocket' } as const;
holds('an upgrade must be named', allow({ headers: [websocket] }, { methods: ['GET'] }), {
  [get('/', 'Connection: Upgrade', 'Upgrade: websocket')]: 'allow 1',
  [get('/', 'Connection: Upgrade', 'Upgrade: h2c')]: 'deny 0',
  [get('/', 'Upgrade: h2c')]: 'deny 0',
  [get('/')]: 'allow 1',
});
holds(
  'CONNECT must be named, has no path, and its target is its host',
  [
    { rule: 1, action: 'Allow', matches: [{ methods: ['CONNECT'], host: ['a.example'] }] },
    { rule: 2, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: '/' } }] },
  ],
  {
    ['CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n']: 'allow 1',
    ['CONNECT b.example:443 HTTP/1.1\r\nHost: b.example\r\n\r\n']: 'deny 0',
    ['CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n']: 'HostMismatch',
  },
);
holds('methods compare with case', allow({ methods: ['GET', 'PATCH'] }), {
  [get('/')]: 'allow 1',
  [get('/').replace('GET', 'PATCH')]: 'allow 1',
  [get('/').replace('GET', 'get')]: 'deny 0',
  [get('/').replace('GET', 'GETS')]: 'deny 0',
});

test('Deny wins over Allow in any order', () => {
  const deny = { rule: 5, action: 'Deny', matches: [{ path: { type: 'Exact', value: '/x' } }] } as const;
  const open = { rule: 6, action: 'Allow', matches: [] } as const;
  assert.equal(outcome([deny, open], get('/x')), 'deny 5');
  assert.equal(outcome([open, deny], get('/x')), 'deny 5');
  assert.equal(outcome([open, deny], get('/y')), 'allow 6');
});
