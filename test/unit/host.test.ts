// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroup2In, hostAddresses, requireBpffs } from '../../src/agent/host.ts';

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

test("a node's addresses are those that others can reach it by: not loopback's, nor those of one link", () => {
  const of = (address: string, internal = false): NetworkInterfaceInfo => {
    const family = address.includes(':') ? { family: 'IPv6', scopeid: 0 } : { family: 'IPv4' };
    return { address, internal, netmask: '', mac: '', cidr: null, ...family } as NetworkInterfaceInfo;
  };
  const interfaces = {
    lo: [of('127.0.0.1', true)],
    eth0: [of('10.2.0.1'), of('2001:db8::1'), of('fe80::1%eth0'), of('169.254.3.4')],
  };
  assert.deepEqual(hostAddresses(interfaces), ['10.2.0.1', '2001:db8::1']);
});
