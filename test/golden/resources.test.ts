// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkCollection } from '../../src/core/resources/collection.ts';
import { resourceKey } from '../../src/core/resources/kinds.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { formatResourceError, sortResourceErrors } from '../../src/core/resources/resource-error.ts';

/* YAML in, what is reported of it out. `UPDATE_GOLDEN=1` writes the expectations anew: read the difference. */

const folder = join(import.meta.dirname, 'resources');
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

function report(file: string): string {
  const { resources, errors } = parseManifest(readFileSync(join(folder, file), 'utf8'), file);
  const all = sortResourceErrors([...errors, ...checkCollection(resources)]);
  const lines =
    all.length > 0 ? all.map(formatResourceError) : resources.map((one) => `accepted: ${resourceKey(one)}`);
  return `${lines.join('\n')}\n`;
}

for (const file of files) {
  test(`${file} is reported as expected`, () => {
    const expected = join(folder, file.replace('.yaml', '.expected'));
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(expected, report(file));
    assert.equal(report(file), readFileSync(expected, 'utf8'));
  });
}

test('every line of an error report leads to a place in its file', () => {
  for (const file of files) {
    const lines = readFileSync(join(folder, file), 'utf8').split('\n');
    const { errors } = parseManifest(lines.join('\n'), file);
    for (const { line, column } of errors) {
      assert.ok(column >= 1 && column <= (lines[line - 1] ?? '').length + 1, `${file}:${line}:${column}`);
    }
  }
});
