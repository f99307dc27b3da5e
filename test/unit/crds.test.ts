// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceKinds } from '../../src/core/resources/kinds.ts';
import { definitionOf } from '../../tools/crds/definitions.ts';
import { type JsonSchema, structural } from '../../tools/crds/structural.ts';

const definitions = resourceKinds.map(definitionOf).filter((definition) => definition !== undefined);

function* nodes(schema: JsonSchema, path: string): Generator<readonly [string, JsonSchema]> {
  yield [path, schema];
  const {
    properties = {},
    items,
    additionalProperties,
  } = schema as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly items?: JsonSchema;
    readonly additionalProperties?: JsonSchema;
  };
  for (const [name, child] of Object.entries(properties)) yield* nodes(child, `${path}.${name}`);
  if (items !== undefined) yield* nodes(items, `${path}[]`);
  if (additionalProperties !== undefined) yield* nodes(additionalProperties, `${path}{}`);
}

test('there is a definition of each of our policies', () => {
  assert.deepEqual(
    definitions.map(({ metadata: { name } }) => name),
    ['accesspolicies.perigee.dev', 'clusteraccesspolicies.perigee.dev'],
  );
});

for (const { metadata, spec } of definitions) {
  const schema = spec.versions[0]?.schema.openAPIV3Schema;
  assert.ok(schema);
  test(`${metadata.name} is structural: each place has one type, and lists and maps are bounded`, () => {
    for (const [path, node] of nodes(schema, '')) {
      const either = node['x-kubernetes-int-or-string'] === true;
      assert.notEqual(node['type'] !== undefined, either, `${path}: ${JSON.stringify(node)}`);
      if (node['type'] === 'array') assert.ok(typeof node['maxItems'] === 'number', `${path} is unbounded`);
    }
  });
}

test('what has no structural form is an error, not lost', () => {
  assert.throws(() => structural({ oneOf: [] }, 'spec'), /spec: no structural form of oneOf/);
  assert.throws(
    () => structural({ anyOf: [{ type: 'string' }, { type: 'boolean' }] }, 'spec.x'),
    /spec\.x: of alternatives only integer or string/,
  );
  assert.throws(
    () => structural({ type: 'string', pattern: '^(?!a)' }, 'spec.y'),
    /spec\.y: the pattern .* is not RE2/,
  );
});
