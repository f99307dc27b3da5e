// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { BpfMap, BpfObject, BpfProgram } from '../../src/datapath/native.ts';
import { faultOf, native, testObject } from '../support/native.ts';

const { BpfObject: Objects, RingBuffer } = native();

interface Order {
  readonly records: number;
  readonly first?: number;
  readonly toDenials?: boolean;
  readonly wake?: boolean;
}

describe('a ring buffer', () => {
  let object: BpfObject;
  let events: BpfMap;
  let denials: BpfMap;
  let writer: BpfProgram;
  let discarder: BpfProgram;

  /** Writes records and returns how many found no place. */
  function write({ records, first = 0, toDenials = false, wake = false }: Order): number {
    const order = Uint32Array.of(records, first, toDenials ? 1 : 0, wake ? 1 : 0, 0);
    return writer.testRun({ ctxIn: new Uint8Array(order.buffer) }).ctxOut.readUInt32LE(16);
  }

  /** The numbers of a batch's records, each checked for its length and its content. */
  function numbers(bytes: Buffer, offsets: Uint32Array): number[] {
    const result: number[] = [];
    for (let i = 0; i + 1 < offsets.length; i++) {
      const record = bytes.subarray(offsets[i], offsets[i + 1]);
      const number = record.readUInt32LE(0);
      assert.equal(record.readUInt32LE(4), ~number >>> 0);
      assert.equal(record.length, number % 2 === 1 ? 140 : 12);
      result.push(number);
    }
    return result;
  }

  function sequence(first: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => first + i);
  }

  before(() => {
    object = Objects.open(testObject('ring-records'));
    object.load();
    events = object.map('events');
    denials = object.map('denials');
    writer = object.program('write_records');
    discarder = object.program('write_discarded');
  });

  beforeEach(() => {
    using ring = new RingBuffer([events, denials], () => undefined);
    ring.consume();
  });

  after(() => {
    for (const each of [events, denials, writer, discarder, object]) each.close();
  });

  test('delivers records in order, whole, over many turns of the ring', async () => {
    const seen: number[] = [];
    using ring = new RingBuffer([events], (index, bytes, offsets) => {
      assert.equal(index, 0);
      seen.push(...numbers(bytes, offsets));
    });
    // 16 turns of 256 KiB.
    const rounds = 50;
    for (let round = 0; round < rounds; round++) {
      assert.equal(write({ records: 1000, first: round * 1000, wake: true }), 0);
      for (let i = 0; seen.length < (round + 1) * 1000 && i < 100; i++) await delay(1);
    }
    assert.deepEqual(seen, sequence(0, rounds * 1000));
    assert.equal(ring.pending(), 0);
  });

  test('hands over no more than a bounded batch for each turn of the loop', async () => {
    const sizes: number[] = [];
    const all: number[] = [];
    using _ring = new RingBuffer(
      [events],
      (_index, bytes, offsets) => {
        sizes.push(offsets.length - 1);
        all.push(...numbers(bytes, offsets));
      },
      { maxRecordsPerTick: 100 },
    );
    write({ records: 1050, wake: true });
    for (let i = 0; all.length < 1050 && i < 1000; i++) await immediate();
    assert.deepEqual(all, sequence(0, 1050));
    assert.deepEqual(sizes, [...new Array<number>(10).fill(100), 50]);
  });

  test('serves each ring in each turn: a flood on one does not hold up the other', async () => {
    const order: number[] = [];
    using _ring = new RingBuffer([events, denials], (index) => order.push(index), { maxRecordsPerTick: 10 });
    write({ records: 1000, wake: true });
    write({ records: 5, toDenials: true, wake: true });
    for (let i = 0; order.length < 101 && i < 1000; i++) await immediate();
    assert.equal(order.length, 101);
    assert.ok(order.indexOf(1) <= 2, `the denial came as batch ${order.indexOf(1)}`);
  });

  test('drains on demand what was written without a wake-up', () => {
    const seen: number[] = [];
    using ring = new RingBuffer([events, denials], (_index, bytes, offsets) =>
      seen.push(...numbers(bytes, offsets)),
    );
    write({ records: 1500 });
    write({ records: 7, first: 5000, toDenials: true });
    assert.ok(ring.pending() > 1507 * 12);
    assert.equal(ring.consume(), 1507);
    assert.deepEqual(seen, [...sequence(0, 1500), ...sequence(5000, 7)]);
    assert.equal(ring.pending(), 0);
    assert.equal(ring.consume(), 0);
  });

  test('passes over discarded records', () => {
    const seen: number[] = [];
    using ring = new RingBuffer([events], (_index, bytes, offsets) => seen.push(...numbers(bytes, offsets)));
    write({ records: 1, first: 1 });
    discarder.testRun({ ctxIn: new Uint8Array(20) });
    write({ records: 1, first: 2 });
    assert.equal(ring.consume(), 2);
    assert.deepEqual(seen, [1, 2]);
  });

  test('frees the place of what was read: a full ring takes records again', () => {
    using ring = new RingBuffer([denials], () => undefined);
    const lost = write({ records: 1000, toDenials: true });
    assert.ok(lost > 0 && lost < 1000);
    assert.equal(ring.consume(), 1000 - lost);
    assert.equal(write({ records: 1000 - lost, toDenials: true }), 0);
  });

  test('may be closed by its own callback', async () => {
    let calls = 0;
    for (const wake of [true, false]) {
      const ring = new RingBuffer(
        [events, denials],
        () => {
          calls++;
          ring.close();
        },
        { maxRecordsPerTick: 1 },
      );
      write({ records: 10, wake });
      write({ records: 10, toDenials: true, wake });
      if (wake) await delay(20);
      else ring.consume();
      assert.equal(faultOf(() => ring.consume()).code, 'ERR_NATIVE_CLOSED');
      ring.close();
    }
    assert.equal(calls, 2);
  });

  test('lets a throw of the callback through: to the caller of consume', () => {
    using ring = new RingBuffer([events], () => assert.fail('from the callback'));
    write({ records: 1 });
    assert.throws(() => ring.consume(), /from the callback/);
  });

  test('is made of ring buffer maps only', () => {
    using counters = Objects.open(testObject('connect-port'));
    counters.load();
    using map = counters.map('verdicts');
    assert.match(faultOf(() => new RingBuffer([map], () => undefined)).message, /it is no ring buffer/);
    assert.match(faultOf(() => new RingBuffer([events, map], () => undefined)).message, /verdicts/);
    for (const maps of [[], [{}], undefined]) {
      const wrong = maps as unknown as BpfMap[];
      assert.equal(faultOf(() => new RingBuffer(wrong, () => undefined)).code, 'ERR_NATIVE_ARGUMENT');
    }
    const limits = { maxRecordsPerTick: 0 };
    assert.equal(
      faultOf(() => new RingBuffer([events], () => undefined, limits)).code,
      'ERR_NATIVE_ARGUMENT',
    );
  });
});

/** Runs a script in a Node of its own with the addon as `native` and an open ring as `ring`. */
function runScript(script: string): string {
  const loader = fileURLToPath(new URL('../../src/datapath/native.ts', import.meta.url));
  const source = `
    const { loadNative } = await import(${JSON.stringify(loader)});
    const native = loadNative();
    const object = native.BpfObject.open(${JSON.stringify(testObject('ring-records'))});
    object.load();
    const write = () => object.program('write_records').testRun({ ctxIn: new Uint8Array(Uint32Array.of(1, 0, 0, 1, 0).buffer) });
    ${script}`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 20_000,
  });
}

test('a throw of the callback on the loop is an uncaught exception', () => {
  const output = runScript(`
    process.on('uncaughtException', (error) => { console.log('caught', error.message); ring.close(); });
    const ring = new native.RingBuffer([object.map('events')], () => { throw new Error('on the loop'); });
    write();`);
  assert.equal(output, 'caught on the loop\n');
});

test('promises that a callback resolves go on at once', () => {
  const output = runScript(`
    let resolve; const promise = new Promise((r) => { resolve = r; });
    const ring = new native.RingBuffer([object.map('events')], () => { resolve(); ring.close(); });
    promise.then(() => console.log('resolved'));
    write();`);
  assert.equal(output, 'resolved\n');
});

test('an open ring keeps the process alive unless it is let go', () => {
  const output = runScript(`
    const ring = new native.RingBuffer([object.map('events')], () => { console.log('record'); ring.unref(); });
    setTimeout(write, 50);
    process.on('exit', () => console.log('exit'));`);
  assert.equal(output, 'record\nexit\n');
});
