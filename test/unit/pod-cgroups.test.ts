// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findPodsCgroup, PodCgroups } from '../../src/datapath/pod-cgroups.ts';
import { until } from '../support/lab.ts';

const UID = '0b9d7a6e-3f0c-4f43-a0a1-6f6d2c3c0001';

class Tree implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'perigee-cgroups-'));

  make(path: string): string {
    const folder = join(this.root, path);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}

for (const [what, path] of Object.entries({
  'the cgroupfs driver': 'kubepods',
  'the systemd driver': 'kubepods.slice',
  'a node in a container': 'kubelet.slice/kubelet-kubepods.slice',
  'a kubelet with a root of its own': 'orchestra/node/kubepods',
})) {
  test(`the folder of all pods is found: ${what}`, () => {
    using tree = new Tree();
    tree.make('system.slice/containerd.service');
    const folder = tree.make(path);
    tree.make(`${path}/burstable/pod${UID}`);
    assert.equal(findPodsCgroup(tree.root), folder);
  });
}

test('there may be none', () => {
  using tree = new Tree();
  tree.make('system.slice/notkubepods-at-all');
  assert.equal(findPodsCgroup(tree.root), undefined);
});

for (const [driver, pod, container] of [
  ['cgroupfs', `kubepods/burstable/pod${UID}`, '6f6d2c3c0001'],
  [
    'systemd',
    `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice`,
    'cri-containerd-6f6d.scope',
  ],
] as const) {
  test(`a container of a new pod is announced, by the ${driver} driver`, async () => {
    using tree = new Tree();
    const top = tree.make(pod.split('/')[0] ?? '');
    const seen: string[] = [];
    const cgroups = new PodCgroups(top, (uid, folder) => seen.push(`${uid} ${folder}`));
    try {
      const folder = tree.make(pod);
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(seen.length, 0);
      tree.make(`${pod}/${container}`);
      await until('the announcement', () => seen.includes(`${UID} ${folder}`));
    } finally {
      cgroups.close();
    }
  });
}

test('what is there already is announced at once, also when it comes all at once', async () => {
  using tree = new Tree();
  tree.make(`kubepods/pod${UID}/one`);
  const seen = new Set<string>();
  const cgroups = new PodCgroups(join(tree.root, 'kubepods'), (uid) => seen.add(uid));
  try {
    assert.deepEqual([...seen], [UID]);
    for (let number = 2; number < 10; number++)
      tree.make(`kubepods/besteffort/pod${UID.slice(0, -1)}${String(number)}/one`);
    await until('the others', () => seen.size === 9);
  } finally {
    cgroups.close();
  }
});
