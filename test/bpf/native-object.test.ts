// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultOf, makeBpffs, native, testObject, u32, u64 } from '../support/native.ts';

const { BpfLink, BpfMap, BpfObject, BpfProgram } = native();

test('an object tells its maps, programs and read-only data before it is loaded', () => {
  using object = BpfObject.open(testObject('connect-port'));
  assert.deepEqual(object.maps.toSorted(), ['.rodata', 'marks', 'verdicts']);
  assert.deepEqual(object.programs, ['connect4', 'connect4_open']);
  assert.deepEqual([...object.readOnlyData()], new Array(8).fill(0));
});

test('read-only data reaches the kernel as it was set', () => {
  using object = BpfObject.open(testObject('connect-port'));
  const bytes = Uint8Array.of(0x90, 0x1f, 1, 2, 3, 4, 5, 6);
  object.setReadOnlyData(bytes);
  object.load();
  using map = object.map('.rodata');
  assert.deepEqual(map.lookup(u32(0)), Buffer.from(bytes));
});

test('read-only data of another length is refused', () => {
  using object = BpfObject.open(testObject('connect-port'));
  for (const length of [0, 7, 9]) {
    const fault = faultOf(() => object.setReadOnlyData(new Uint8Array(length)));
    assert.equal(fault.code, 'ERR_NATIVE_ARGUMENT');
    assert.match(fault.message, new RegExp(`wants 8 bytes, got ${length}`));
  }
});

test('a switch that is off hides from the verifier what the kernel would refuse', () => {
  using object = BpfObject.open(testObject('switches'), { kconfig: 'CONFIG_PERIGEE_TEST=n\n' });
  object.load();
  assert.equal(object.program('switched').testRun({ dataIn: new Uint8Array(64) }).returnValue, 3);
  using refused = BpfObject.open(testObject('switches'), { kconfig: 'CONFIG_PERIGEE_TEST=y\n' });
  assert.equal(faultOf(() => refused.load()).code, 'ERR_BPF_LOAD');
});

test('an object without read-only data has none to read or set', () => {
  using object = BpfObject.open(testObject('lookup-any'));
  assert.equal(object.readOnlyData().length, 0);
  assert.equal(faultOf(() => object.setReadOnlyData(new Uint8Array(0))).errno, 2);
});

test('a loaded program knows its type, section and how much the verifier walked', () => {
  using object = BpfObject.open(testObject('connect-port'));
  object.load();
  using program = object.program('connect4');
  assert.equal(program.name, 'connect4');
  assert.equal(program.type, 'cgroup_sock_addr');
  assert.equal(program.sectionName, 'cgroup/connect4');
  assert.ok(program.verifiedInstructions > 5);
  assert.ok(program.id > 0);
});

test('the size of a map can be set before load, and only then', () => {
  using object = BpfObject.open(testObject('map-kinds'));
  object.setMaxEntries('hash', 7);
  object.setAutoload('message_pass', false);
  using fs = makeBpffs();
  using pinning = BpfObject.open(testObject('map-kinds'), { pinRoot: fs.path });
  pinning.setMaxEntries('hash', 7);
  pinning.load();
  using map = pinning.map('hash');
  assert.equal(map.info.maxEntries, 7);
  assert.match(faultOf(() => pinning.setMaxEntries('hash', 8)).message, /it is loaded already/);
});

test('a program without autoload is left out', () => {
  using object = BpfObject.open(testObject('rejected'));
  for (const name of ['null_unchecked', 'verdict_out_of_range']) object.setAutoload(name, false);
  object.load();
  object.program('accepted').close();
  assert.match(faultOf(() => object.program('null_unchecked')).message, /autoload is off/);
});

test('maps and programs outlive their object', () => {
  const object = BpfObject.open(testObject('connect-port'));
  object.load();
  using map = object.map('verdicts');
  using program = object.program('connect4');
  object.close();
  object.close();
  assert.equal(map.lookup(u32(0))?.length, map.entrySize);
  assert.ok(program.id > 0);
  assert.equal(faultOf(() => object.map('verdicts')).code, 'ERR_NATIVE_CLOSED');
});

test('a refused program is told by the decisive lines of the verifier, with the full log at hand', () => {
  using object = BpfObject.open(testObject('rejected'));
  object.setAutoload('verdict_out_of_range', false);
  const fault = faultOf(() => object.load());
  const path = testObject('rejected');
  assert.equal(fault.code, 'ERR_BPF_LOAD');
  assert.equal(fault.errno, 13);
  assert.equal(fault.object, `null_unchecked of ${path}`);
  const [first = ''] = fault.message.split('\n');
  assert.equal(first, `load program null_unchecked of ${path}: Permission denied (EACCES)`);
  assert.ok(fault.verifierSummary !== undefined && fault.verifierSummary.length <= 8);
  assert.match(fault.verifierSummary.at(-3) ?? '', /^; \*counter \+= 1; @ rejected\.bpf\.c:\d+$/);
  assert.match(fault.verifierSummary.at(-2) ?? '', /^\d+: \(79\) r1 = \*\(u64 \*\)\(r0 \+0\)$/);
  assert.match(fault.verifierSummary.at(-1) ?? '', /invalid mem access 'map_value_or_null'/);
  assert.match(fault.verifierLog ?? '', /processed \d+ insns/);
  assert.ok(!Object.keys(fault).includes('verifierLog'));
});

test('a failed load can be followed by another of the same file', () => {
  for (let round = 0; round < 2; round++) {
    using object = BpfObject.open(testObject('rejected'));
    assert.equal(faultOf(() => object.load()).code, 'ERR_BPF_LOAD');
    assert.equal(faultOf(() => object.program('accepted')).code, 'ERR_NATIVE_ARGUMENT');
  }
});

test('a missing or broken file is told by its path', () => {
  const missing = faultOf(() => BpfObject.open('/nonexistent.bpf.o'));
  assert.equal(missing.message, 'open object /nonexistent.bpf.o: No such file or directory (ENOENT)');
  assert.equal(faultOf(() => BpfObject.open('/etc/hostname')).code, 'ERR_BPF_OPEN');
});

test('objects share a map that one is given of the other, if its shape agrees', () => {
  using first = BpfObject.open(testObject('connect-port'));
  first.load();
  using shared = first.map('verdicts');
  using second = BpfObject.open(testObject('connect-port'));
  using marks = first.map('marks');
  assert.match(faultOf(() => second.reuseMap('verdicts', marks)).message, /type, key or value size differ/);
  assert.equal(faultOf(() => second.reuseMap('nothing', shared)).errno, 2);
  second.reuseMap('verdicts', shared);
  second.load();
  using same = second.map('verdicts');
  assert.equal(same.info.id, shared.info.id);
});

test('a map declared pinned by name is kept over objects, with what is in it', () => {
  using fs = makeBpffs();
  {
    using object = BpfObject.open(testObject('map-kinds'), { pinRoot: fs.path });
    object.load();
    using map = object.map('kept');
    map.update(u32(1), u64(7n));
  }
  assert.ok(existsSync(join(fs.path, 'kept')));
  using again = BpfObject.open(testObject('map-kinds'), { pinRoot: fs.path });
  again.load();
  using map = again.map('kept');
  assert.deepEqual(map.lookup(u32(1)), Buffer.from(u64(7n)));
});

test('a pinned map of another shape is not reused: the fault says which and why', () => {
  using fs = makeBpffs();
  using other = BpfMap.create({ type: 'hash', name: 'kept', keySize: 8, valueSize: 8, maxEntries: 4 });
  other.pin(join(fs.path, 'kept'));
  using object = BpfObject.open(testObject('map-kinds'), { pinRoot: fs.path });
  const fault = faultOf(() => object.load());
  assert.equal(fault.code, 'ERR_BPF_LOAD');
  assert.match(fault.message, /couldn't reuse pinned map at '.*\/kept': parameter mismatch/);
});

test('a pin of another kind is refused', () => {
  using fs = makeBpffs();
  using object = BpfObject.open(testObject('connect-port'));
  object.load();
  using map = object.map('verdicts');
  using program = object.program('connect4');
  map.pin(join(fs.path, 'map'));
  program.pin(join(fs.path, 'program'));
  assert.match(faultOf(() => BpfProgram.openPinned(join(fs.path, 'map'))).message, /not a program/);
  assert.match(faultOf(() => BpfMap.openPinned(join(fs.path, 'program'))).message, /not a map/);
  assert.match(faultOf(() => BpfLink.openPinned(join(fs.path, 'map'))).message, /not a link/);
  assert.equal(faultOf(() => BpfMap.openPinned(join(fs.path, 'nothing'))).errno, 2);
  assert.equal(faultOf(() => map.pin(join(fs.path, 'map'))).message.includes('EEXIST'), true);
  using reopened = BpfProgram.openPinned(join(fs.path, 'program'));
  assert.equal(reopened.id, program.id);
  assert.equal(reopened.name, 'connect4');
});

test('a program runs on given input: packet in, length and context out', () => {
  using object = BpfObject.open(testObject('test-run'));
  object.load();
  using program = object.program('packet_length');
  const packet = Uint8Array.from({ length: 100 }, (_, i) => i);
  const context = new Uint8Array(192);
  context[8] = 41; // __sk_buff.mark
  const result = program.testRun({ dataIn: packet, ctxIn: context, repeat: 10 });
  assert.equal(result.returnValue, 100);
  assert.deepEqual(result.dataOut, Buffer.from(packet));
  // The context of the last run: each adds one.
  assert.equal(result.ctxOut.readUInt32LE(8), 51);
  const padded = program.testRun({ dataIn: packet, ctxSize: 192 });
  assert.equal(padded.ctxOut.length, 192);
  assert.equal(faultOf(() => program.testRun({ dataIn: new Uint8Array(3) })).code, 'ERR_BPF_RUN');
});
