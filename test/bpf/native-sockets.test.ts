// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readlinkSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { AddressFamily, DiagSocket } from '../../src/datapath/native.ts';
import { parseAddressBytes } from '../../src/proxy/address.ts';
import { cgroupRoot, faultOf, makeCgroup, makeNetns, native } from '../support/native.ts';

const { cgroup, diag, netns, sockets } = native();

const loopback: readonly (readonly [AddressFamily, string])[] = [
  [4, '127.0.0.1'],
  [6, '::1'],
];

describe('sockets of another network namespace', () => {
  let space: ReturnType<typeof makeNetns>;
  let netnsFd: number;
  const home = readlinkSync('/proc/thread-self/ns/net');

  before(() => {
    space = makeNetns('sockets');
    execFileSync('ip', ['-n', space.name, 'address', 'add', '10.77.0.1/24', 'dev', 'lo']);
    execFileSync('ip', ['-n', space.name, 'address', 'add', 'fd77::1/64', 'dev', 'lo', 'nodad']);
    netnsFd = netns.open(space.path);
  });

  after(() => {
    sockets.close(netnsFd);
    space[Symbol.dispose]();
  });

  for (const [family, address] of loopback) {
    test(`IPv${family}: a listener there takes a connection from there, and none from here`, async () => {
      const listener = sockets.openListener({ netnsFd, family, address, port: 0 });
      const inside = sockets.openStream({ netnsFd, family, bindAddress: address });
      const outside = sockets.openStream({ netnsFd: null, family });
      try {
        assert.ok(listener.port > 0);
        assert.ok(inside.localPort !== undefined && inside.localPort > 0);
        assert.equal(outside.localPort, undefined);
        sockets.connect(inside.fd, family, address, listener.port);
        let refused = 0;
        try {
          sockets.connect(outside.fd, family, address, listener.port);
        } catch (error) {
          refused = (error as { errno: number }).errno;
        }
        await delay(20);
        assert.equal(sockets.takeError(inside.fd), 0);
        assert.equal(refused === 0 ? sockets.takeError(outside.fd) : refused, 111);
        const pair = diag.list(netnsFd, { protocol: 'tcp', states: ['established'] });
        assert.equal(pair.filter((row) => row.source.port === inside.localPort).length, 1);
        const bytes = new Uint8Array(16);
        assert.equal(sockets.localInto(inside.fd, bytes), inside.localPort);
        assert.deepEqual(bytes, parseAddressBytes(address));
        bytes.fill(0xaa);
        assert.equal(sockets.peerInto(inside.fd, bytes), listener.port);
        assert.deepEqual(bytes, parseAddressBytes(address));
        assert.equal(faultOf(() => sockets.peerInto(outside.fd, bytes)).errno, 107);
        assert.equal(faultOf(() => sockets.peerInto(inside.fd, new Uint8Array(15))).code, 'ERR_NATIVE_ARGUMENT');
        assert.equal(sockets.netnsCookie(inside.fd), netns.cookie(netnsFd));
        assert.notEqual(sockets.netnsCookie(outside.fd), netns.cookie(netnsFd));
      } finally {
        for (const { fd } of [listener, inside, outside]) sockets.close(fd);
      }
    });
  }

  test('the thread is back in its own namespace after success and after failure', () => {
    const taken = sockets.openListener({ netnsFd, family: 4, address: '127.0.0.1', port: 0 });
    assert.equal(readlinkSync('/proc/thread-self/ns/net'), home);
    const options = { netnsFd, family: 4, address: '127.0.0.1', port: taken.port } as const;
    const fault = faultOf(() => sockets.openListener(options));
    assert.equal(
      fault.message,
      `bind socket to 127.0.0.1:${taken.port}: Address already in use (EADDRINUSE)`,
    );
    assert.equal(faultOf(() => sockets.openListener({ ...options, address: '192.0.2.1' })).errno, 99);
    const file = openSync('/dev/null', 'r');
    assert.equal(faultOf(() => sockets.openListener({ ...options, netnsFd: file })).code, 'ERR_NETNS');
    closeSync(file);
    assert.equal(readlinkSync('/proc/thread-self/ns/net'), home);
    sockets.close(taken.fd);
  });

  test('listeners share a port if they ask to, and bind foreign addresses if transparent', () => {
    const shared = { netnsFd, family: 4, address: '0.0.0.0', port: 15001, reusePort: true } as const;
    const open = [sockets.openListener(shared), sockets.openListener(shared)];
    open.push(
      sockets.openListener({
        netnsFd,
        family: 6,
        address: '2001:db8::1',
        port: 80,
        transparent: true,
        v6Only: true,
      }),
      sockets.openListener({ netnsFd, family: 6, address: '::', port: 15001, v6Only: true }),
    );
    assert.deepEqual(
      open.map(({ port }) => port),
      [15001, 15001, 80, 15001],
    );
    for (const { fd } of open) sockets.close(fd);
  });

  test('descriptors are non-blocking and closed on exec', () => {
    const { fd } = sockets.openStream({ netnsFd, family: 4 });
    const flags = execFileSync('grep', ['flags', `/proc/${process.pid}/fdinfo/${fd}`], { encoding: 'utf8' });
    const bits = parseInt(flags.split(/\s+/)[1] ?? '', 8);
    assert.equal(bits & 0o4000, 0o4000);
    assert.equal(bits & 0o2000000, 0o2000000);
    sockets.close(fd);
    assert.equal(faultOf(() => sockets.close(fd)).errno, 9);
  });

  test('malformed addresses, families and ports are faults of the caller', () => {
    const good = { netnsFd, family: 4, address: '127.0.0.1', port: 1 } as const;
    const wrong: Record<string, unknown>[] = [
      { address: '127.0.0.256' },
      { address: '::1' },
      { address: 'localhost' },
      { family: 5 },
      { family: 6 },
      { port: 65536 },
      { port: -1 },
      { port: 1.5 },
      { port: NaN },
      { netnsFd: -1 },
      { reusePort: 1 },
      { backlog: -1 },
    ];
    for (const part of wrong) {
      const options = { ...good, ...part } as typeof good;
      assert.equal(faultOf(() => sockets.openListener(options)).code, 'ERR_NATIVE_ARGUMENT', JSON.stringify(part));
    }
  });

  test('addresses of a namespace come with interface and prefix length', () => {
    assert.deepEqual(
      netns.addresses(netnsFd).filter(({ address }) => !['127.0.0.1', '::1'].includes(address)),
      [
        { interface: 'lo', family: 4, address: '10.77.0.1', prefixLength: 24 },
        { interface: 'lo', family: 6, address: 'fd77::1', prefixLength: 64 },
      ],
    );
  });

  test('a namespace is known by path and by process, with its inode', () => {
    assert.equal(netns.inode(netnsFd), statSync(space.path, { bigint: true }).ino);
    const own = netns.selfFd();
    const same = netns.ofPid(process.pid);
    assert.equal(netns.inode(own), netns.inode(same));
    assert.equal(netns.cookie(own), netns.cookie(same));
    assert.notEqual(netns.cookie(own), netns.cookie(netnsFd));
    for (const fd of [own, same]) sockets.close(fd);
  });

  test('what is no network namespace is refused', () => {
    for (const path of ['/dev/null', '/', '/proc/self/ns/pid', '/etc/hostname']) {
      assert.match(faultOf(() => netns.open(path)).message, /not a network namespace/);
    }
    assert.equal(faultOf(() => netns.open('/run/netns/nothing')).errno, 2);
    assert.equal(faultOf(() => netns.ofPid(0x7ffffffe)).errno, 2);
  });

  for (const [family, address] of [...loopback, [6, '::ffff:127.0.0.1'] as const]) {
    test(`a connection from ${address} is listed at both ends and closed by its cookie only`, async () => {
      const any = family === 4 ? '0.0.0.0' : '::';
      const listener = sockets.openListener({ netnsFd, family, address: any, port: 0 });
      const stream = sockets.openStream({ netnsFd, family });
      try {
        sockets.connect(stream.fd, family, address, listener.port);
        await delay(20);
        const find = (): DiagSocket | undefined =>
          diag
            .list(netnsFd, { protocol: 'tcp', states: ['established'] })
            .find((row) => row.cookie === sockets.cookie(stream.fd));
        const row = find() ?? assert.fail('not listed');
        assert.equal(row.family, family);
        assert.deepEqual(row.destination, { address, port: listener.port });
        assert.equal(row.uid, 0);
        const target = { protocol: 'tcp', ...row } as const;
        assert.equal(diag.destroy(netnsFd, { ...target, cookie: row.cookie + 1n }), false);
        assert.equal(diag.destroy(null, target), false);
        assert.notEqual(find(), undefined);
        assert.equal(diag.destroy(netnsFd, target), true);
        assert.equal(diag.destroy(netnsFd, target), false);
        assert.equal(sockets.takeError(stream.fd), 103);
        assert.equal(find(), undefined);
      } finally {
        for (const { fd } of [listener, stream]) sockets.close(fd);
      }
    });
  }

  test('a listing is of the asked protocol, families and states', () => {
    const listener = sockets.openListener({ netnsFd, family: 6, address: '::', port: 0 });
    const states = ['listening'] as const;
    const rows = diag.list(netnsFd, { protocol: 'tcp', states });
    assert.deepEqual(
      rows.map(({ family, state, source }) => [family, state, source.port]),
      [[6, 'listening', listener.port]],
    );
    assert.deepEqual(diag.list(netnsFd, { protocol: 'tcp', families: [4], states }), []);
    assert.deepEqual(diag.list(netnsFd, { protocol: 'udp' }), []);
    const filter = { protocol: 'tcp', states: ['open'] } as unknown as Parameters<typeof diag.list>[1];
    assert.equal(faultOf(() => diag.list(netnsFd, filter)).code, 'ERR_NATIVE_ARGUMENT');
    sockets.close(listener.fd);
  });

  test('a thousand sockets are all listed, each once', () => {
    const open = Array.from({ length: 1000 }, () =>
      sockets.openListener({ netnsFd, family: 4, address: '127.0.0.1', port: 0 }),
    );
    const rows = diag.list(netnsFd, { protocol: 'tcp', states: ['listening'] });
    assert.deepEqual(
      new Set(rows.map(({ source }) => source.port)),
      new Set(open.map(({ port }) => port)),
    );
    assert.equal(rows.length, open.length);
    for (const { fd } of open) sockets.close(fd);
  });
});

test('the id of a cgroup is its inode number, and only cgroup2 has one', () => {
  using group = makeCgroup('id');
  assert.equal(cgroup.id(group.path), statSync(group.path, { bigint: true }).ino);
  assert.notEqual(cgroup.id(group.path), cgroup.id(cgroupRoot()));
  assert.match(faultOf(() => cgroup.id('/tmp')).message, /not in a cgroup2 file system/);
  assert.equal(faultOf(() => cgroup.open('/nonexistent')).errno, 2);
  const fd = cgroup.open(group.path);
  sockets.close(fd);
});
