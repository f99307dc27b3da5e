// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import * as z from 'zod';
import { didYouMean } from '../../src/core/resources/did-you-mean.ts';
import { resourceKinds } from '../../src/core/resources/kinds.ts';
import { MAX_MANIFEST_LENGTH, parseManifest } from '../../src/core/resources/manifest.ts';
import { formatField } from '../../src/core/resources/resource-error.ts';

const good = readFileSync(join(import.meta.dirname, '../golden/resources/good.yaml'), 'utf8');

test('every field of every kind is described', () => {
  const missing: string[] = [];
  const walk = (node: z.core.JSONSchema.BaseSchema, path: string) => {
    for (const [name, field] of Object.entries(node.properties ?? {})) {
      if (typeof field === 'boolean') continue;
      if (field.description === undefined) missing.push(`${path}.${name}`);
      walk(field, `${path}.${name}`);
    }
    if (typeof node.items === 'object' && !Array.isArray(node.items)) walk(node.items, `${path}[]`);
  };
  for (const { kind, schema } of resourceKinds) walk(z.toJSONSchema(schema, { io: 'input' }), kind);
  assert.deepEqual(missing, []);
});

test('every default that a schema fills in is stated in its description', () => {
  const silent: string[] = [];
  const walk = (node: z.core.JSONSchema.BaseSchema, path: string) => {
    for (const [name, field] of Object.entries(node.properties ?? {})) {
      if (typeof field === 'boolean') continue;
      if ('default' in field && field.description?.includes('Default') !== true)
        silent.push(`${path}.${name}`);
      walk(field, `${path}.${name}`);
    }
    if (typeof node.items === 'object' && !Array.isArray(node.items)) walk(node.items, `${path}[]`);
  };
  for (const { kind, schema } of resourceKinds) walk(z.toJSONSchema(schema, { io: 'input' }), kind);
  assert.deepEqual(silent, []);
});

test('documents that are empty count for nothing, and each resource knows its lines', () => {
  const { resources, documents, errors } = parseManifest(good, 'good.yaml');
  assert.deepEqual([errors.length, documents, resources.length], [0, 5, 5]);
  const lines = good.split('\n');
  for (const { kind, origin } of resources) {
    assert.equal(lines[(origin?.line ?? 0) - 1]?.startsWith('apiVersion:'), true, kind);
    for (const [direction, place] of Object.entries(origin?.directions ?? {})) {
      assert.match(lines[place.line - 1] ?? '', new RegExp(`^  ${direction}:`));
    }
  }
  const policy = resources.find(({ kind }) => kind === 'AccessPolicy');
  const rule = policy?.origin?.directions.ingress?.rules[0] ?? 0;
  assert.equal(lines[rule - 1], '  - name: checkout-may-charge');
});

test('YAML written by machines reads the same: JSON, anchors, merges, CRLF and a byte order mark', () => {
  const text = `\uFEFFapiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: a, labels: &l {x: "1"}}\r\n---\r\n
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b", "labels": {"y": "2"}}}
---
base: &base {app: x}
`;
  const { resources, errors } = parseManifest(text.split('---\nbase')[0] ?? '', 'x.yaml');
  assert.deepEqual(errors, []);
  assert.deepEqual(
    resources.map(({ metadata }) => metadata.name),
    ['a', 'b'],
  );
  const merged = parseManifest(
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: c, labels: {<<: {x: "1"}, y: "2"}}',
    'm.yaml',
  );
  const [one] = merged.resources;
  assert.deepEqual(one?.kind === 'Namespace' ? one.metadata.labels : undefined, { x: '1', y: '2' });
});

test('whatever the text, it is answered with resources or errors that have a place, never with an exception', () => {
  const cut = fc
    .tuple(fc.nat(good.length), fc.nat(30), fc.string())
    .map(([at, length, put]) => good.slice(0, at) + put + good.slice(at + length));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), cut), (text) => {
      const { errors } = parseManifest(text, 'x.yaml');
      for (const { line, column, message } of errors) assert.ok(line >= 1 && column >= 1 && message !== '');
    }),
    { numRuns: 200 },
  );
});

test('hostile YAML is refused', () => {
  const cases: [string, RegExp][] = [
    ['x'.repeat(MAX_MANIFEST_LENGTH + 1), /longer than 1 MiB/],
    ['- '.repeat(20_000), /nested too deeply/],
    ['['.repeat(20_000), /not valid YAML/],
    ['a: &a {b: *a}', /is required/],
    [`a: &a [1]\nb: [${'*a,'.repeat(200)}]`, /cannot be expanded/],
    ['apiVersion: v1\nkind: Namespace\nmetadata: {name: a, __proto__: {x: 1}}', /cannot be a key/],
    ['apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {__proto__: x}}', /cannot be a key/],
    ['apiVersion: v1\nkind: constructor', /not a kind/],
    ['apiVersion: v1\nkind: &a {b: *a}', /not a kind/],
    ['kind: !!js/function "x"', /kind|tag/],
  ];
  for (const [text, message] of cases) {
    const { errors, resources } = parseManifest(text, 'x.yaml');
    assert.deepEqual(resources, [], text.slice(0, 40));
    assert.match(errors[0]?.message ?? 'accepted', message, text.slice(0, 40));
  }
});

test('a slip finds the word that was meant, and a strange word finds none', () => {
  const fields = ['selector', 'mode', 'ingress', 'egress'];
  assert.equal(didYouMean('selecter', fields), 'selector');
  assert.equal(didYouMean('Egress', fields), 'egress');
  assert.equal(didYouMean('ingerss', fields), 'ingress');
  assert.equal(didYouMean('podSelector', fields), 'selector');
  assert.equal(didYouMean('tls', fields), undefined);
  assert.equal(didYouMean('constructor', []), undefined);
});

test('field paths are written as people write them', () => {
  assert.equal(formatField(['spec', 'ingress', 0, 'from', 1]), 'spec.ingress[0].from[1]');
  assert.equal(formatField(['metadata', 'labels', 'example.com/x']), 'metadata.labels["example.com/x"]');
});
