// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { replaceSection } from './markdown.ts';

const file = new URL('../docs/performance.md', import.meta.url);

/** Puts what a target of make has measured into docs/performance.md. */
export function publishSection(target: string, text: string): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  writeFileSync(file, replaceSection(before, target, text));
}
