// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import type { HttpMatch, L7Rule, RuleSet } from '../../src/core/automaton/rules.ts';

const from = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const PATHS = [
  '/',
  '/charge',
  '/charge/',
  '/charge/x',
  '/charges',
  '/a/b',
  '/a%20b',
  '/a@b',
  '/caf\u00e9',
  '/.well/x',
];
const PATH_PATTERNS = [
  '/.*',
  '/[a-z]+',
  '/charge(/.*)?',
  '.*x',
  '.*@.*',
  '/a.b',
  '(?i)/CHARGE',
  '/v[0-9]{1,3}/.*',
];
const VALUES = ['1', 'abc', 'a b', '', 'x=y', 'caf\u00e9', 't-1'];
const VALUE_PATTERNS = ['[a-z]+', '.*b.*', 't-[0-9]+', '', 'a ?b', '.', '(?i)ABC', '\\d+'];
const HEADERS = ['x-tenant', 'X-Mode', 'upgrade', 'accept'];
const PARAMS = ['q', 'id', 'a b'];
const HOSTS = ['shop.example', '*.example', 'api.shop.example', '10.0.0.1'];
const METHODS = ['GET', 'POST', 'HEAD', 'OPTIONS', 'CONNECT', 'PUT', 'DELETE'];

const named = (names: readonly string[]): fc.Arbitrary<NonNullable<HttpMatch['headers']>> =>
  fc.array(
    fc.oneof(
      fc.record({ name: from(...names), type: fc.constant('Exact' as const), value: from(...VALUES) }),
      fc.record({
        name: from(...names),
        type: fc.constant('RegularExpression' as const),
        value: from(...VALUE_PATTERNS),
      }),
      fc.record({ name: from(...names), type: fc.constant('Present' as const) }),
    ),
    { minLength: 1, maxLength: 2 },
  );

const match: fc.Arbitrary<HttpMatch> = fc.record(
  {
    methods: fc.array(from(...METHODS), { minLength: 1, maxLength: 2 }),
    path: fc.oneof(
      fc.record({ type: from('Exact' as const, 'PathPrefix' as const), value: from(...PATHS) }),
      fc.record({ type: fc.constant('RegularExpression' as const), value: from(...PATH_PATTERNS) }),
    ),
    host: fc.array(from(...HOSTS), { minLength: 1, maxLength: 2 }),
    headers: named(HEADERS),
    queryParams: named(PARAMS),
  },
  { requiredKeys: [] },
);

export const ruleSet: fc.Arbitrary<RuleSet> = fc
  .array(
    fc.tuple(from('Allow' as const, 'Allow' as const, 'Deny' as const), fc.array(match, { maxLength: 3 })),
    { minLength: 1, maxLength: 5 },
  )
  .map((rules) => rules.map(([action, matches], index): L7Rule => ({ rule: index + 1, action, matches })));

const target = fc
  .tuple(
    fc.oneof(
      { weight: 6, arbitrary: from(...PATHS.map((path) => Buffer.from(path).toString('latin1'))) },
      {
        weight: 4,
        arbitrary: from(
          '/v12/x',
          '/CHARGE',
          '/a%40b',
          '/caf%C3%a9',
          '/charge/y/z',
          '/a%2Fb',
          '/a//b',
          '/a/../b',
        ),
      },
      {
        weight: 1,
        arbitrary: from(
          '/%61',
          '/a\\b',
          '/..;/x',
          '*',
          'http://shop.example/',
          'shop.example:443',
          '/a%2',
          '/%00',
          '/x.',
        ),
      },
    ),
    from(
      '',
      '',
      '',
      '?',
      '?q=1',
      '?q=abc&id=1',
      '?q=1&q=2',
      '?a+b=a%20b',
      '?id',
      '?id=&q',
      '?%71=abc',
      '?q=%zz',
      '?zz=%zz&q=t-1',
    ),
  )
  .map((parts) => parts.join(''));

const header = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        from('x-tenant', 'X-Tenant', 'x-mode', 'Accept', 'user-agent'),
        from(...VALUES, 'ABC', 'a  b', 'x b y'),
      )
      .map(([name, value]) => `${name}: ${Buffer.from(value).toString('latin1')}`),
  },
  {
    weight: 2,
    arbitrary: from(
      'Content-Length: 5',
      'Content-Length: 0',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
    ),
  },
  {
    weight: 2,
    arbitrary: from(
      'Connection: close',
      'Connection: keep-alive, x-y',
      'connection: Upgrade',
      'Upgrade: websocket',
      'Upgrade: abc',
    ),
  },
  {
    weight: 1,
    arbitrary: from(
      ...[
        'Content-Length: +5',
        'Content-Length: 5, 5',
        'Content-Length: 99999999999999999',
        'Transfer-Encoding: gzip, chunked',
      ],
      ...[
        'Transfer-Encoding: xchunked',
        'Connection: x-tenant',
        'Connection: host',
        'x_tenant: 1',
        'Content_Length: 5',
      ],
      ...[
        'Host : a',
        ': a',
        ' folded',
        'x-a: \x00',
        'x-b: a\rb',
        'x-c: a\nb',
        'Expect: 200-ok',
        'Host: second',
        'x-d:\tv\t',
        'x\x80: a',
      ],
    ),
  },
);

const host = fc.oneof(
  {
    weight: 8,
    arbitrary: from(
      'shop.example',
      'API.shop.example.',
      'a.example:8080',
      '10.0.0.1:80',
      '[::1]:80',
      '',
      'x.example ',
    ),
  },
  { weight: 1, arbitrary: from('a b', 'a:b', 'a/b', '..', '[::1', 'user@a', 'a:80:80') },
);

const plainHead = fc
  .tuple(
    fc.oneof(
      { weight: 20, arbitrary: from(...METHODS) },
      { weight: 1, arbitrary: from('get', 'GE T', '', 'PRI', 'M-X') },
    ),
    target,
    fc.oneof(
      { weight: 20, arbitrary: from('HTTP/1.1', 'HTTP/1.1', 'HTTP/1.0') },
      { weight: 1, arbitrary: from('HTTP/2.0', 'HTTP/1.2', 'http/1.1', '') },
    ),
    fc.oneof(
      { weight: 12, arbitrary: fc.array(host, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.constant([]) },
    ),
    fc.array(header, { maxLength: 4 }),
  )
  .map(([method, path, version, hosts, headers]) =>
    [`${method} ${path} ${version}`, ...hosts.map((one) => `Host: ${one}`), ...headers, '', ''].join('\r\n'),
  );

const INSERTED = [
  '\r',
  '\n',
  '\x00',
  ' ',
  '\t',
  ':',
  '%',
  '/',
  '\x7f',
  '\xff',
  'a',
  '\r\n',
  ',',
  '.',
  '?',
  '#',
  'HTTP/1.1',
];

/** Request heads, one character per byte: most of them right, some wrong on purpose, some damaged anywhere. */
export const requestHead: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: plainHead },
  {
    weight: 1,
    arbitrary: fc
      .tuple(plainHead, fc.nat(), from(...INSERTED), from(0, 1))
      .map(([head, at, text, removed]) => {
        const place = at % head.length;
        return head.slice(0, place) + text + head.slice(place + removed);
      }),
  },
);
