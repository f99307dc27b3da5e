// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroup2In, requireBpffs } from '../../src/agent/host.ts';

test('a folder of the node that is no bpffs is refused, with what to do', () => {
  assert.throws(() => requireBpffs(join(tmpdir(), 'perigee')), {
    code: 'ERR_BPFFS_MISSING',
    hint: /mount -t bpf bpf \/sys\/fs\/bpf/,
  });
  assert.throws(() => requireBpffs('/nowhere/perigee'), { code: 'ERR_BPFFS_MISSING' });
});

test('cgroup2 is found where it is mounted, in a hybrid hierarchy or alone', () => {
  const root = mkdtempSync(join(tmpdir(), 'perigee-cgroup-'));
  try {
    mkdirSync(join(root, 'unified'));
    assert.equal(cgroup2In(root), root);
    writeFileSync(join(root, 'unified/cgroup.controllers'), '');
    assert.equal(cgroup2In(root), join(root, 'unified'));
    writeFileSync(join(root, 'cgroup.controllers'), '');
    assert.equal(cgroup2In(root), root);
  } finally {
    rmSync(root, { recursive: true });
  }
});
