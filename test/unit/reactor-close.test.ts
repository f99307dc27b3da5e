// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { slotIndex } from '../../src/core/port/reactor.ts';
import { pattern, ReactorBench, readAll } from '../support/reactor.ts';

const ECONNRESET = 104;

const descriptors = (): number => readdirSync('/proc/self/fd').length;

function resetPeer(client: net.Socket): void {
  client.resetAndDestroy();
}

test('close with unread input still delivers the answer', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  bench.reactor.pause(slot);
  const upload = pattern(1024 * 1024);
  client.write(upload);
  await sleep(20);
  const answer = pattern(100_000);
  bench.reactor.sendBytes(slot, answer, 0, answer.length);
  bench.reactor.close(slot);
  let failure: Error | undefined;
  client.on('error', (error) => (failure = error));
  await sleep(20);
  client.write(upload); // and the peer goes on talking
  assert.ok((await readAll(client)).equals(answer));
  assert.equal(failure, undefined);
  client.end();
  await once(client, 'close');
});

test('close sends what is queued first, to a reader that takes its time', async () => {
  using bench = new ReactorBench({ highWater: 1 << 24, queueBytes: 1 << 24, stallMs: 2000 });
  const { client, slot } = await bench.pair(bench.listen());
  const sent = pattern(12 * 1024 * 1024);
  bench.reactor.sendBytes(slot, sent, 0, sent.length);
  bench.reactor.close(slot);
  await sleep(50);
  assert.ok((await readAll(client)).equals(sent));
});

test('a peer that keeps its side open is let go after lingerMs', async () => {
  using bench = new ReactorBench({ lingerMs: 100 });
  const { client, slot } = await bench.pair(bench.listen());
  bench.reactor.close(slot);
  bench.reactor.flush();
  await readAll(client);
  assert.equal(bench.reactor.stats.sockets, 1);
  await bench.emptied();
  client.destroy();
});

test('a peer that does not read is reset after stallMs', async () => {
  using bench = new ReactorBench({ stallMs: 100, highWater: 1 << 24, queueBytes: 1 << 24 });
  const { client, slot } = await bench.pair(bench.listen());
  const sent = Buffer.alloc(12 * 1024 * 1024);
  bench.reactor.sendBytes(slot, sent, 0, sent.length);
  bench.reactor.close(slot);
  await bench.emptied();
  assert.equal(bench.reactor.stats.queuedBytes, 0);
  await assert.rejects(readAll(client), { code: 'ECONNRESET' });
});

test('reset reaches the peer as RST, and nothing is reported afterwards', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  const failed = once(client, 'error');
  client.resume();
  bench.reactor.reset(slot);
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  assert.deepEqual(bench.kinds(slot), ['accepted']);
  assert.equal(bench.reactor.stats.sockets, 0);
});

const stages: Record<
  string,
  (bench: ReactorBench, slot: number, client: net.Socket) => Promise<void> | void
> = {
  'while idle': () => {},
  'while paused': (bench, slot) => bench.reactor.pause(slot),
  'while paused with input waiting': async (bench, slot, client) => {
    bench.reactor.pause(slot);
    client.write('unread');
    await sleep(10);
  },
  'after its FIN': async (bench, slot, client) => {
    client.end();
    await bench.of('end', slot);
    bench.reactor.sendBytes(slot, Buffer.alloc(64), 0, 64);
  },
  'after our FIN': (bench, slot) => bench.reactor.shutdown(slot),
  'with output queued': (bench, slot) => {
    bench.reactor.sendBytes(slot, Buffer.alloc(1024 * 1024), 0, 1024 * 1024);
  },
};

for (const [stage, prepare] of Object.entries(stages)) {
  test(`a peer's reset ${stage} is reported as failed, once, and the slot is gone`, async () => {
    using bench = new ReactorBench({ queueBytes: 1 << 24 });
    const { client, slot } = await bench.pair(bench.listen());
    client.pause();
    await prepare(bench, slot, client);
    await sleep(10);
    resetPeer(client);
    const failed = await bench.of('failed', slot);
    assert.ok([ECONNRESET, 32].includes(failed.a), `errno ${failed.a}`);
    await sleep(10);
    assert.equal(bench.kinds(slot).filter((kind) => kind === 'failed').length, 1);
    assert.equal(bench.reactor.fd(slot), -1);
    assert.equal(bench.reactor.stats.sockets, 0);
  });
}

test('an answer that came before the reset is read although our sends fail', async () => {
  using bench = new ReactorBench();
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.write('413', () => setTimeout(() => socket.resetAndDestroy(), 10));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const slot = bench.dial((server.address() as net.AddressInfo).port);
  await bench.of('connected', slot);
  bench.reactor.pause(slot);
  bench.reactor.flush();
  await sleep(5);
  bench.reactor.resume(slot);
  bench.reactor.sendBytes(slot, Buffer.alloc(100), 0, 100);
  await bench.of('failed', slot);
  assert.equal(bench.bytes(slot).toString(), '413');
  server.close();
});

test('commands for a closed slot never reach its successor', async () => {
  using bench = new ReactorBench({ sockets: 1 });
  const port = bench.listen();
  const first = await bench.pair(port);
  bench.reactor.reset(first.slot);
  bench.reactor.flush();
  const second = await bench.pair(port);
  assert.equal(slotIndex(second.slot), slotIndex(first.slot));
  assert.notEqual(second.slot, first.slot);
  bench.reactor.sendBytes(first.slot, Buffer.from('stale'), 0, 5);
  bench.reactor.pause(first.slot);
  bench.reactor.shutdown(first.slot);
  bench.reactor.close(first.slot);
  bench.reactor.reset(first.slot);
  for (const wild of [0, -1, 1, 0x7fffffff, second.slot + 1]) bench.reactor.close(wild);
  bench.reactor.sendBytes(second.slot, Buffer.from('fresh'), 0, 5);
  bench.reactor.close(second.slot);
  assert.equal((await readAll(second.client)).toString(), 'fresh');
  assert.equal(bench.reactor.queued(first.slot), 0);
  assert.equal(bench.reactor.fd(first.slot), -1);
  second.client.end();
});

test('an index is not reused before its failure was reported', async () => {
  using bench = new ReactorBench({ sockets: 2, queueBytes: 1000 });
  const { slot } = await bench.pair(bench.listen());
  const big = Buffer.alloc(16 * 1024 * 1024);
  bench.reactor.sendBytes(slot, big, 0, big.length);
  bench.reactor.flush();
  assert.equal(bench.reactor.fd(slot), -1); // failed, not reported yet
  const other = bench.reactor.adopt(bench.native.sockets.openStream({ netnsFd: null, family: 4 }).fd);
  assert.notEqual(slotIndex(other), slotIndex(slot));
  assert.equal((await bench.of('failed', slot)).a, 105);
});

test('10,000 connections opened and closed leave no descriptor behind', async () => {
  using bench = new ReactorBench();
  const port = bench.listen();
  const rounds = 10_000;
  let closed = 0;
  let opened = 0;
  let done = (): void => {};
  const finished = new Promise<void>((resolve) => (done = resolve));
  const open = (): void => {
    if (opened++ < rounds) bench.dial(port);
  };
  bench.onEvent = ({ kind, slot }) => {
    bench.seen.length = 0;
    if (kind === 'connected') bench.reactor.sendBytes(slot, Buffer.from('x'), 0, 1);
    if (kind === 'data' || kind === 'end') bench.reactor.close(slot);
    if (kind === 'end') {
      if (++closed === rounds) done();
      open();
    }
  };
  const before = descriptors();
  for (let i = 0; i < 50; i++) open();
  await finished;
  await bench.emptied();
  assert.equal(descriptors(), before);
});
