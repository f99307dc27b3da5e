// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';

/** The parts of JSON Schema that zod writes for our definitions. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly enum?: readonly (string | number)[];
  readonly const?: string | number | boolean;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

export interface Field {
  /** `spec.ingress[].to[].port` */
  readonly path: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
  readonly default: unknown;
}

export function schemaOf(definition: z.ZodType): Schema {
  return z.toJSONSchema(definition, { io: 'input', unrepresentable: 'any' }) as Schema;
}

function alternatives(schema: Schema): readonly Schema[] {
  return schema.anyOf ?? schema.oneOf ?? [];
}

function typeText(schema: Schema): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  const choices = alternatives(schema);
  if (choices.length > 0) return [...new Set(choices.map(typeText))].join(' or ');
  if (schema.type === 'array')
    return `list of ${schema.items === undefined ? 'anything' : typeText(schema.items)}`;
  if (schema.type === 'object' && schema.properties === undefined) return 'map';
  return schema.type ?? 'any';
}

function* children(schema: Schema, prefix: string): Generator<Field> {
  for (const choice of alternatives(schema)) yield* children(choice, prefix);
  for (const part of schema.allOf ?? []) yield* children(part, prefix);
  if (schema.items !== undefined) yield* children(schema.items, `${prefix}[]`);
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const isRequired = schema.required?.includes(name) ?? false;
    yield {
      path,
      type: typeText(child),
      isRequired,
      description: child.description ?? '',
      default: child.default,
    };
    yield* children(child, path);
  }
}

/** Every field below a definition, in its order; alternatives that share a field show it once. */
export function fieldsOf(definition: z.ZodType): readonly Field[] {
  const found = new Map<string, Field>();
  for (const field of children(schemaOf(definition), '')) {
    const before = found.get(field.path);
    const type =
      before === undefined || before.type === field.type ? field.type : `${before.type} or ${field.type}`;
    found.set(field.path, { ...field, type });
  }
  return [...found.values()];
}
