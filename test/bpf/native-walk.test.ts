// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf, makeNetns, native, testObject, u32 } from '../support/native.ts';

const { BpfObject: Objects, netns, sockets } = native();

test('an iterator walks the sockets of the namespace that it is begun in, as often as asked', () => {
  using namespace = makeNetns('walk');
  using object = Objects.open(testObject('walk-sockets'));
  object.load();
  using program = object.program('listening_ports');
  using link = program.attachIterator();
  const netnsFd = netns.open(namespace.path);
  const ports = (fd: number | null): number[] => {
    const bytes = link.iterate(fd);
    return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readUInt32LE(index * 4));
  };
  assert.deepEqual(ports(netnsFd), []);
  const { fd, port } = sockets.openListener({ netnsFd, family: 4, address: '127.0.0.1', port: 0 });
  assert.deepEqual(ports(netnsFd), [port]);
  assert.deepEqual(ports(netnsFd), [port]);
  const own = sockets.openListener({ netnsFd: null, family: 4, address: '127.0.0.1', port: 0 });
  assert.ok(ports(null).includes(own.port));
  for (const each of [fd, own.fd, netnsFd]) sockets.close(each);
});

test('an iterator over a socket storage finds the sockets that have an entry, of any namespace', () => {
  using namespace = makeNetns('walked');
  using object = Objects.open(testObject('walk-sockets'));
  object.load();
  using program = object.program('marked_cookies');
  using marks = object.map('marks');
  const netnsFd = netns.open(namespace.path);
  const { fd } = sockets.openStream({ netnsFd, family: 6 });
  using link = program.attachIterator(marks);
  assert.equal(link.iterate().length, 0);
  marks.updateFd(fd, u32(1));
  assert.equal(link.iterate().readBigUInt64LE(), sockets.cookie(fd));
  sockets.close(fd);
  assert.equal(link.iterate().length, 0);
  sockets.close(netnsFd);
});

test('what is no iterator is refused as one', () => {
  using object = Objects.open(testObject('ring-records'));
  object.load();
  using program = object.program('state_changed_raw');
  assert.equal(faultOf(() => program.attachIterator()).code, 'ERR_BPF_ATTACH');
  using link = program.attachTracepoint('sock', 'inet_sock_set_state');
  assert.equal(faultOf(() => link.iterate()).code, 'ERR_BPF_ITERATE');
});
