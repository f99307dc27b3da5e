// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { filterFromWire } from '../../src/api/filter-from-wire.ts';
import { filterToWire } from '../../src/api/filter-to-wire.ts';
import { queryFromFlags, type FilterFlags } from '../../src/cli/observe/filters.ts';
import { parseTime } from '../../src/cli/observe/time.ts';
import { escapeText } from '../../src/cli/printers/escape.ts';
import { formatBytes, formatDuration } from '../../src/cli/printers/quantity.ts';
import { jsonText } from '../../src/cli/printers/structured.ts';
import type { FlowQuery } from '../../src/core/flow-filter.ts';
import { PerigeeError } from '../../src/lib/errors.ts';

const NOW = Date.parse('2026-11-23T13:00:00Z');
const everything: FlowQuery = { include: [], exclude: [], end: 'newest', follow: false };

const cases: readonly (readonly [FilterFlags, Partial<FlowQuery>])[] = [
  [{}, { limit: 20 }],
  [{ last: '5' }, { limit: 5 }],
  [{ first: '5' }, { limit: 5, end: 'oldest' }],
  [{ all: true }, {}],
  [{ follow: true }, { follow: true, limit: 0 }],
  [
    { follow: true, last: '3' },
    { follow: true, limit: 3 },
  ],
  [{ since: '5m' }, { since: BigInt(NOW - 300_000) * 1_000_000n }],
  [
    { namespace: 'shop', all: true },
    {
      include: [
        { source: { names: [{ namespace: 'shop' }] } },
        { destination: { names: [{ namespace: 'shop' }] } },
      ],
    },
  ],
  [
    { namespace: 'shop', from: ['web'], all: true },
    { include: [{ source: { names: [{ namespace: 'shop', name: 'web' }] } }] },
  ],
  [
    { to: ['10.0.0.0/8'], toPort: ['80', '443'], all: true },
    { include: [{ destination: { addresses: ['10.0.0.0/8'], ports: [80, 443] } }] },
  ],
  [{ from: ['world'], all: true }, { include: [{ source: { entities: ['world'] } }] }],
  [
    { verdict: ['DENIED'], status: ['4xx', '50+'], via: ['proxied'], pathPrefix: ['/a'], all: true },
    {
      include: [
        {
          verdicts: ['denied'],
          statuses: [
            { from: 400, to: 499 },
            { from: 500, to: 509 },
          ],
          paths: ['proxied'],
          httpPaths: [{ type: 'PathPrefix', value: '/a' }],
        },
      ],
    },
  ],
  [{ reference: ['00ABCDEF00112233'] }, { include: [{ references: ['00abcdef00112233'] }] }],
];

suite('the flags of observe mean', () => {
  for (const [flags, expected] of cases) {
    test(JSON.stringify(flags), () => {
      assert.deepEqual(queryFromFlags(flags, NOW), { ...everything, ...expected });
    });
  }
});

test('flags that mean nothing are refused with a hint', () => {
  const wrong: readonly FilterFlags[] = [
    { verdict: ['maybe'] },
    { port: ['http'] },
    { port: ['70000'] },
    { status: ['9xx'] },
    { last: '-1' },
    { last: '0' },
    { since: 'yesterday-ish' },
    { reason: ['because'] },
    { from: ['10.0.0.1', 'web'] },
    { workload: ['a/b'], to: ['c/d'] },
    { first: '1', follow: true },
  ];
  for (const flags of wrong) {
    assert.throws(
      () => queryFromFlags(flags, NOW),
      (error: unknown) =>
        error instanceof PerigeeError && error.code === 'ERR_USAGE' && (error.hint ?? '') !== '',
      JSON.stringify(flags),
    );
  }
});

test('times are durations or dates', () => {
  assert.equal(parseTime('1h30m', '--since', NOW), BigInt(NOW - 5_400_000) * 1_000_000n);
  assert.equal(parseTime('2026-11-23T13:05:01.5Z', '--since', NOW), BigInt(NOW + 301_500) * 1_000_000n);
});

test('a filter survives the way to the server', () => {
  for (const [flags] of cases) {
    const { include } = queryFromFlags(flags, NOW);
    assert.deepEqual(
      include.flatMap((filter) => filterFromWire(filterToWire(filter), 'node-1')),
      include,
    );
  }
  const pattern = { httpPaths: [{ type: 'RegularExpression', value: '/a|/b' } as const] };
  assert.deepEqual(filterFromWire(filterToWire(pattern), 'node-1'), [pattern]);
});

test('no text gets a control character past the terminal escape', () => {
  const nasty = `\x1b[2J\x07\r\n\t\x9b31m\u202eevil\u2066\u200b${String.fromCharCode(0xd800)}${String.fromCodePoint(0xe0041)}`;
  assert.equal(
    escapeText(`a${nasty}b`),
    String.raw`a\x1b[2J\x07\x0d\x0a\x09\x9b31m\u{202e}evil\u{2066}\u{200b}\u{d800}\u{e0041}b`,
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.doesNotMatch(escapeText(text), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      assert.doesNotMatch(jsonText({ text }), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      assert.deepEqual(JSON.parse(jsonText({ text })), { text });
    }),
  );
});

test('quantities have three digits at most', () => {
  assert.deepEqual([0, 450, 45_000, 1_234_567, 250e6, 12.5e9, 192e9, 7.5e12].map(formatDuration), [
    '0ns',
    '450ns',
    '45µs',
    '1.2ms',
    '250ms',
    '12.5s',
    '3m12s',
    '2h5m',
  ]);
  assert.deepEqual([0, 512, 1536, 33_554_432].map(formatBytes), ['0B', '512B', '1.5KiB', '32MiB']);
});
