// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';

/**
 * Writes src/core/abi/*.ts from the BTF of bpf/abi/export.c: one file per header, a codec per struct, a table
 * per enum. `generate-abi.ts [--out DIR]`; `make lint` generates into a scratch folder and compares.
 */

interface BtfMember {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
}

interface BtfType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size?: number;
  readonly type_id?: number;
  readonly nr_elems?: number;
  readonly encoding?: string;
  readonly members?: readonly BtfMember[];
  readonly values?: readonly { readonly name: string; readonly val: number }[];
}

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly kind: 'integer' | 'bytes';
  readonly bigEndian: boolean;
}

const root = join(import.meta.dirname, '..');
const headers = [
  'reason',
  'policy',
  'workload',
  'connection',
  'flow',
  'sweep',
  'http',
  'grant',
  'boost',
  'service',
  'dns',
];
const padding = /^padding\d*$/;

function readBtf(): Map<number, BtfType> {
  const object = join(root, 'build/bpf/abi.o');
  mkdirSync(join(root, 'build/bpf'), { recursive: true });
  const flags = ['-g', '-O2', '-target', 'bpf', '-mcpu=v3', `-I${root}/bpf`, `-I${root}/build/bpf`];
  execFileSync('clang', [...flags, '-c', join(root, 'bpf/abi/export.c'), '-o', object], { stdio: 'inherit' });
  const text = execFileSync('bpftool', ['-j', 'btf', 'dump', 'file', object], { maxBuffer: 1 << 28 });
  const parsed = JSON.parse(text.toString()) as { types: BtfType[] };
  return new Map(parsed.types.map((type) => [type.id, type]));
}

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
const pascal = (name: string): string => camel(`_${name}`);
const kebab = (name: string): string => name.toLowerCase().replaceAll('_', '-');

function fieldOf(types: Map<number, BtfType>, member: BtfMember): Field {
  let type = types.get(member.type_id);
  let bigEndian = false;
  const offset = member.bits_offset / 8;
  for (; type?.kind === 'TYPEDEF'; type = types.get(type.type_id ?? 0))
    bigEndian ||= type.name.startsWith('__be');
  if (type?.kind === 'ARRAY')
    return { name: camel(member.name), offset, size: type.nr_elems ?? 0, kind: 'bytes', bigEndian };
  if (type?.kind !== 'INT')
    throw new Error(`field ${member.name}: kind ${type?.kind ?? 'unknown'} has no codec`);
  return { name: camel(member.name), offset, size: type.size ?? 0, kind: 'integer', bigEndian };
}

function accessor(field: Field, verb: 'get' | 'set'): string {
  if (field.size === 8) return `${verb}BigUint64`;
  return `${verb}Uint${String(field.size * 8)}`;
}

const endian = (field: Field): string => (field.size === 1 ? '' : field.bigEndian ? ', false' : ', true');

function typeOf(field: Field): string {
  if (field.kind === 'bytes') return 'Uint8Array';
  return field.size === 8 ? 'bigint' : 'number';
}

function structSource(types: Map<number, BtfType>, type: BtfType): string {
  const fields = (type.members ?? [])
    .map((member) => fieldOf(types, member))
    .filter((f) => !padding.test(f.name));
  const name = pascal(type.name);
  const shape = fields.map((f) => `readonly ${f.name}: ${typeOf(f)};`).join('\n');
  const offsets = fields.map((f) => `${f.name}: ${String(f.offset)}`).join(', ');
  const writes = fields.map((f) =>
    f.kind === 'bytes'
      ? `bytes.set(value.${f.name}.subarray(0, ${String(f.size)}), at + ${String(f.offset)});`
      : `view.${accessor(f, 'set')}(at + ${String(f.offset)}, value.${f.name}${endian(f)});`,
  );
  const reads = fields.map((f) =>
    f.kind === 'bytes'
      ? `${f.name}: Uint8Array.prototype.slice.call(bytes, at + ${String(f.offset)}, at + ${String(f.offset + f.size)}),`
      : `${f.name}: view.${accessor(f, 'get')}(at + ${String(f.offset)}${endian(f)}),`,
  );
  const integers = fields.some((f) => f.kind === 'integer');
  const view = integers ? 'const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);' : '';
  return `export interface ${name} {\n${shape}\n}\n
/** struct ${type.name}: ${String(type.size)} bytes. */
export const ${camel(type.name)} = {
  size: ${String(type.size)},
  offset: { ${offsets} },
  encode(value: ${name}, bytes: Uint8Array = new Uint8Array(${String(type.size)}), at = 0): Uint8Array {
    ${view}
    ${writes.join('\n')}
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): ${name} {
    ${view}
    return { ${reads.join('\n')} };
  },
} as const;\n`;
}

/** `REASON_POLICY_DENIED` of enum reason becomes `policy-denied`. Sentinels (`…_COUNT`) are left out. */
function enumSource(type: BtfType): string {
  const values = type.values ?? [];
  const prefix = (values[0]?.name.split('_')[0] ?? '') + '_';
  const shared = values.every((value) => value.name.startsWith(prefix)) ? prefix : '';
  const entries = values
    .filter((value) => !value.name.endsWith('_COUNT'))
    .map((value) => [kebab(value.name.slice(shared.length)), value.val] as const);
  const name = camel(type.name);
  return `/** enum ${type.name}. */
export const ${name} = { ${entries.map(([key, value]) => `'${key}': ${String(value)}`).join(', ')} } as const;
export type ${pascal(type.name)}Name = keyof typeof ${name};
export type ${pascal(type.name)} = (typeof ${name})[${pascal(type.name)}Name];
export const ${name}Names: Readonly<Record<number, ${pascal(type.name)}Name>> = { ${entries
    .map(([key, value]) => `${String(value)}: '${key}'`)
    .join(', ')} };\n`;
}

async function main(out: string): Promise<void> {
  const types = readBtf();
  mkdirSync(out, { recursive: true });
  const prettier = await resolveConfig(join(root, 'package.json'));
  for (const header of headers) {
    const text = readFileSync(join(root, `bpf/abi/${header}.h`), 'utf8');
    const declared = [...text.matchAll(/^(enum|struct) (\w+) \{/gm)].map((match) => match[2]);
    const found = declared.flatMap((name) =>
      [...types.values()].filter((t) => t.name === name && ['ENUM', 'STRUCT'].includes(t.kind)),
    );
    const body = found.map((t) => (t.kind === 'ENUM' ? enumSource(t) : structSource(types, t))).join('\n');
    const source = `// SPDX-License-Identifier: Apache-2.0\n// Generated from bpf/abi/${header}.h by tools/generate-abi.ts. Do not edit.\n\n${body}`;
    writeFileSync(join(out, `${header}.ts`), await format(source, { ...prettier, parser: 'typescript' }));
  }
  const unexpected = readdirSync(out).filter((file) => !headers.includes(file.replace(/\.ts$/, '')));
  if (unexpected.length > 0)
    throw new Error(`${out} holds files that no header explains: ${unexpected.join(', ')}`);
}

const { values } = parseArgs({ options: { out: { type: 'string' } }, allowPositionals: true });
await main(values.out ?? join(root, 'src/core/abi'));
