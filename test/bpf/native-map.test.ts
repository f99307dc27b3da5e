// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { BpfMap, BpfObject } from '../../src/datapath/native.ts';
import { faultOf, makeBpffs, native, testObject, u32, u64 } from '../support/native.ts';
import type { Fixture } from '../support/native.ts';

const { BpfMap: Maps, BpfObject: Objects, sockets } = native();
const entries = 10_000;

describe('maps', () => {
  let fs: Fixture;
  let object: BpfObject;
  let opened: BpfMap[] = [];

  function map(name: string): BpfMap {
    const result = object.map(name);
    opened.push(result);
    return result;
  }

  /** Keys 0..count-1 and values that tell their key in each copy. */
  function rows(target: BpfMap, count: number): { keys: Uint8Array; values: Uint8Array } {
    const keys = Uint32Array.from({ length: count * (target.info.keySize / 4) }, (_, i) => i);
    if (target.info.type === 'lpm_trie') {
      for (let i = 0; i < count; i++) keys.set([32, i], i * 2);
    }
    const words = target.entrySize / 4;
    const values = Uint32Array.from({ length: count * words }, (_, i) => Math.floor(i / words) ^ 0x5a5a5a);
    return { keys: new Uint8Array(keys.buffer), values: new Uint8Array(values.buffer) };
  }

  before(() => {
    fs = makeBpffs();
    object = Objects.open(testObject('map-kinds'), { pinRoot: fs.path });
    object.load();
  });

  after(() => {
    for (const each of opened) each.close();
    opened = [];
    object.close();
    fs[Symbol.dispose]();
  });

  for (const kind of ['hash', 'lru', 'percpu_hash', 'trie', 'array', 'percpu_array']) {
    test(`${kind}: ${entries} entries written in one call are read in one, byte for byte`, () => {
      const target = map(kind);
      const { keys, values } = rows(target, entries);
      assert.equal(target.updateBatch(keys, values), entries);
      const dump = target.dump();
      const isArray = kind.endsWith('array');
      assert.equal(dump.count, isArray ? target.info.maxEntries : entries);
      assert.equal(dump.keys.length, dump.count * target.info.keySize);
      assert.equal(dump.values.length, dump.count * target.entrySize);
      const { keySize, valueSize } = target.info;
      const seen = new Set<number>();
      for (let row = 0; row < dump.count; row++) {
        const key = dump.keys.readUInt32LE(row * keySize + keySize - 4);
        seen.add(key);
        const expected = key < entries ? key ^ 0x5a5a5a : 0;
        for (let copy = 0; copy < target.cpus; copy++) {
          const at = row * target.entrySize + copy * Math.ceil(valueSize / 8) * 8;
          assert.equal(dump.values.readUInt32LE(at), expected);
          assert.equal(dump.values.readUInt32LE(at + valueSize - 4), expected);
        }
      }
      assert.equal(seen.size, dump.count);
    });
  }

  test('a per-CPU value is one copy for each possible CPU, each rounded up to 8 bytes', () => {
    const target = map('percpu_hash');
    assert.equal(target.info.valueSize, 12);
    assert.ok(target.cpus >= 1);
    assert.equal(target.entrySize, 16 * target.cpus);
    const value = Buffer.alloc(target.entrySize);
    for (let cpu = 0; cpu < target.cpus; cpu++) value.writeUInt32LE(cpu + 1, cpu * 16);
    target.update(u32(0xffff), value);
    assert.deepEqual(target.lookup(u32(0xffff)), value);
    assert.equal(target.delete(u32(0xffff)), true);
  });

  test('mapped memory is lent for one call, and gone after it', () => {
    const target = map('mappable');
    const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split('bpf-map').length;
    const before = mappings();
    const kept = target.withMapped((memory) => {
      const view = Buffer.from(memory);
      assert.equal(view.length, 4 * 16);
      assert.equal(mappings(), before + 1);
      view.writeUInt32LE(7, 2 * 16 + 8);
      return view;
    });
    assert.deepEqual(target.lookup(u32(2))?.readUInt32LE(8), 7);
    assert.throws(
      () =>
        target.withMapped(() => {
          throw new Error('the callback’s own');
        }),
      { message: 'the callback’s own' },
    );
    assert.equal(mappings(), before);
    assert.equal(kept.length, 0);
    assert.equal(faultOf(() => map('percpu_hash').withMapped(() => 0)).code, 'ERR_NATIVE_ARGUMENT');
  });

  test('lent memory that was given away is an error, and stays where it is', () => {
    const target = map('mappable');
    let taken = new Uint8Array();
    const give = (memory: ArrayBuffer): void => void (taken = new Uint8Array(memory.transfer()));
    assert.equal(faultOf(() => target.withMapped(give)).code, 'ERR_NATIVE_ARGUMENT');
    taken[3 * 16 + 8] = 9;
    assert.equal(target.lookup(u32(3))?.readUInt32LE(8), 9);
  });

  test('keys and values of any other length never reach the kernel', () => {
    const target = map('percpu_hash');
    const value = new Uint8Array(target.entrySize);
    for (const length of [0, 3, 5, 1024]) {
      const key = new Uint8Array(length);
      for (const action of [
        (): unknown => target.lookup(key),
        (): unknown => target.update(key, value),
        (): unknown => target.delete(key),
      ]) {
        assert.equal(faultOf(action).code, 'ERR_NATIVE_ARGUMENT');
      }
    }
    for (const length of [0, 12, target.entrySize - 1, target.entrySize + 1]) {
      assert.equal(faultOf(() => target.update(u32(1), new Uint8Array(length))).code, 'ERR_NATIVE_ARGUMENT');
    }
    assert.equal(faultOf(() => target.updateBatch(new Uint8Array(7), value)).code, 'ERR_NATIVE_ARGUMENT');
    assert.equal(faultOf(() => target.updateBatch(u32(1, 2), value)).code, 'ERR_NATIVE_ARGUMENT');
    assert.equal(faultOf(() => target.deleteBatch(new Uint8Array(7))).code, 'ERR_NATIVE_ARGUMENT');
    const wrongView = new Uint16Array(2) as unknown as Uint8Array;
    assert.equal(faultOf(() => target.lookup(wrongView)).code, 'ERR_NATIVE_ARGUMENT');
  });

  test('a missing key is a value, not a fault', () => {
    const target = map('hash');
    assert.equal(target.lookup(u32(0xabcdef)), undefined);
    assert.equal(target.delete(u32(0xabcdef)), false);
  });

  test('update flags: noexist and exist', () => {
    const target = map('hash');
    const key = u32(0x777777);
    assert.equal(faultOf(() => target.update(key, u32(1, 1, 1), 'exist')).errno, 2);
    target.update(key, u32(1, 1, 1), 'noexist');
    const fault = faultOf(() => target.update(key, u32(2, 2, 2), 'noexist'));
    assert.equal(fault.message, 'update map hash: File exists (EEXIST)');
    target.update(key, u32(3, 3, 3), 'exist');
    assert.deepEqual(target.lookup(key), Buffer.from(u32(3, 3, 3)));
    target.delete(key);
  });

  test('a batch of deletions passes over missing keys and counts what it deleted', () => {
    for (const kind of ['hash', 'trie']) {
      const target = map(kind);
      target.deleteBatch(target.dump().keys);
      assert.equal(target.dump().count, 0);
      const { keys, values } = rows(target, 1000);
      target.updateBatch(keys, values);
      const doubled = rows(target, 2000).keys;
      assert.equal(target.deleteBatch(doubled), 1000);
      assert.equal(target.deleteBatch(doubled), 0);
      assert.equal(target.deleteBatch(new Uint8Array(0)), 0);
    }
  });

  test('a batch that fills a map tells how far it came', () => {
    const target = map('hash');
    target.deleteBatch(target.dump().keys);
    const { keys, values } = rows(target, target.info.maxEntries + 100);
    const fault = faultOf(() => target.updateBatch(keys, values));
    assert.equal(fault.code, 'ERR_BPF_MAP');
    assert.equal(fault.errno, 7);
    assert.equal(fault.done, target.dump().count);
    assert.ok(fault.done >= target.info.maxEntries);
    target.deleteBatch(target.dump().keys);
  });

  test('a socket hash gives the cookies of its sockets', () => {
    const target = map('sockets');
    const { fd } = sockets.openListener({ netnsFd: null, family: 4, address: '127.0.0.1', port: 0 });
    try {
      target.updateSocket(u64(5n), fd);
      const dump = target.dump();
      assert.equal(dump.count, 1);
      assert.equal(dump.keys.readBigUInt64LE(), 5n);
      assert.equal(dump.values.readBigUInt64LE(), sockets.cookie(fd));
      assert.equal(faultOf(() => target.updateSocket(u64(6n), 0x7fffffff)).errno, 9);
    } finally {
      sockets.close(fd);
    }
    assert.equal(target.dump().count, 0);
  });

  test('an inner map is put into a map of maps, and only a map', () => {
    const target = map('outer');
    using inner = Maps.create({ type: 'array', name: 'inner', keySize: 4, valueSize: 8, maxEntries: 1 });
    target.updateInner(u32(1), inner);
    assert.equal(target.lookup(u32(1))?.readUInt32LE(), inner.info.id);
    assert.equal(faultOf(() => target.updateInner(u32(1), {} as BpfMap)).code, 'ERR_NATIVE_ARGUMENT');
    assert.equal(
      faultOf(() => target.updateInner(u32(1), object as unknown as BpfMap)).code,
      'ERR_NATIVE_ARGUMENT',
    );
    assert.equal(faultOf(() => map('hash').updateInner(u32(1), inner)).code, 'ERR_NATIVE_ARGUMENT');
  });

  test('descriptors of sockets are keys of socket storage only', () => {
    assert.equal(faultOf(() => map('hash').lookupFd(0)).code, 'ERR_NATIVE_ARGUMENT');
    assert.equal(faultOf(() => map('hash').updateSocket(u32(1), 0)).code, 'ERR_NATIVE_ARGUMENT');
  });

  test('a frozen map takes no more writes from here', () => {
    using target = Maps.create({ type: 'array', name: 'frozen', keySize: 4, valueSize: 8, maxEntries: 1 });
    target.update(u32(0), u64(3n));
    target.freeze();
    assert.equal(faultOf(() => target.update(u32(0), u64(4n))).errno, 1);
    assert.deepEqual(target.lookup(u32(0)), Buffer.from(u64(3n)));
  });

  test('a map is found by its id, and a closed one is not used', () => {
    const target = map('hash');
    const same = Maps.openById(target.info.id);
    assert.equal(same.info.id, target.info.id);
    same.close();
    assert.equal(faultOf(() => same.lookup(u32(1))).code, 'ERR_NATIVE_CLOSED');
    assert.equal(faultOf(() => same.dump()).code, 'ERR_NATIVE_CLOSED');
  });
});
