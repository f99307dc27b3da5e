// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inlineSettings } from '../../src/core/abi/http.ts';
import { compile, INLINE_LIMITS } from '../../src/core/automaton/compile.ts';
import type { BpfMap } from '../../src/datapath/native.ts';
import { addressEntry, KernelScene, sceneState, WORLD } from '../support/kernel-scene.ts';
import type { LabHost } from '../support/lab.ts';

const PORT = 8080;
const { bytes: table } = compile([], { allowsAll: true, limits: INLINE_LIMITS });

describe('open inline connections ask policy again', () => {
  let scene: KernelScene;
  let server: LabHost;

  before(() => {
    scene = new KernelScene('epoch');
    server = scene.lab.host('server');
  });
  after(() => scene.destroy());

  /** One row changes, and none goes. */
  function govern(other: 'allow' | 'deny', ...blocks: readonly string[]): void {
    const rules = [{ port: PORT, action: 'proxy', table } as const, { port: PORT + 1, action: other }];
    const state = sceneState([{ host: server, ingress: rules }]);
    const more = blocks.map((text) => [text, addressEntry(text, WORLD, 0)] as const);
    scene.datapath.capture(state.workloads);
    scene.datapath.apply({ ...state, ipcache: state.ipcache.with(more) });
  }
  function epoch(): bigint {
    const value = scene.datapath.maps.inline_settings.lookup(new Uint8Array(4));
    return inlineSettings.decode(value ?? new Uint8Array(inlineSettings.size)).epoch;
  }

  test('after a change, and not after none', () => {
    govern('allow');
    assert.equal(scene.datapath.inline.off, undefined);
    const was = epoch();
    govern('allow');
    assert.equal(epoch(), was);
    govern('deny');
    assert.equal(epoch(), was + 1n);
  });

  test('after a change that was made by halves, though the next attempt finds nothing to write', () => {
    govern('allow');
    const was = epoch();
    const maps = scene.datapath.maps as { ipcache: BpfMap };
    const { ipcache } = maps;
    const updateBatch = (): never => {
      throw new Error('E2BIG');
    };
    maps.ipcache = { updateBatch } as unknown as BpfMap;
    assert.throws(() => govern('deny', '10.9.0.0/16'), { message: 'E2BIG' });
    maps.ipcache = ipcache;
    assert.equal(epoch(), was);
    govern('deny');
    assert.equal(epoch(), was + 1n);
    govern('deny');
    assert.equal(epoch(), was + 1n);
  });
});
