// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Lock, takeLock } from '../../src/agent/lock.ts';
import { faultOf, native } from '../support/native.ts';

const { lockFile } = native();
const loader = fileURLToPath(new URL('../../src/datapath/native.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'perigee-lock-'));
after(() => rmSync(folder, { recursive: true }));

test('a lock is held by one, until it is closed', () => {
  const path = join(folder, 'one');
  const fd = lockFile(path) ?? -1;
  assert.equal(lockFile(path), undefined);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  closeSync(fd);
  closeSync(lockFile(path) ?? -1);
});

test('the lock of a process that was killed is free, and one of many takes it', async () => {
  const path = join(folder, 'killed');
  const script = `
    const { loadNative } = await import(${JSON.stringify(loader)});
    globalThis.held = loadNative().lockFile(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  assert.equal(lockFile(path), undefined);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  const taken = Array.from({ length: 20 }, () => lockFile(path)).filter((fd) => fd !== undefined);
  assert.equal(taken.length, 1);
  taken.forEach(closeSync);
});

test('nobody is led to another file, and a folder that is missing is a fault', () => {
  symlinkSync(join(folder, 'elsewhere'), join(folder, 'link'));
  assert.equal(faultOf(() => lockFile(join(folder, 'link'))).code, 'ERR_LOCK');
  assert.equal(existsSync(join(folder, 'elsewhere')), false);
  assert.match(faultOf(() => lockFile(join(folder, 'none/lock'))).message, /none\/lock.*ENOENT/);
});

test('an agent lock is refused with what holds it, and released whole', () => {
  const take = (): Lock => takeLock({ lockFile }, 'pins', folder);
  const first = take();
  assert.throws(take, /another agent governs this host already \(pins in /);
  first.release();
  take().release();
});
