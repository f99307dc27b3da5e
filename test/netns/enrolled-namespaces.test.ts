// SPDX-License-Identifier: Apache-2.0
// Namespaces of a node, one by one, while they come and go.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DesiredWorkload } from '../../src/core/state/desired.ts';
import { Enrolment } from '../../src/datapath/enrolment.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import type { Maps } from '../../src/datapath/maps.ts';
import { cgroup2Root, Lab, type LabHost, until } from '../support/lab.ts';
import { loadNative } from '../../src/datapath/native.ts';

describe('the namespaces that hold governed sockets, one by one', () => {
  const native = loadNative();
  const lab = Lab.create('enrol');
  const cgroup = join(cgroup2Root(), 'perigee-enrol');
  const job = join(cgroup, 'job');
  const folder = mkdtempSync(join(tmpdir(), 'perigee-enrol-'));
  const layout = { ...pinLayout(folder), links: folder };
  let hosts: readonly LabHost[];

  const inodeOf = (fd: number): bigint => native.netns.inode(fd);
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const workload = (id: number, attachment: 'netns' | 'cgroup', path: string): DesiredWorkload =>
    ({ id, attachment, path }) as DesiredWorkload;
  const owners = (): DesiredWorkload[] => [
    workload(1, 'netns', hosts[0]?.path ?? ''),
    workload(2, 'cgroup', 'job'),
    workload(3, 'netns', hosts[1]?.path ?? ''),
  ];

  before(async () => {
    mkdirSync(job, { recursive: true });
    hosts = ['first', 'second', 'third', 'fourth'].map((name) => lab.host(name));
    // The cgroup's processes are in namespaces of others and in two of their own.
    for (const host of hosts.slice(1))
      lab.start(host, ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec sleep 1000', job]);
    await until('the processes', () => enrolled((found) => [...found.eachNamespace()].length) === 4);
  });
  after(async () => {
    await lab.destroy();
    rmSync(folder, { recursive: true });
    await until('the cgroup to be empty', () => {
      try {
        rmdirSync(job);
        return true;
      } catch {
        return false;
      }
    });
    rmdirSync(cgroup);
  });

  function enrolled<Result>(use: (enrolment: Enrolment) => Result): Result {
    const enrolment = new Enrolment({ native, layout, objects: '', cgroup }, {} as Maps);
    assert.deepEqual(enrolment.capture(owners()), []);
    try {
      return use(enrolment);
    } finally {
      enrolment.close();
    }
  }

  test('are those that are looked at together, each once', () => {
    enrolled((enrolment) => {
      const before = descriptors();
      const walked = Array.from(enrolment.eachNamespace(), inodeOf);
      assert.equal(new Set(walked).size, 4);
      const together = enrolment.withNamespaces((fds) => fds.map(inodeOf));
      assert.deepEqual(new Set(walked), new Set(together));
      assert.equal(descriptors(), before);
    });
  });

  test('leave out what goes meanwhile, and leave nothing open', () => {
    enrolled((enrolment) => {
      const walked: bigint[] = [];
      for (const fd of enrolment.eachNamespace()) {
        walked.push(inodeOf(fd));
        if (walked.length === 1) enrolment.capture(owners().slice(1, 2));
      }
      // What the first workload had; then the three that the cgroup's processes are in.
      assert.equal(new Set(walked).size, 4);
      const before = descriptors();
      for (const fd of enrolment.eachNamespace()) {
        assert.ok(inodeOf(fd) > 0n);
        break;
      }
      assert.equal(descriptors(), before);
      enrolment.capture([]);
      assert.deepEqual([...enrolment.eachNamespace()], []);
    });
  });
});
