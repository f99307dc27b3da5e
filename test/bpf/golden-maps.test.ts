// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Compiler } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import type { Resource } from '../../src/core/resources/kinds.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { formatResourceError } from '../../src/core/resources/resource-error.ts';
import { StateWriter } from '../../src/datapath/state-writer.ts';
import { dumpMaps } from '../support/map-dump.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { noState } from '../support/states.ts';
import { buildWorld } from '../support/one-world.ts';

const folder = join(import.meta.dirname, '../golden/maps');
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

  /** Puts resources in force through the real maps and reads those back, as an agent that has just started. */
  function load(resources: readonly Resource[]): string {
    return loadAll([resources]);
  }

  /** One set after the other through one agent, which remembers; the last one's maps. */
  function loadAll(sets: readonly (readonly Resource[])[]): string {
    const names = new Names({ seed: [], next: 0 });
    const compiler = new Compiler(names);
    const writer = new StateWriter(scene.datapath.maps);
    for (const resources of sets) {
      const { desired } = compiler.compile(buildWorld({ resources }));
      const kernelIds = new Map(desired.workloads.map((workload, index) => [workload.id, [BigInt(index + 1)]]));
      writer.write(desired, kernelIds, steps);
    }
    return dumpMaps(scene.datapath.maps, names);
  }

  function clear(): string {
    new StateWriter(scene.datapath.maps).write(noState, new Map(), steps);
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

    test(`${file}: the same for an agent that saw it come piece by piece, twice, and in another order`, () => {
      const resources = read(file);
      const dump = readFileSync(join(folder, file.replace(/\.yaml$/, '.expected')), 'utf8');
      const growing = resources.map((_, index) => resources.slice(0, index + 1));
      const reversed = [...resources].reverse();
      const split = [resources.filter((_, index) => index % 2 === 0), resources];
      for (const sets of [
        growing,
        reversed.map((_, index) => reversed.slice(0, index + 1)),
        split,
        [resources, resources],
        [reversed, resources, reversed],
        [resources, [], resources],
        resources.flatMap((resource) => [resources.filter((one) => one !== resource), resources]),
      ]) {
        assert.equal(loadAll(sets), dump);
      }
      assert.equal(clear(), '\n');
    });
  }

  test('a comparison that should fail does', () => {
      assert.notEqual(load(read('http-ingress.yaml')), load(read('network-policy.yaml')));
    clear();
  });
});
