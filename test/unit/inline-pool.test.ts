// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile } from '../../src/core/automaton/compile.ts';
import { load } from '../../src/core/automaton/table.ts';
import { RETIRED_MS, TablePool } from '../../src/datapath/inline/table-pool.ts';
import { TcpFlag, tcpPacket } from '../../src/datapath/inline/tcp-packet.ts';

const tableOf = (path: string): Uint8Array =>
  compile([{ rule: 7, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: path } }] }]).bytes;

describe('the memory of tables in the kernel', () => {
  const newPool = (
    bytes = 1 << 20,
  ): { memory: Buffer; clock: { time: number; now(): number }; pool: TablePool } => {
    const memory = Buffer.alloc(bytes);
    const clock = { time: 0, now: () => clock.time };
    return { memory, clock, pool: new TablePool((use) => use(memory), clock) };
  };

  test('a table lies whole at its offset, equal bytes at one', () => {
    const { memory, pool } = newPool();
    const [a, b] = [tableOf('/a'), tableOf('/b')];
    const at = pool.place(a) ?? -1;
    assert.equal(pool.place(Uint8Array.from(a)), at);
    assert.notEqual(pool.place(b), at);
    const serial = memory.readUInt32LE(at + 31 * 4);
    assert.notEqual(serial, 0);
    const copy = Buffer.from(memory.subarray(at, at + a.byteLength));
    copy.writeUInt32LE(0, 31 * 4);
    assert.deepEqual(copy, Buffer.from(a));
    assert.ok(load(copy).start > 0);
  });

  test('the next agent finds what was placed', () => {
    const { memory, clock, pool } = newPool();
    const at = pool.place(tableOf('/a'));
    const before = Buffer.from(memory);
    assert.equal(new TablePool((use) => use(memory), clock).place(tableOf('/a')), at);
    assert.deepEqual(memory, before);
  });

  test('a table that an agent left half written is not taken for whole', () => {
    const { memory, clock, pool } = newPool();
    const at = pool.place(tableOf('/a')) ?? -1;
    memory.writeUInt32LE(0, at + 31 * 4);
    assert.equal(new TablePool((use) => use(memory), clock).tables, 0);
  });

  test('what nothing refers to stays for a while, then refuses, then is written over', () => {
    const { memory, clock, pool } = newPool();
    const [a, b] = [tableOf('/a'), tableOf('/b')];
    const at = pool.place(a) ?? -1;
    pool.retain([]);
    clock.time = RETIRED_MS;
    pool.retain([]);
    assert.equal(pool.place(a), at, 'wanted again in time');
    pool.retain([]);
    clock.time = 2 * RETIRED_MS + 1;
    pool.retain([]);
    assert.equal(memory.readUInt32LE(at + 31 * 4), 0, 'its readers are told');
    assert.notEqual(pool.place(b), at, 'not written over at once');
    pool.retain([b]);
    clock.time += 5000;
    assert.equal(pool.place(a), at);
  });

  test('without room nothing is placed and nothing is lost', () => {
    const a = tableOf('/a');
    const { pool } = newPool(65536 + a.byteLength + 64);
    const at = pool.place(a);
    assert.notEqual(at, undefined);
    assert.equal(pool.place(tableOf('/b')), undefined);
    assert.equal(pool.place(a), at);
  });
});

describe('segments made by hand', () => {
  const address = (...last: number[]): Uint8Array =>
    Uint8Array.from([...Array<number>(10).fill(0), 255, 255, ...last]);
  const sum16 = (bytes: Uint8Array): number => {
    let sum = 0;
    bytes.forEach((byte, index) => (sum += index % 2 === 0 ? byte << 8 : byte));
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  };

  for (const payload of ['', 'odd', 'HTTP/1.1 403 Forbidden\r\n\r\n']) {
    test(`checksums hold with ${String(payload.length)} bytes`, () => {
      const common = { sourcePort: 80, destinationPort: 4242, sequence: 0xfffffff0, acknowledge: 5, payload };
      const flags = TcpFlag.Psh | TcpFlag.Ack;
      const four = tcpPacket({
        ...common,
        flags,
        family: 4,
        source: address(10, 0, 0, 1),
        destination: address(10, 0, 0, 2),
      });
      assert.equal(sum16(four.subarray(0, 20)), 0xffff);
      assert.equal(four.readUInt16BE(2), four.length);
      const pseudo4 = Buffer.concat([four.subarray(12, 20), Buffer.from([0, 6, 0, four.length - 20])]);
      assert.equal(sum16(Buffer.concat([pseudo4, four.subarray(20)])), 0xffff);
      const six = tcpPacket({
        ...common,
        flags,
        family: 6,
        source: Buffer.alloc(16, 1),
        destination: Buffer.alloc(16, 2),
      });
      const pseudo6 = Buffer.concat([
        six.subarray(8, 40),
        Buffer.from([0, 0, 0, six.length - 40, 0, 0, 0, 6]),
      ]);
      assert.equal(sum16(Buffer.concat([pseudo6, six.subarray(40)])), 0xffff);
    });
  }
});
