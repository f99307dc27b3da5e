// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { compile } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import { buildWorld } from '../../src/core/policy/world.ts';
import type { Resource } from '../../src/core/resources/kinds.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { formatResourceError } from '../../src/core/resources/resource-error.ts';
import { encodeState } from '../../src/datapath/encode.ts';
import { reconcile } from '../../src/datapath/reconcile.ts';
import { dumpMaps } from '../support/map-dump.ts';
import { KernelScene } from '../support/kernel-scene.ts';

const folder = join(import.meta.dirname, '../golden/maps');
const nothing = { workloads: [], ipcache: [], policy: [] };
const steps = { enrol: () => undefined, withdraw: () => undefined };

/** UPDATE_GOLDEN=1 writes the expected files anew. */
const update = process.env['UPDATE_GOLDEN'] === '1';

function read(file: string): readonly Resource[] {
  const { resources, errors } = parseManifest(readFileSync(join(folder, file), 'utf8'), file);
  assert.deepEqual(errors.map(formatResourceError), []);
  return resources;
}

describe('resources in, maps of the kernel out', () => {
  let scene: KernelScene;
  before(() => {
    scene = new KernelScene('golden');
  });
  after(() => scene.destroy());

  /** Puts resources in force through the real maps and reads those back. */
  function load(resources: readonly Resource[]): string {
    const names = new Names({ seed: [], next: 0 });
    const { desired } = compile(buildWorld({ resources }), names);
    const kernelIds = new Map(desired.workloads.map((workload, index) => [workload.id, BigInt(index + 1)]));
    reconcile(scene.datapath.maps, encodeState(desired, kernelIds), steps);
    return dumpMaps(scene.datapath.maps, names);
  }

  function clear(): string {
    reconcile(scene.datapath.maps, encodeState(nothing, new Map()), steps);
    return dumpMaps(scene.datapath.maps, new Names({ seed: [], next: 0 }));
  }

  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    test(`${file}: as expected, the same in any order, and nothing left at the end`, () => {
      const resources = read(file);
      const dump = load(resources);
      const expected = join(folder, file.replace(/\.yaml$/, '.expected'));
      if (update) writeFileSync(expected, dump);
      assert.equal(dump, readFileSync(expected, 'utf8'));
      assert.equal(load([...resources].reverse()), dump);
      assert.equal(clear(), '\n');
      for (const resource of resources) load([resource]);
      assert.equal(load(resources), dump);
      assert.equal(clear(), '\n');
    });
  }

  test('a comparison that should fail does', () => {
      assert.notEqual(load(read('http-ingress.yaml')), load(read('network-policy.yaml')));
    clear();
  });
});
