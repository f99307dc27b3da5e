// SPDX-License-Identifier: Apache-2.0
// What the tests of the native binding share: compiled test programs, a namespace, a cgroup, a bpffs.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadNative, NativeError } from '../../src/datapath/native.ts';
import type { Native } from '../../src/datapath/native.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Something on the host that has to go at the end. */
export interface Fixture extends Disposable {
  readonly path: string;
}

function isFresh(output: string, source: string): boolean {
  return existsSync(output) && statSync(output).mtimeMs >= statSync(source).mtimeMs;
}

/** The object file of test/bpf/programs/NAME.bpf.c, compiled if `make` hasn't. */
export function testObject(name: string): string {
  const source = join(root, `test/bpf/programs/${name}.bpf.c`);
  const output = join(root, `build/test-bpf/${name}.bpf.o`);
  if (isFresh(output, source)) return output;
  const types = join(root, 'build/bpf/vmlinux.h');
  mkdirSync(join(root, 'build/bpf'), { recursive: true });
  mkdirSync(join(root, 'build/test-bpf'), { recursive: true });
  if (!existsSync(types)) {
    const args = ['btf', 'dump', 'file', '/sys/kernel/btf/vmlinux', 'format', 'c'];
    writeFileSync(types, execFileSync('bpftool', args, { maxBuffer: 1 << 26 }));
  }
  const flags = [
    '-g',
    '-O2',
    '-target',
    'bpf',
    '-mcpu=v3',
    '-D__TARGET_ARCH_x86',
    '-Wall',
    '-Wextra',
    '-Werror',
  ];
  execFileSync('clang', [
    ...flags,
    '-I',
    join(root, 'bpf'),
    '-isystem',
    join(root, 'build/bpf'),
    '-c',
    source,
    '-o',
    output,
  ]);
  return output;
}

/** The addon as the sources load it. */
export function native(): Native {
  return loadNative();
}

/** The fault that an action must end in. */
export function faultOf(action: () => unknown): NativeError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof NativeError, `not a NativeError: ${String(error)}`);
    return error;
  }
  assert.fail('no fault');
}

/** A network namespace with its loopback up. */
export function makeNetns(suffix: string): Fixture & { readonly name: string } {
  const name = `perigee-nb-${process.pid}-${suffix}`;
  execFileSync('ip', ['netns', 'add', name]);
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  return {
    name,
    path: `/run/netns/${name}`,
    [Symbol.dispose]: () => execFileSync('ip', ['netns', 'del', name]),
  };
}

/** Where cgroup2 is: alone, or beside version 1. */
export function cgroupRoot(): string {
  const mount = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => fields[2] === 'cgroup2');
  assert.ok(mount?.[1] !== undefined, 'no cgroup2 mounted');
  return mount[1];
}

/** An empty cgroup. */
export function makeCgroup(suffix: string): Fixture {
  const path = join(cgroupRoot(), `perigee-nb-${process.pid}-${suffix}`);
  mkdirSync(path);
  return { path, [Symbol.dispose]: () => rmdirSync(path) };
}

/** Runs an action with this process in a cgroup: its sockets belong there. */
export async function insideCgroup<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  const own = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((line) => line.startsWith('0::'));
  const home = join(cgroupRoot(), own?.slice(3) ?? '/');
  writeFileSync(join(path, 'cgroup.procs'), String(process.pid));
  try {
    return await action();
  } finally {
    writeFileSync(join(home, 'cgroup.procs'), String(process.pid));
  }
}

/** A bpffs of the test's own. */
export function makeBpffs(): Fixture {
  const path = mkdtempSync(join(tmpdir(), 'perigee-nb-'));
  native().mountBpffs(path);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', [path]);
      rmSync(path, { recursive: true });
    },
  };
}

/** A number as a key or value of 4 bytes in the machine's order. */
export function u32(...numbers: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(numbers).buffer);
}

/** A number as a value of 8 bytes. */
export function u64(number: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(number).buffer);
}
