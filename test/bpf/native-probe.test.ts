// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { faultOf, native } from '../support/native.ts';

const { clock, mountBpffs, probe } = native();
const loader = fileURLToPath(new URL('../../src/datapath/native.ts', import.meta.url));

test('probes find what every supported kernel has, and not what none has', () => {
  for (const type of ['cgroup_sock_addr', 'sk_lookup', 'sock_ops', 'cgroup_skb', 'sk_msg']) {
    assert.equal(probe.programType(type), true, type);
  }
  for (const type of ['lru_hash', 'sk_storage', 'ringbuf', 'sockhash', 'lpm_trie']) {
    assert.equal(probe.mapType(type), true, type);
  }
  assert.equal(probe.helper('cgroup_sock_addr', 'sk_storage_get'), true);
  assert.equal(probe.helper('sk_lookup', 'sk_assign'), true);
  assert.equal(probe.helper('cgroup_sock_addr', 'xdp_adjust_head'), false);
  assert.equal(probe.helper('cgroup_sock_addr', 60_000), false);
  assert.equal(probe.kfunc('bpf_rdonly_cast_of_perigee'), false);
  assert.equal(probe.sockDestroy(), true);
});

test('a name that libbpf does not know is a fault, not a no', () => {
  assert.equal(faultOf(() => probe.programType('nothing')).code, 'ERR_NATIVE_ARGUMENT');
  assert.equal(faultOf(() => probe.mapType('nothing')).code, 'ERR_NATIVE_ARGUMENT');
  assert.equal(faultOf(() => probe.helper('sk_lookup', 'nothing')).code, 'ERR_NATIVE_ARGUMENT');
});

test('capabilities are the effective set', () => {
  const status = readFileSync('/proc/thread-self/status', 'utf8');
  const mask = BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(status)?.[1] ?? ''}`);
  const names = probe.capabilities();
  assert.equal(names.length, mask.toString(2).replaceAll('0', '').length);
  assert.equal(names.includes('CAP_NET_ADMIN'), (mask >> 12n) % 2n === 1n);
  assert.equal(names.includes('CAP_SYS_RESOURCE'), (mask >> 24n) % 2n === 1n);
});

test('without capabilities, loading is refused by errno and probing finds nothing', () => {
  const script = `
    const { loadNative } = await import(${JSON.stringify(loader)});
    const { BpfMap, probe } = loadNative();
    const spec = { type: 'hash', name: 'x', keySize: 4, valueSize: 4, maxEntries: 1 };
    try { BpfMap.create(spec); } catch (error) { console.log(error.message); }
    console.log(probe.capabilities().length, probe.sockDestroy());`;
  const drop = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'];
  const command = [...drop, process.execPath, '--input-type=module', '-e', script];
  const output = execFileSync('setpriv', command, { encoding: 'utf8' });
  assert.equal(output, 'create map x: Operation not permitted (EPERM)\n0 false\n');
});

test('clocks are those of the kernel, in nanoseconds', () => {
  const before = process.hrtime.bigint();
  const now = clock.monotonicNs();
  assert.ok(before <= now && now <= process.hrtime.bigint());
  assert.ok(clock.boottimeNs() >= now);
});

test('bpffs is mounted once', () => {
  const path = mkdtempSync(join(tmpdir(), 'perigee-nb-'));
  assert.equal(mountBpffs(path), true);
  assert.equal(mountBpffs(path), false);
  execFileSync('umount', [path]);
  rmSync(path, { recursive: true });
  assert.equal(faultOf(() => mountBpffs(path)).code, 'ERR_MOUNT');
});
