// SPDX-License-Identifier: Apache-2.0
/** What zod writes for our definitions. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Kubernetes' structural schema: every node has a type of its own, and nothing is said by alternatives. */
export type Structural = Record<string, unknown>;

/** Keywords that mean the same in both. */
const kept = [
  'type',
  'description',
  'default',
  'enum',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'minimum',
  'maximum',
  'required',
  'x-kubernetes-validations',
];

/**
 * Keywords that a structural schema can't say, each because the API server does without: it drops fields that no schema
 * names, and a selector's label that is no label matches nothing.
 */
const dropped = ['$schema', 'propertyNames', 'exclusiveMinimum', 'exclusiveMaximum'];

/** Keywords that this pass turns into others. */
const turned = ['const', 'properties', 'items', 'additionalProperties', 'anyOf'];

/** Bounds of an integer that say nothing. */
const LIMIT = Number.MAX_SAFE_INTEGER;

/** Brings a JSON Schema into structural form. A keyword that it doesn't know is an error: nothing is lost in silence. */
export function structural(schema: JsonSchema, path = ''): Structural {
  for (const keyword of Object.keys(schema)) {
    if (![...kept, ...dropped, ...turned].includes(keyword))
      throw new Error(`${path}: no structural form of ${keyword}`);
  }
  if (schema['anyOf'] !== undefined) return intOrString(schema, path);
  const result: Structural = {};
  for (const keyword of kept) {
    const value = schema[keyword];
    if (value !== undefined && value !== LIMIT && value !== -LIMIT) result[keyword] = value;
  }
  if (schema['const'] !== undefined) result['enum'] = [schema['const']];
  checkPattern(result['pattern'], path);
  const { properties, items, additionalProperties } = schema as {
    readonly properties?: Readonly<Record<string, JsonSchema>>;
    readonly items?: JsonSchema;
    readonly additionalProperties?: JsonSchema | boolean;
  };
  if (properties !== undefined) {
    const entries = Object.entries(properties);
    result['properties'] = Object.fromEntries(
      entries.map(([name, child]) => [name, structural(child, `${path}.${name}`)]),
    );
  }
  if (items !== undefined) result['items'] = structural(items, `${path}[]`);
  if (typeof additionalProperties === 'object')
    result['additionalProperties'] = structural(additionalProperties, `${path}{}`);
  return result;
}

/** The one choice of types that structural schemas have. What is said of numbers holds for numbers, and so on. */
function intOrString({ anyOf, ...rest }: JsonSchema, path: string): Structural {
  const [number = {}, text = {}, ...others] = anyOf as readonly JsonSchema[];
  if (number['type'] !== 'integer' || text['type'] !== 'string' || others.length > 0)
    throw new Error(`${path}: of alternatives only integer or string has a structural form`);
  const { type: _number, ...ofNumber } = structural(number, path);
  const { type: _text, ...ofText } = structural(text, path);
  const types = { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true };
  return { ...structural(rest, path), ...types, ...ofNumber, ...ofText };
}

/** The API server's expressions are RE2: no looking around. */
function checkPattern(pattern: unknown, path: string): void {
  if (typeof pattern === 'string' && /\(\?[=!<]/.test(pattern))
    throw new Error(`${path}: the pattern ${pattern} is not RE2`);
}
