// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { tryBoost } from '../../src/datapath/boost/self-test.ts';
import { removeDatapath } from '../../src/datapath/cleanup.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { ensurePinFolders, openObject } from '../../src/datapath/loader.ts';
import type { BpfObject } from '../../src/datapath/native.ts';
import { native as loadNative } from '../support/native.ts';

const pinRoot = '/sys/fs/bpf/perigee-boost-trial';
const objects = join(import.meta.dirname, '../../build/bpf');

describe('the trial before boost', () => {
  const native = loadNative();
  let object: BpfObject;

  before(() => {
    removeDatapath(native, pinRoot);
    const layout = pinLayout(pinRoot);
    ensurePinFolders({ native, layout });
    object = openObject({ native, layout, objects }, 'boost');
    object.load();
  });
  after(() => {
    object.close();
    removeDatapath(native, pinRoot);
  });

  test('this kernel passes', () => tryBoost(native, object));

  test('once is not enough: it can be tried again', () => tryBoost(native, object));

  test('a kernel that redirects to nobody does not', async () => {
    const misled = { ...native, sockets: { ...native.sockets, cookie: () => 1n } };
    await assert.rejects(tryBoost(misled, object), { code: /^ERR_/ });
    await tryBoost(native, object);
  });

  test('a kernel that does not count what waits does not', async () => {
    const state = object.map('boost_trial_state');
    const blind = new Proxy(state, {
      get: (target, name): unknown =>
        name === 'lookup' ? () => Buffer.alloc(24) : (Reflect.get(target, name) as unknown),
    });
    const blinded = new Proxy(object, {
      get: (target, name): unknown => {
        const value = Reflect.get(target, name) as unknown;
        if (name === 'map') return (map: string) => (map === 'boost_trial_state' ? bound(blind, state) : target.map(map));
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
    await assert.rejects(tryBoost(native, blinded), { code: 'ERR_BOOST_TRIAL', message: /is not counted/ });
  });
});

/** The addon's methods want their own object as `this`. */
function bound<T extends object>(proxy: T, target: T): T {
  return new Proxy(proxy, {
    get: (_, name): unknown => {
      const value = Reflect.get(proxy, name) as unknown;
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}
