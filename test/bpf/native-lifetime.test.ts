// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { faultOf, makeBpffs, makeNetns, native, testObject, u32, u64 } from '../support/native.ts';

const { BpfLink, BpfMap, BpfObject, BpfProgram, RingBuffer, diag, netns, sockets } = native();
const rounds = 10_000;
/** Less than 500 bytes a round. */
const slackBytes = 4 << 20;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Repeats an action, collects the garbage, and returns by how many bytes the process grew. */
async function growth(action: () => unknown, count: number): Promise<number> {
  const { rss } = process.memoryUsage();
  for (let i = 0; i < count; i++) {
    action();
    if (i % 100 === 0) await immediate();
    if (i % 1000 === 0) collectGarbage();
  }
  collectGarbage();
  await immediate();
  return process.memoryUsage().rss - rss;
}

/** Memory and descriptors must be after many rounds what they were after the first few. */
async function assertSteady(action: () => unknown, count = rounds): Promise<void> {
  await growth(action, count / 20);
  const descriptors = openDescriptors();
  let grown = slackBytes;
  // The heap takes new pages until it has found its size; a leak takes them every time.
  for (let i = 0; i < 6 && grown >= slackBytes; i++) grown = await growth(action, count);
  assert.equal(openDescriptors(), descriptors);
  assert.ok(grown < slackBytes, `grew by ${grown} bytes`);
}

test('loading, taking and closing 10,000 times leaves nothing behind', async () => {
  const path = testObject('lookup-any');
  await assertSteady(() => {
    using object = BpfObject.open(path);
    object.load();
    using program = object.program('lookup_any');
    using map = object.map('listeners');
    assert.ok(program.id > 0 && map.info.id > 0);
  });
});

test('10,000 links, pinned, reopened and unpinned, leave nothing behind', async () => {
  using fs = makeBpffs();
  using space = makeNetns('lifetime');
  using object = BpfObject.open(testObject('lookup-any'));
  object.load();
  using program = object.program('lookup_any');
  const netnsFd = netns.open(space.path);
  await assertSteady(() => {
    using link = program.attachNetns(netnsFd);
    link.pin(`${fs.path}/link`);
    using again = BpfLink.openPinned(`${fs.path}/link`);
    again.info();
    again.unpin();
  });
  assert.ok(!existsSync(`${fs.path}/link`));
  sockets.close(netnsFd);
});

test('10,000 maps, read and written, leave nothing behind', async () => {
  const spec = { type: 'percpu_hash', name: 'short', keySize: 4, valueSize: 8, maxEntries: 16 };
  await assertSteady(() => {
    using map = BpfMap.create(spec);
    map.updateBatch(u32(1, 2, 3), new Uint8Array(3 * map.entrySize));
    map.dump();
    map.lookup(u32(1));
    assert.equal(map.deleteBatch(u32(1, 2, 3, 4)), 3);
  });
});

test('10,000 ring buffers leave nothing behind', async () => {
  using events = BpfMap.create({ type: 'ringbuf', name: 'r', keySize: 0, valueSize: 0, maxEntries: 4096 });
  await assertSteady(() => {
    using ring = new RingBuffer([events, events], () => undefined);
    ring.consume();
  });
});

test('10,000 sockets in a namespace leave nothing behind', async () => {
  using space = makeNetns('sockets');
  const netnsFd = netns.open(space.path);
  await assertSteady(() => {
    const { fd } = sockets.openListener({ netnsFd, family: 6, address: '::', port: 0 });
    netns.cookie(netnsFd);
    sockets.close(fd);
  });
  // A listing walks all of the kernel's tables: fewer rounds.
  await assertSteady(() => {
    diag.list(netnsFd, { protocol: 'tcp' });
    netns.addresses(netnsFd);
  }, rounds / 100);
  sockets.close(netnsFd);
});

test('10,000 failures leave nothing behind', async () => {
  using map = BpfMap.create({ type: 'array', name: 'one', keySize: 4, valueSize: 8, maxEntries: 1 });
  const spec = { type: 'hash', name: 'none', keySize: 0, valueSize: 0, maxEntries: 0 };
  const taken = { netnsFd: null, family: 4, address: '192.0.2.1', port: 1 } as const;
  await assertSteady(() => {
    faultOf(() => BpfMap.create(spec));
    faultOf(() => BpfObject.open('/etc/hostname'));
    faultOf(() => BpfMap.openPinned('/nonexistent'));
    faultOf(() => map.update(u32(7), u64(1n)));
    faultOf(() => new RingBuffer([map], () => undefined));
    faultOf(() => sockets.openListener(taken));
  }, rounds / 5);
});

test('handles that nobody closes are closed by the garbage collector', async () => {
  const before = openDescriptors();
  for (let i = 0; i < 200; i++) {
    BpfMap.create({ type: 'array', name: 'lost', keySize: 4, valueSize: 8, maxEntries: 1 });
  }
  assert.ok(openDescriptors() >= before + 100);
  for (let i = 0; openDescriptors() > before && i < 100; i++) {
    collectGarbage();
    await immediate();
  }
  assert.equal(openDescriptors(), before);
});

test('objects come from static methods, never from new', () => {
  for (const Class of [BpfLink, BpfMap, BpfObject, BpfProgram]) {
    const Made = Class as unknown as new (...args: unknown[]) => unknown;
    assert.equal(faultOf(() => new Made()).code, 'ERR_NATIVE_ARGUMENT');
    assert.equal(faultOf(() => new Made({}, 1)).code, 'ERR_NATIVE_ARGUMENT');
  }
});

test('an object of one class is never taken for one of another', () => {
  using object = BpfObject.open(testObject('lookup-any'));
  object.load();
  using program = object.program('lookup_any');
  using map = object.map('listeners');
  for (const receiver of [program, object, {}, Object.create(map)]) {
    assert.throws(() => map.lookup.call(receiver as typeof map, u32(0)), TypeError);
    assert.throws(() => map.dump.call(receiver as typeof map), TypeError);
  }
  const link = map as unknown as typeof program;
  using space = makeNetns('tags');
  const netnsFd = netns.open(space.path);
  using attached = program.attachNetns(netnsFd);
  for (const wrong of [link, object as unknown as typeof program, Object.create(program) as typeof program]) {
    assert.equal(faultOf(() => attached.update(wrong)).code, 'ERR_NATIVE_ARGUMENT');
  }
  sockets.close(netnsFd);
});

/** A worker with the addon as `native`; resolves with what it posts. */
function startWorker(script: string, data: unknown): Worker {
  const loader = new URL('../../src/datapath/native.ts', import.meta.url).href;
  const source = `
    const { parentPort, workerData } = await import('node:worker_threads');
    const { loadNative } = await import(${JSON.stringify(loader)});
    const native = loadNative();
    ${script}`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: data });
}

test('several workers use the addon at once, each with its own faults and callbacks', async () => {
  const script = `
    const { path, rejected, id } = workerData;
    let records = 0;
    for (let round = 0; round < 20; round++) {
      const object = native.BpfObject.open(path);
      object.load();
      const ring = new native.RingBuffer([object.map('events')], (_i, _b, offsets) => { records += offsets.length - 1; });
      const order = Uint32Array.of(100, 0, 0, 1, 0);
      object.program('write_records').testRun({ ctxIn: new Uint8Array(order.buffer) });
      for (let i = 0; records < (round + 1) * 100 && i < 1000; i++) await new Promise(setImmediate);
      ring.close();
      object.close();
      const bad = native.BpfObject.open(rejected);
      try { bad.load(); records = NaN; } catch (error) { if (!error.message.includes('null_unchecked')) throw error; }
    }
    parentPort.postMessage({ id, records });`;
  const paths = { path: testObject('ring-records'), rejected: testObject('rejected') };
  const workers = [1, 2, 3].map((id) => startWorker(script, { ...paths, id }));
  const answers = await Promise.all(workers.map((worker) => once(worker, 'message')));
  assert.deepEqual(
    answers.map(([answer]: unknown[]) => answer),
    [1, 2, 3].map((id) => ({ id, records: 2000 })),
  );
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('a worker that ends with everything open takes nothing with it and leaves nothing behind', async () => {
  const script = `
    const object = native.BpfObject.open(workerData.path);
    object.load();
    globalThis.kept = [object, object.map('events'), object.program('write_records')];
    globalThis.ring = new native.RingBuffer([object.map('events')], () => {});
    parentPort.postMessage('ready');
    if (workerData.exit) process.exit(0);`;
  const path = testObject('ring-records');
  const one = async (exit: boolean): Promise<void> => {
    const worker = startWorker(script, { path, exit });
    const exited = once(worker, 'exit');
    await once(worker, 'message');
    if (!exit) await worker.terminate();
    await exited;
  };
  await one(true);
  const before = openDescriptors();
  for (let i = 0; i < 10; i++) await one(i % 2 === 0);
  for (let i = 0; openDescriptors() > before && i < 100; i++) await immediate();
  assert.equal(openDescriptors(), before);
});

test('a dump beside a writer in another thread has each key once and misses none that stays', async () => {
  const count = 2000;
  using fs = makeBpffs();
  for (const type of ['hash', 'percpu_hash', 'lpm_trie']) {
    const isTrie = type === 'lpm_trie';
    const spec = { type, name: 'busy', keySize: isTrie ? 8 : 4, valueSize: 16, maxEntries: 2 * count };
    using map = BpfMap.create({ ...spec, flags: isTrie ? 1 : 0 });
    const key = (i: number): Uint8Array => (isTrie ? u32(32, i) : u32(i));
    map.pin(`${fs.path}/busy`);
    // Keys below count stay, those above come and go.
    for (let i = 0; i < count; i++) map.update(key(i), new Uint8Array(map.entrySize));
    const script = `
      const map = native.BpfMap.openPinned(workerData.path);
      const key = (i) => new Uint8Array(Uint32Array.from(workerData.isTrie ? [32, i] : [i]).buffer);
      const value = new Uint8Array(map.entrySize).fill(7);
      let stop = false;
      parentPort.on('message', () => { stop = true; });
      parentPort.postMessage('running');
      while (!stop) {
        for (let i = 0; i < 500; i++) map.update(key(workerData.count + (i * 7) % workerData.count), value);
        for (let i = 0; i < 500; i++) map.delete(key(workerData.count + (i * 7) % workerData.count));
        await new Promise(setImmediate);
      }
      parentPort.close();`;
    const worker = startWorker(script, { path: `${fs.path}/busy`, isTrie, count });
    const exited = once(worker, 'exit');
    await once(worker, 'message');
    const counts = new Set<number>();
    for (let round = 0; round < 500 && (round < 30 || counts.size < 2); round++) {
      const dump = map.dump();
      const keys = new Set<number>();
      for (let row = 0; row < dump.count; row++) {
        keys.add(dump.keys.readUInt32LE((row + 1) * map.info.keySize - 4));
      }
      assert.equal(keys.size, dump.count, type);
      counts.add(dump.count);
      for (let i = 0; i < count; i++) assert.ok(keys.has(i), `${type}: ${i} is missing`);
      await immediate();
    }
    // Else nothing changed while it was read, and nothing was tried.
    assert.ok(counts.size > 1, type);
    worker.postMessage('stop');
    await exited;
    unlinkSync(`${fs.path}/busy`);
  }
});
