// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { BpfMap, BpfObject, BpfProgram } from '../../src/datapath/native.ts';
import {
  faultOf,
  insideCgroup,
  makeBpffs,
  makeCgroup,
  makeNetns,
  native,
  testObject,
  u32,
  u64,
} from '../support/native.ts';
import type { Fixture } from '../support/native.ts';

const { BpfLink, BpfObject: Objects, RingBuffer, cgroup, netns, sockets } = native();

/** Connects and waits for the handshake; undefined if it was established, else the errno. */
async function connectErrno(
  port: number,
  address = '127.0.0.1',
  netnsFd: number | null = null,
  mark: (fd: number) => void = () => undefined,
): Promise<number | undefined> {
  const { fd } = sockets.openStream({ netnsFd, family: 4 });
  try {
    mark(fd);
    sockets.connect(fd, 4, address, port);
    await delay(20);
    const error = sockets.takeError(fd);
    return error === 0 ? undefined : error;
  } catch (error) {
    return (error as { errno: number }).errno;
  } finally {
    sockets.close(fd);
  }
}

function sum(map: BpfMap, key: number): number {
  const value = map.lookup(u32(key)) ?? assert.fail();
  let total = 0;
  for (let cpu = 0; cpu < map.cpus; cpu++) total += value.readUInt32LE(cpu * 8);
  return total;
}

describe('a cgroup link', () => {
  const server = createServer();
  let port: number;
  let fs: Fixture;
  let group: Fixture;
  let cgroupFd: number;
  let object: BpfObject;
  let program: BpfProgram;
  let open: BpfProgram;

  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    fs = makeBpffs();
    group = makeCgroup('link');
    cgroupFd = cgroup.open(group.path);
    object = Objects.open(testObject('connect-port'));
    const data = Buffer.alloc(8);
    data.writeUInt16LE(port);
    object.setReadOnlyData(data);
    object.load();
    program = object.program('connect4');
    open = object.program('connect4_open');
  });

  after(() => {
    server.close();
    for (const each of [program, open, object]) each.close();
    sockets.close(cgroupFd);
    group[Symbol.dispose]();
    fs[Symbol.dispose]();
  });

  test('refuses what its program refuses, in its cgroup only, while it is held', async () => {
    using counts = object.map('verdicts');
    const link = program.attachCgroup(cgroupFd);
    await insideCgroup(group.path, async () => {
      assert.equal(await connectErrno(port), 1);
    });
    assert.equal(await connectErrno(port), undefined);
    assert.equal(sum(counts, 0), 1);
    link.close();
    await insideCgroup(group.path, async () => {
      assert.equal(await connectErrno(port), undefined);
    });
  });

  test('lets a socket through that user space has marked by its descriptor', async () => {
    using marks = object.map('marks');
    using _link = program.attachCgroup(cgroupFd);
    await insideCgroup(group.path, async () => {
      const mark = (fd: number): void => {
        assert.equal(marks.lookupFd(fd), undefined);
        assert.equal(marks.deleteFd(fd), false);
        marks.updateFd(fd, u64(9n));
        assert.deepEqual(marks.lookupFd(fd), Buffer.from(u64(9n)));
      };
      assert.equal(await connectErrno(port, '127.0.0.1', null, mark), undefined);
      const unmark = (fd: number): void => {
        mark(fd);
        assert.equal(marks.deleteFd(fd), true);
      };
      assert.equal(await connectErrno(port, '127.0.0.1', null, unmark), 1);
    });
  });

  test('tells its program, its cgroup and its attach type', () => {
    using link = program.attachCgroup(cgroupFd);
    const { id, ...info } = link.info();
    assert.ok(id > 0);
    assert.deepEqual(info, {
      type: 'cgroup',
      programId: program.id,
      cgroupId: cgroup.id(group.path),
      attachType: 'cgroup_inet4_connect',
    });
  });

  test('outlives its handle by a pin, is found again, and takes another program in place', async () => {
    const pin = join(fs.path, 'link');
    const first = program.attachCgroup(cgroupFd);
    first.pin(pin);
    const { id } = first.info();
    first.close();
    await insideCgroup(group.path, async () => {
      assert.equal(await connectErrno(port), 1);
      using link = BpfLink.openPinned(pin);
      assert.equal(link.info().id, id);
      link.update(open);
      assert.equal(link.info().id, id);
      assert.equal(link.info().programId, open.id);
      assert.equal(await connectErrno(port), undefined);
      link.update(program);
      assert.equal(await connectErrno(port), 1);
      link.unpin();
      assert.ok(!existsSync(pin));
      assert.equal(await connectErrno(port), 1);
    });
    await insideCgroup(group.path, async () => {
      assert.equal(await connectErrno(port), undefined);
    });
  });

  test('detaches at once, though a pin holds it', async () => {
    const pin = join(fs.path, 'detached');
    using link = program.attachCgroup(cgroupFd);
    link.pin(pin);
    link.detach();
    await insideCgroup(group.path, async () => {
      assert.equal(await connectErrno(port), undefined);
    });
    link.unpin();
    assert.equal(faultOf(() => link.unpin()).code, 'ERR_NATIVE_ARGUMENT');
  });

  test('is refused for a target of another kind, and for a program without an attach type', () => {
    const fault = faultOf(() => program.attachNetns(cgroupFd));
    assert.equal(fault.message, 'attach program connect4 to a network namespace: Invalid argument (EINVAL)');
    const netnsFd = netns.selfFd();
    assert.equal(faultOf(() => program.attachCgroup(netnsFd)).code, 'ERR_BPF_ATTACH');
    sockets.close(netnsFd);
    assert.equal(faultOf(() => program.attachCgroup(0x7fffffff)).errno, 9);
    const pin = join(fs.path, 'program');
    program.pin(pin);
    using pinned = native().BpfProgram.openPinned(pin);
    assert.match(faultOf(() => pinned.attachCgroup(cgroupFd)).message, /it has no attach type/);
  });
});

test('a netns link steers every port to one listener, and is gone with its namespace', async () => {
  const namespace = makeNetns('lookup');
  using object = Objects.open(testObject('lookup-any'));
  object.load();
  using program = object.program('lookup_any');
  using listeners = object.map('listeners');
  const netnsFd = netns.open(namespace.path);
  const listener = sockets.openListener({ netnsFd, family: 4, address: '127.0.0.1', port: 0 });
  listeners.updateSocket(u32(0), listener.fd);
  using link = program.attachNetns(netnsFd);
  assert.equal(link.info().type, 'netns');
  assert.equal(link.info().attachType, 'sk_lookup');
  assert.equal(BigInt(link.info().netnsIno ?? 0), netns.inode(netnsFd));
  assert.equal(await connectErrno(1, '127.0.0.1', netnsFd), undefined);
  assert.equal(await connectErrno(65535, '127.9.9.9', netnsFd), undefined);
  link.detach();
  assert.equal(await connectErrno(1, '127.0.0.1', netnsFd), 111);
  sockets.close(listener.fd);
  using second = program.attachNetns(netnsFd);
  namespace[Symbol.dispose]();
  sockets.close(netnsFd);
  for (let i = 0; second.info().netnsIno !== 0 && i < 100; i++) await delay(20);
  assert.equal(second.info().netnsIno, 0);
});

test('sk_msg programs attach to a socket map and detach from it', () => {
  using fs = makeBpffs();
  using object = Objects.open(testObject('map-kinds'), { pinRoot: fs.path });
  object.load();
  using program = object.program('message_pass');
  using map = object.map('sockets');
  program.attachSkMsg(map);
  program.detachSkMsg(map);
  assert.equal(faultOf(() => program.detachSkMsg(map)).code, 'ERR_BPF_ATTACH');
  using hash = object.map('hash');
  assert.equal(faultOf(() => program.attachSkMsg(hash)).code, 'ERR_BPF_ATTACH');
});

const hooks: Record<string, (program: BpfProgram) => ReturnType<BpfProgram['attachTracing']>> = {
  state_changed: (program) => program.attachTracepoint('sock', 'inet_sock_set_state'),
  state_changed_raw: (program) => program.attachTracepoint('sock', 'inet_sock_set_state'),
  state_changed_typed: (program) => program.attachTracing(),
};

for (const [name, attach] of Object.entries(hooks)) {
  test(`${name}: a program sees the kernel's tracepoint`, async () => {
    using object = Objects.open(testObject('ring-records'));
    object.load();
    using program = object.program(name);
    using map = object.map('denials');
    const states: number[] = [];
    using ring = new RingBuffer([map], (_ring, bytes, offsets) => {
      for (let i = 0; i + 1 < offsets.length; i++) states.push(bytes.readUInt32LE(offsets[i]));
    });
    using _link = attach(program);
    const { fd } = sockets.openListener({ netnsFd: null, family: 4, address: '127.0.0.1', port: 0 });
    sockets.close(fd);
    ring.consume();
    await delay(0);
    // TCP_LISTEN and TCP_CLOSE.
    assert.ok(states.includes(10) && states.includes(7), states.join());
  });
}

test('a tracepoint that is none is refused by name', () => {
  using object = Objects.open(testObject('ring-records'));
  object.load();
  using program = object.program('state_changed');
  const fault = faultOf(() => program.attachTracepoint('sock', 'nothing'));
  assert.equal(
    fault.message,
    'attach program state_changed to sock/nothing: No such file or directory (ENOENT)',
  );
  assert.equal(faultOf(() => program.attachTracepoint('..', 'enable')).errno, 22);
});
