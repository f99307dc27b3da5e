// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const demo = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));

test('the demo sees every verdict that it expects, and leaves nothing behind', () => {
  const env = { ...process.env, DEMO_EXIT: '1', NO_COLOR: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo], {
    env,
    encoding: 'utf8',
    timeout: 180_000,
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stdout, /all \d+ as expected/);
  assert.doesNotMatch(stdout, /\u001b/, 'colours that NO_COLOR switches off');
  assert.doesNotMatch(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }), /^shop-/m);
  assert.equal(existsSync('/sys/fs/bpf/perigee-demo'), false);
});
