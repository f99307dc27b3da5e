// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { PlantedTree } from '../support/planted-tree.ts';

interface LintResult {
  readonly filePath: string;
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[];
}

const repeat = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const parameters = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}: number`).join(', ');
const promise = 'export async function later(): Promise<void> { await Promise.resolve(); }\n';

/** By rule: a source that breaks it. Where a rule has several messages, the part of one that is meant. */
const planted: readonly (readonly [rule: string, source: string, message?: string])[] = [
  ['max-lines', repeat(301, (index) => `export const value${index} = ${index};`)],
  [
    'max-lines-per-function',
    `export function long(): number[] {\n  const values: number[] = [];\n${repeat(80, (index) => `  values.push(${index});`)}\n  return values;\n}`,
  ],
  [
    'complexity',
    `export function branchy(n: number): number {\n${repeat(21, (index) => `  if (n === ${index}) return ${index + 1};`)}\n  return n;\n}`,
  ],
  [
    'max-depth',
    'export function deep(n: number): void { if (n > 1) { if (n > 2) { if (n > 3) { if (n > 4) { if (n > 5) { throw new RangeError(); } } } } } }',
  ],
  ['max-params', `export const sum = (${parameters}): number => a + b + c + d + e + f;`],
  ['no-console', "console.log('left over');"],
  ['eqeqeq', 'export const same = (a: unknown, b: unknown): boolean => a == b;'],
  ['no-restricted-syntax', 'export default 1;', 'by name'],
  ['no-restricted-syntax', 'let count = 0;\nexport const next = (): number => ++count;', 'mutable state'],
  ['no-restricted-syntax', 'export let count = 0;', 'mutable state'],
  [
    'no-restricted-syntax',
    'const seen = new Set<string>();\nexport const add = (s: string): void => void seen.add(s);',
    'empty collection',
  ],
  ['no-restricted-syntax', "export function fail(): never { throw new Error('no code'); }", 'PerigeeErrors'],
  ['no-restricted-imports', "import { createServer } from 'node:net';\nexport const make = createServer;"],
  ['@typescript-eslint/no-explicit-any', 'export const anything = (value: any): boolean => value === 1;'],
  ['@typescript-eslint/no-unsafe-return', "export const parse = (): number => JSON.parse('1');"],
  [
    '@typescript-eslint/no-non-null-assertion',
    'export const first = (list: readonly number[]): number => list[0]!;',
  ],
  ['@typescript-eslint/no-floating-promises', `${promise}export function start(): void { later(); }`],
  [
    '@typescript-eslint/no-misused-promises',
    `${promise}export const all = (list: readonly number[]): void => { list.forEach(later); };`,
  ],
  [
    '@typescript-eslint/consistent-type-imports',
    "import { PerigeeError } from '../lib/errors.ts';\nexport type Fault = PerigeeError;",
  ],
  ['@typescript-eslint/explicit-module-boundary-types', 'export const two = (n: number) => n * 2;'],
  [
    '@typescript-eslint/switch-exhaustiveness-check',
    "export function turn(way: 'left' | 'right'): void { switch (way) { case 'left': break; } }",
  ],
  [
    '@typescript-eslint/ban-ts-comment',
    `// ${['@ts', 'ignore'].join('-')}\nexport const wrong: number = 'one';`,
  ],
];

/** What looks like a violation and is none. */
const lawful = `
const table: ReadonlyMap<string, number> = new Map([['a', 1]]);
export function find(name: string): number | undefined {
  let found: number | undefined;
  for (const [key, value] of table) if (key === name) found = value;
  return found;
}
export const readByte = (bytes: Uint8Array, index: number): number => bytes[index] as number;
`;

suite('lint rules', () => {
  const results = new Map<string, LintResult['messages']>();

  before(() => {
    using tree = new PlantedTree({ 'src/core/lawful.ts': lawful });
    tree.copy('package.json', 'tsconfig.json', 'eslint.config.js', 'src/lib/errors.ts').linkPackages();
    for (const [index, [, source]] of planted.entries()) tree.write(`src/core/planted-${index}.ts`, source);
    const { stdout, stderr } = tree.runPackage('eslint', ['--format', 'json', 'src']);
    assert.notEqual(stdout, '', stderr);
    for (const { filePath, messages } of JSON.parse(stdout) as LintResult[]) {
      results.set(filePath.slice(filePath.lastIndexOf('/') + 1), messages);
    }
  });

  for (const [index, [rule, , expected = '']] of planted.entries()) {
    test(`a planted violation of ${rule} fails${expected && `: ${expected}`}`, () => {
      const messages = results.get(`planted-${index}.ts`) ?? [];
      const hit = messages.some(({ ruleId, message }) => ruleId === rule && message.includes(expected));
      assert.ok(hit, JSON.stringify(messages));
    });
  }

  test('ordinary code passes', () => {
    assert.deepEqual(results.get('lawful.ts'), []);
  });
});
