// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ipcacheEntry, ipcacheKey } from '../../src/core/abi/policy.ts';
import { Compiler } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import { parsePrefix } from '../../src/core/identity/prefix.ts';
import type { DesiredAddress, DesiredState } from '../../src/core/state/desired.ts';
import { encodeAddress } from '../../src/datapath/encode.ts';
import { StateWriter } from '../../src/datapath/state-writer.ts';
import { keyBytes, readEntries } from '../../src/datapath/typed-map.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { BLOCKS, manyBlocks, POLICIES } from '../support/many-blocks.ts';
import { noState } from '../support/states.ts';
import { buildWorld } from '../support/one-world.ts';

const steps = { enrol: () => undefined, withdraw: () => undefined };

describe('many address blocks in the maps of the kernel', () => {
  let scene: KernelScene;
  before(() => {
    scene = new KernelScene('blocks');
  });
  after(() => scene.destroy());

  const write = (state: DesiredState) =>
    new StateWriter(scene.datapath.maps).write(state, new Map(), steps);

  test('100,000 have room, and an address in one of them finds it', () => {
    const { desired } = new Compiler(new Names({ seed: [], next: 0 })).compile(
      buildWorld({ resources: manyBlocks() }),
    );
    const { ipcache } = desired;
    write({ ...noState, ipcache });
    const { ipcache: map } = scene.datapath.maps;
    assert.equal(readEntries(map).size, ipcache.size);
    assert.ok(ipcache.size >= POLICIES * BLOCKS);
    const single = { ...at(ipcache.get('3.39.15.0/24')), prefix: parsePrefix('3.39.15.7/32') };
    const [key] = encodeAddress(single as DesiredAddress);
    assert.equal(ipcacheKey.decode(Buffer.from(keyBytes(key))).prefixLength, 128);
    const found = map.lookup(keyBytes(key));
    assert.equal(ipcacheEntry.decode(found ?? new Uint8Array(ipcacheEntry.size)).identity, single.identity);
  });

  test('what is beyond the map is refused and named, and what was there stays', () => {
    const { maps } = scene.datapath;
    const before = readEntries(maps.ipcache).size;
    const [text, entry] = ['0.0.0.0/0', at(undefined)];
    const more = Array.from({ length: maps.ipcache.info.maxEntries }, (_, index) => {
      const [high, low] = [(index >> 16) & 255, index & 65535];
      const address = `100.${String(high)}.${String(low >> 8)}.${String(low & 255)}/32`;
      return [address, { ...entry, prefix: parsePrefix(address) ?? entry.prefix }] as const;
    });
    assert.throws(() => write({ ...noState, ipcache: noState.ipcache.with([[text, entry], ...more]) }), {
      message: /ipcache: No space left on device/,
    });
    assert.ok(readEntries(maps.ipcache).size >= before);
  });

  function at(found: DesiredAddress | undefined): DesiredAddress {
    const prefix = parsePrefix('0.0.0.0/0');
    assert.ok(prefix !== undefined);
    const none = { taken: false, egressSelected: false, ingressSelected: false, boost: false, visible: false };
    return found ?? { prefix, identity: 2, workload: 0, ...none };
  }
});
