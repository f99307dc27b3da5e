// SPDX-License-Identifier: Apache-2.0
import type * as z from 'zod';
import { didYouMean } from './did-you-mean.ts';
import type { FieldPath } from './resource-error.ts';

/** A fault of one field, before its place in the text is known. */
export interface FieldFault {
  readonly path: FieldPath;
  /** The fault is the key itself, not its value. */
  readonly atKey: boolean;
  /** Place in the text where the path doesn't name it. */
  readonly offset?: number;
  readonly message: string;
  readonly hint?: string;
}

/** Fields of the design that this version doesn't read: named, so that nobody believes them enforced. */
const NOT_YET: Readonly<Record<string, string>> = {
  domains: 'use `cidrs` for now',
  tls: 'use `to` with ports and `http` hosts for now',
};

/** Fields that an API server adds to what it returns. */
const SERVER_SET = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'status',
  'selfLink',
];

const NAMES: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'a boolean',
  int: 'a whole number',
  null: 'empty',
  number: 'a number',
  object: 'a map',
  record: 'a map',
  string: 'a string',
};

/** Says one of zod's issues in the user's terms. `schema` and `value` are those that were checked. */
export function explainIssue(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown): FieldFault[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => explainUnknown([...path, key], key, fieldsAt(schema, path)));
    case 'invalid_type':
      return [
        fault(path, ...explainType(valueAt(value, path), NAMES[issue.expected] ?? `a ${issue.expected}`)),
      ];
    case 'invalid_value':
      return [explainChoice(path, valueAt(value, path), issue.values.map(String))];
    case 'invalid_key': {
      const message = issue.issues[0]?.message ?? issue.message;
      return [{ path, atKey: true, message: `the key ${message}` }];
    }
    case 'too_big':
    case 'too_small':
      return [fault(path, sizeMessage(issue))];
    case 'custom':
      return [fault(path, issue.message, hintOf(issue.params))];
    default: {
      const actual = valueAt(value, path);
      if (actual === undefined || actual === null) return [fault(path, ...explainType(actual, ''))];
      return [fault(path, issue.message)];
    }
  }
}

function fault(path: FieldPath, message: string, hint?: string): FieldFault {
  return { path, atKey: false, message, ...(hint === undefined ? {} : { hint }) };
}

function hintOf(params: Record<string, unknown> | undefined): string | undefined {
  return typeof params?.['hint'] === 'string' ? params['hint'] : undefined;
}

function explainUnknown(path: FieldPath, key: string, known: readonly string[]): FieldFault {
  if (Object.hasOwn(NOT_YET, key)) {
    return { path, atKey: true, message: 'is not supported yet', hint: NOT_YET[key] ?? '' };
  }
  if (SERVER_SET.includes(key)) {
    return { path, atKey: true, message: 'is not a field here', hint: 'an API server sets it; remove it' };
  }
  const near = didYouMean(key, known);
  const hint = near === undefined ? `fields here: ${known.join(', ')}` : `did you mean \`${near}\`?`;
  return { path, atKey: true, message: 'is not a field here', hint };
}

function explainType(actual: unknown, expected: string): [message: string, hint?: string] {
  if (actual === undefined) return ['is required'];
  if (actual === null)
    return ['has no value', 'give it one, write `[]` or `{}` for nothing, or remove the field'];
  const kind = Array.isArray(actual) ? 'array' : typeof actual;
  const message = `must be ${expected}, not ${NAMES[kind] ?? kind}`;
  if (expected !== NAMES['string'] || typeof actual === 'object') return [message];
  return [message, 'put it in quotes'];
}

function explainChoice(path: FieldPath, actual: unknown, values: readonly string[]): FieldFault {
  if (actual === undefined || actual === null) return fault(path, ...explainType(actual, ''));
  const list = values.map((value) => `\`${value}\``).join(', ');
  const near = typeof actual === 'string' ? didYouMean(actual, values) : undefined;
  const hint = near === undefined || values.length === 1 ? undefined : `did you mean \`${near}\`?`;
  return fault(path, `must be ${values.length === 1 ? list : `one of ${list}`}`, hint);
}

function sizeMessage(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  if (issue.origin !== 'array' || issue.code !== 'too_big') return issue.message;
  return `must have at most ${String(issue.maximum)} items`;
}

function valueAt(value: unknown, path: FieldPath): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, part)) return undefined;
    current = (current as Record<string | number, unknown>)[part];
  }
  return current;
}

interface Definition {
  readonly type: string;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
}

/** Names of the fields that the schema knows at the path. */
function fieldsAt(schema: z.ZodType, path: FieldPath): string[] {
  let definition = unwrap(schema);
  for (const part of path) {
    const next = typeof part === 'number' ? definition.element : definition.shape?.[part];
    if (next === undefined) return [];
    definition = unwrap(next);
  }
  return Object.keys(definition.shape ?? {});
}

function unwrap(schema: z.ZodType): Definition {
  const definition: Definition = schema._zod.def;
  return definition.innerType === undefined ? definition : unwrap(definition.innerType);
}
