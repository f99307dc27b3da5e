// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Datapath } from '../../src/datapath/datapath.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { openObject } from '../../src/datapath/loader.ts';
import { KernelScene, objects } from '../support/kernel-scene.ts';
import { type LabHost, listening } from '../support/lab.ts';
import { tcpClient, tcpServer } from '../support/programs.ts';

const HOOKS = 7;

describe('what an agent finds in the kernel when it starts', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;
  let another: string;

  before(async () => {
    scene = new KernelScene('kept');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    for (const port of ['8080', '8081']) scene.serve(server, tcpServer, port);
    await listening(scene.lab, server, 8080);
    await listening(scene.lab, server, 8081);
    another = mkdtempSync(join(tmpdir(), 'perigee-build-'));
    cpSync(objects, another, { recursive: true });
    cpSync(join(another, 'sockname.bpf.o'), join(another, 'zz.bpf.o'));
  });
  after(async () => {
    await scene.destroy();
    rmSync(another, { recursive: true, force: true });
  });

  const lookups = (): Map<string, number> => {
    const { links } = pinLayout(scene.pinRoot);
    const programs = new Map<string, number>();
    for (const name of readdirSync(links).filter((link) => link.startsWith('lookup-'))) {
      using link = scene.native.BpfLink.openPinned(join(links, name));
      programs.set(name, link.info().programId);
    }
    return programs;
  };

  const govern = (): void =>
    scene.govern([
      { host: client, egress: [{ peer: server, port: 8080, action: 'allow' }] },
      { host: server, ingress: [{ peer: client, port: 8080, action: 'allow' }] },
    ]);

  /** The next agent, after one that governed; what it did with the hooks. */
  const restart = (folder = objects): Datapath => {
    scene.datapath.close();
    const { native, cgroup, pinRoot } = scene;
    const next = Datapath.load({ native, cgroup, objects: folder, layout: pinLayout(pinRoot) });
    scene.replace(next);
    return next;
  };

  /** Hooks and walks do what they are for. */
  const enforces = (): void => {
    govern();
    const connect = (port: number): string => scene.python(client, tcpClient, server.address4, String(port));
    assert.match(connect(8080), /^ok/);
    assert.equal(connect(8081), 'EPERM');
    assert.deepEqual(scene.datapath.sweep('first').failed, []);
    scene.datapath.removeStale();
  };

  test('programs of its own build stay as they are', () => {
    govern();
    const before = lookups();
    assert.equal(before.size, 2);
    const { loaded } = restart();
    assert.equal(loaded.kept.length, HOOKS + 1);
    assert.deepEqual([...loaded.attached, ...loaded.replaced], []);
    enforces();
    assert.deepEqual(lookups(), before);
  });

  test('those of another build are all replaced, and none of that build is left', () => {
    govern();
    const before = lookups();
    const { loaded } = restart(another);
    assert.equal(loaded.replaced.length, HOOKS + 1);
    assert.deepEqual([...loaded.attached, ...loaded.kept], []);
    enforces();
    for (const [name, program] of lookups()) assert.notEqual(program, before.get(name), name);
    assert.equal(readdirSync(pinLayout(scene.pinRoot).programs).length, 1);
    assert.equal(restart().loaded.replaced.length, HOOKS + 1);
  });

  test('a hook behind which somebody put another program has them all replaced', () => {
    govern();
    const layout = pinLayout(scene.pinRoot);
    const { native } = scene;
    {
      using object = openObject({ native, layout, objects }, 'connect');
      object.load();
      using program = object.program('connect4');
      using link = native.BpfLink.openPinned(join(layout.links, 'connect4'));
      link.update(program);
    }
    assert.equal(restart().loaded.replaced.length, HOOKS + 1);
    enforces();
  });

  test('a hook that was taken off is attached again', () => {
    govern();
    const { links } = pinLayout(scene.pinRoot);
    {
      using link = scene.native.BpfLink.openPinned(join(links, 'connect4'));
      link.detach();
    }
    rmSync(join(links, 'connect4'));
    assert.deepEqual(restart().loaded.attached, ['connect4']);
    enforces();
  });

  test('a map whose pin is gone has all programs loaded with the new one', () => {
    govern();
    const { maps } = pinLayout(scene.pinRoot);
    rmSync(join(maps, 'policy'));
    assert.equal(restart().loaded.replaced.length, HOOKS + 1);
    enforces();
  });
});
