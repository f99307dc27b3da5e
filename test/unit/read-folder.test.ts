// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ManifestCache, readFolder } from '../../src/control/source/files/read-folder.ts';

const namespace = (name: string, label: string) =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {v: ${label}}}\n`;

test('a change that leaves size and modification time as they were is seen, and what is unchanged is not read', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'perigee-cache-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'a.yaml'), namespace('shop', 'a'));
  writeFileSync(join(directory, 'b.yaml'), namespace('bank', 'a'));
  const cache: ManifestCache = new Map();
  const look = async (): Promise<string> => {
    const read = await readFolder(directory, cache);
    if ('errors' in read) return 'errors';
    const names = read.snapshot.resources.map(
      ({ metadata: { name, labels } }) => `${name}=${labels?.['v'] ?? ''}`,
    );
    return names.join(' ');
  };
  const file = join(directory, 'a.yaml');
  const { mtime } = statSync(file);
  assert.equal(await look(), 'shop=a bank=a');
  // Within the tick of the clock, and well after it.
  for (const value of ['b', 'c']) {
    writeFileSync(file, namespace('shop', value));
    utimesSync(file, mtime, mtime);
    assert.equal(await look(), `shop=${value} bank=a`);
    await delay(120);
    assert.equal(await look(), `shop=${value} bank=a`);
  }
  const before = cache.get('b.yaml');
  assert.equal(await look(), 'shop=c bank=a');
  assert.equal(cache.get('b.yaml'), before);
});
