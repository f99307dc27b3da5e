// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadSettings } from '../../src/agent/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'perigee-settings-'));
after(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, 'settings.yaml');
  writeFileSync(path, text);
  return path;
}

test('flags go over the file, and what neither names has its default', () => {
  const path = file('proxyWorkers: 3\nlogLevel: debug\n');
  const { proxyWorkers, logLevel, services } = loadSettings({ proxyWorkers: '2' }, path);
  assert.deepEqual(
    { proxyWorkers, logLevel, services },
    { proxyWorkers: 2, logLevel: 'debug', services: 'enabled' },
  );
});

for (const [text, message] of [
  [
    'redact: {paths: ["/ok/{id}", reset]}',
    /^setting redact\.paths\.1: not a template of paths: "reset"; write it as /,
  ],
  ['otlp: {endpoint: collector:4318}', /^setting otlp\.endpoint: not an address such as /],
  ['proxyWorkers: 0', /^setting proxyWorkers: /],
  ['misspelt: 1', /misspelt/],
  ['redact: {paths: [/ok/{id}]}', /is no YAML: .* at line 1, column \d+:?$/],
  ['- a list', /holds no mapping$/],
] as const)
  test(`${text} is refused before anything starts, and says what is wrong`, () => {
    const path = file(`${text}\n`);
    assert.throws(() => loadSettings({}, path), { code: 'ERR_SETTINGS_INVALID', object: path, message });
  });
