// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { PlantedTree } from '../support/planted-tree.ts';

/** By compiler option: the error that it gives, and a source that must give it. */
const planted: readonly (readonly [option: string, error: string, source: string])[] = [
  ['strict (null checks)', 'TS2322', 'export const size: number = null;'],
  ['strict (implicit any)', 'TS7006', 'export const same = (value) => value;'],
  [
    'strict (unknown in catch)',
    'TS18046',
    'try { new Date(); } catch (error) { new Error(error.message); }\nexport {};',
  ],
  [
    'noUncheckedIndexedAccess',
    'TS2322',
    'export const first = (list: readonly number[]): number => list[0];',
  ],
  ['exactOptionalPropertyTypes', 'TS2375', 'export const options: { port?: number } = { port: undefined };'],
  ['noImplicitOverride', 'TS4114', 'class A { go(): void {} }\nexport class B extends A { go(): void {} }'],
  [
    'noFallthroughCasesInSwitch',
    'TS7029',
    'export function fall(n: number): void { switch (n) { case 1: new Date(); case 2: break; } }',
  ],
  ['noImplicitReturns', 'TS7030', 'export function maybe(n: number): unknown { if (n > 1) return 1; }'],
  [
    'noPropertyAccessFromIndexSignature',
    'TS4111',
    'export const get = (map: Record<string, number>): unknown => map.name;',
  ],
  ['noUnusedLocals', 'TS6133', 'const unused = 1;\nexport {};'],
  ['noUnusedParameters', 'TS6133', 'export function ignore(value: number): void {}'],
  ['allowUnreachableCode', 'TS7027', 'export function end(): number { return 1; new Date(); }'],
  ['verbatimModuleSyntax', 'TS1484', "import { PathLike } from 'node:fs';\nexport type Kept = PathLike;"],
  ['erasableSyntaxOnly (enum)', 'TS1294', 'export enum Colour { Red }'],
  [
    'erasableSyntaxOnly (parameter property)',
    'TS1294',
    'export class Point { constructor(readonly x: number) {} }',
  ],
];

suite('compiler settings', () => {
  let output = '';

  before(() => {
    using tree = new PlantedTree({ 'src/lawful.ts': 'export const one: number = 1;' });
    tree.copy('package.json', 'tsconfig.json').linkPackages();
    for (const [index, [, , source]] of planted.entries()) tree.write(`src/planted-${index}.ts`, source);
    const { stdout } = tree.runPackage('tsc', ['--noEmit', '--pretty', 'false', '-p', '.']);
    output = stdout;
  });

  for (const [index, [option, error]] of planted.entries()) {
    test(`a planted violation of ${option} fails`, () => {
      const lines = output.split('\n').filter((line) => line.startsWith(`src/planted-${index}.ts(`));
      assert.ok(
        lines.some((line) => line.includes(`error ${error}:`)),
        lines.join('\n') || output,
      );
    });
  }

  test('ordinary code passes', () => {
    assert.doesNotMatch(output, /lawful\.ts/);
  });
});
