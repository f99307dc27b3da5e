// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowKind } from '../../src/core/abi/flow.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import type { FlowMemory, FlowWriter as Writer } from '../../src/core/port/flow-writer.ts';
import { FlowArena } from '../../src/observability/flow-arena.ts';
import { Offset } from '../../src/observability/record-layout.ts';
import { batch, detailOf, record } from '../support/flow-records.ts';
import { FlowWriter } from '../support/flow-stores.ts';
import { faultOf } from '../support/native.ts';

function rings(): { readonly flows: FlowArena; readonly denials: FlowArena; readonly writer: Writer } {
  const [flows, denials] = [new FlowArena(4096, 1024), new FlowArena(4096, 1024)] as const;
  return { flows, denials, writer: new FlowWriter(flows.memory, denials.memory) };
}

/** Appends one batch and returns which of its records were noted. */
function append(writer: Writer, records: readonly Buffer[], wall = 0n): number[] {
  const { bytes, offsets } = batch(records);
  const noted = new Uint32Array(records.length);
  const count = writer.append(bytes, Uint32Array.from(offsets), wall, noted);
  return [...noted.subarray(0, count)].map((start) => offsets.indexOf(start));
}

test('denials go to a ring of their own; all but allowed requests are noted', () => {
  const { flows, denials, writer } = rings();
  const request = { method: 'GET', urlPath: '/' };
  const noted = append(writer, [
    record(request),
    record({ ...request, verdict: verdict.denied }),
    record({ ...request, verdict: verdict.audited }),
    record(),
    record(request),
    record({ kind: flowKind.close, verdict: verdict.denied }),
  ]);
  assert.deepEqual(noted, [1, 2, 3, 5]);
  assert.deepEqual([flows.stored, denials.stored], [4, 2]);
});

test('the offset of the clock is added to all 64 bits of a time', () => {
  const { flows, writer } = rings();
  append(writer, [record({ time: 0xffff_ffffn })], 1n);
  append(writer, [record({ time: 2n ** 40n })], BigInt.asUintN(64, -5n));
  const at = flows.recordAt(flows.tail);
  assert.equal(flows.bytes.readBigUInt64LE(at + Offset.time), 2n ** 32n);
  const next = flows.recordAt(flows.after(flows.tail));
  assert.equal(flows.bytes.readBigUInt64LE(next + Offset.time), 2n ** 40n - 5n);
});

test('what is no whole record is left out, wherever its offsets lead', () => {
  const whole = record({ method: 'GET', urlPath: '/orders', host: 'api', detail: detailOf(1) });
  const overlong = Buffer.from(whole);
  overlong.writeUInt16LE(37, Offset.detailLength);
  for (const cut of [0, 1, 135, 136, whole.length - 1]) {
    const { flows, writer } = rings();
    assert.deepEqual(append(writer, [whole.subarray(0, cut), whole, overlong]), []);
    assert.equal(flows.stored, 1, `cut at ${String(cut)}`);
  }
  const { flows, writer } = rings();
  const offsets = Uint32Array.of(5000, 0, whole.length, 0, 0xffff_ffff, 3, 2);
  assert.equal(writer.append(whole, offsets, 0n, new Uint32Array(6)), 0);
  assert.equal(flows.stored, 2);
  assert.equal(writer.append(whole, Uint32Array.of(0), 0n, new Uint32Array(0)), 0);
  assert.equal(flows.stored, 2);
});

test('memory that was taken away is not written to', () => {
  for (const part of ['bytes', 'state', 'chunks'] as const) {
    for (const ring of [0, 1]) {
      const memories = [new FlowArena(4096, 1024).memory, new FlowArena(4096, 1024).memory] as const;
      const writer = new FlowWriter(...memories);
      const taken = memories[ring]?.[part].buffer.transfer();
      assert.equal(faultOf(() => append(writer, [record()])).code, 'ERR_NATIVE_ARGUMENT');
      assert.ok(new Uint8Array(taken ?? assert.fail()).length > 0);
    }
  }
  const buffer = new ArrayBuffer(8192, { maxByteLength: 8192 });
  const { memory } = new FlowArena(4096, 1024);
  const shrinking = { ...memory, bytes: new Uint8Array(buffer, 0, 4096) };
  const writer = new FlowWriter(shrinking, new FlowArena(4096, 1024).memory);
  append(writer, [record()]);
  buffer.resize(8);
  assert.equal(faultOf(() => append(writer, [record()])).code, 'ERR_NATIVE_ARGUMENT');
});

test('a property that is code can take no memory away behind the look at it', () => {
  const { memory } = new FlowArena(4096, 1024);
  const sly: FlowMemory = {
    ...memory,
    get chunks() {
      memory.bytes.buffer.transfer();
      return memory.chunks;
    },
  };
  const other = new FlowArena(4096, 1024).memory;
  assert.equal(faultOf(() => new FlowWriter(sly, other)).code, 'ERR_NATIVE_ARGUMENT');
});

test('memory of the wrong kind or size is refused', () => {
  const { memory } = new FlowArena(4096, 1024);
  const { bytes, state, chunks } = memory;
  const wrong: readonly unknown[] = [
    undefined,
    { ...memory, bytes: new Uint8Array(4) },
    { ...memory, bytes: new Uint8Array(4001) },
    { ...memory, bytes: chunks },
    { ...memory, chunkBytes: 0 },
    { ...memory, chunkBytes: 512 },
    { ...memory, state: state.subarray(1) },
    { ...memory, state: new Uint32Array(8) },
    { ...memory, chunks: chunks.subarray(1) },
  ];
  for (const one of wrong)
    assert.equal(faultOf(() => new FlowWriter(memory, one as FlowMemory)).code, 'ERR_NATIVE_ARGUMENT');
  const writer = new FlowWriter(memory, new FlowArena(4096, 1024).memory);
  const offsets = Uint32Array.of(0, 136);
  const few = new Uint32Array(0);
  assert.equal(faultOf(() => writer.append(bytes, offsets, 0n, few)).code, 'ERR_NATIVE_ARGUMENT');
  const none = new Uint32Array(0);
  assert.equal(faultOf(() => writer.append(bytes, none, 0n, few)).code, 'ERR_NATIVE_ARGUMENT');
  assert.equal(faultOf(() => writer.append(bytes, offsets, -1n, offsets)).code, 'ERR_NATIVE_ARGUMENT');
});
