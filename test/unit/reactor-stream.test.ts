// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { pattern, ReactorBench, readAll } from '../support/reactor.ts';

/** Sends every byte back, with back-pressure. */
function echo(bench: ReactorBench): void {
  const { reactor } = bench;
  bench.onEvent = ({ kind, slot, a, b }) => {
    if (kind === 'data') reactor.send(slot, a, b);
    if (kind === 'congested') reactor.pause(slot);
    if (kind === 'drained') reactor.resume(slot);
    if (kind === 'end') reactor.close(slot);
  };
}

for (const family of [4, 6] as const) {
  test(`IPv${family}: what a client sends comes back, and its FIN ends the connection`, async () => {
    using bench = new ReactorBench();
    const port = bench.listen(family, 77);
    echo(bench);
    const client = net.connect(port, family === 4 ? '127.0.0.1' : '::1');
    client.end('hello');
    assert.equal((await readAll(client)).toString(), 'hello');
    const accepted = await bench.until((event) => event.kind === 'accepted');
    assert.equal(accepted.a, 77);
    assert.deepEqual(bench.kinds(accepted.slot), ['accepted', 'data', 'end']);
    assert.equal(bench.reactor.stats.sockets, 0);
  });

  test(`IPv${family}: a socket of its own connects, and both ends carry bytes`, async () => {
    using bench = new ReactorBench();
    const slot = bench.dial(bench.listen(family), family);
    bench.reactor.sendBytes(slot, Buffer.from('sent before it is connected'), 0, 27);
    const accepted = await bench.until((event) => event.kind === 'accepted');
    assert.equal((await bench.of('connected', slot)).a, 0);
    assert.equal((await bench.received(accepted.slot, 27)).toString(), 'sent before it is connected');
    bench.reactor.sendBytes(accepted.slot, Buffer.from('answer'), 0, 6);
    assert.equal((await bench.received(slot, 6)).toString(), 'answer');
  });
}

test('a refused connect is reported with its errno, and the slot is gone', async () => {
  using bench = new ReactorBench();
  const free = net.createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as net.AddressInfo;
  free.close();
  await once(free, 'close');
  const slot = bench.dial(port);
  assert.equal((await bench.of('connected', slot)).a, 111);
  assert.equal(bench.reactor.fd(slot), -1);
  await new Promise(setImmediate);
  assert.equal(bench.reactor.stats.sockets, 0);
});

test('an address that is not of the given family fails the connect', async () => {
  using bench = new ReactorBench();
  const slot = bench.reactor.adopt(bench.native.sockets.openStream({ netnsFd: null, family: 4 }).fd);
  bench.reactor.connect(slot, new Uint8Array(16).fill(1), 80, 4);
  assert.equal((await bench.of('connected', slot)).a, 97);
});

test('8 MiB each way past a slow reader arrive byte for byte', async () => {
  using bench = new ReactorBench();
  echo(bench);
  const { client, slot } = await bench.pair(bench.listen());
  const sent = pattern(8 * 1024 * 1024);
  client.end(sent);
  const parts: Buffer[] = [];
  let length = 0;
  // Not reading at first fills both kernel buffers, so the reactor has to queue, pause and resume.
  await bench.of('congested', slot);
  for await (const part of client) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
    if (length < 256 * 1024) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(Buffer.concat(parts).equals(sent));
  assert.ok(bench.kinds(slot).includes('drained'));
  assert.equal(bench.reactor.stats.queuedBytes, 0);
});

test('pieces of slab, outbox and reserved room leave in the order of the calls', async () => {
  using bench = new ReactorBench();
  const { reactor } = bench;
  bench.onEvent = ({ kind, slot, a, b }) => {
    if (kind !== 'data') return;
    reactor.sendBytes(slot, Buffer.from('-head-'), 1, 5);
    reactor.send(slot, a, 2);
    const offset = reactor.reserve(3);
    reactor.outbox.set(Buffer.from('own'), offset);
    reactor.sendReserved(slot, offset, 3);
    reactor.send(slot, a + 2, b - 2);
    reactor.shutdown(slot);
  };
  const { client } = await bench.pair(bench.listen());
  client.write('abcdef');
  assert.equal((await readAll(client)).toString(), 'headabowncdef');
});

test('made-up bytes may be longer than the outbox, and commands more than their array holds', async () => {
  using bench = new ReactorBench({ highWater: 1 << 22, queueBytes: 1 << 24 });
  const { client, slot } = await bench.pair(bench.listen());
  const long = pattern(bench.reactor.outbox.length * 2 + 5);
  const arrived = readAll(client);
  bench.reactor.sendBytes(slot, long, 0, long.length);
  for (let i = 0; i < 20_000; i++) bench.reactor.sendBytes(slot, long, i, i + 1);
  bench.reactor.close(slot);
  assert.ok((await arrived).equals(Buffer.concat([long, long.subarray(0, 20_000)])));
});

test('after the peer has sent FIN, output still flows, and end is reported once', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  client.end('question');
  await bench.of('end', slot);
  const arrived = readAll(client);
  for (const part of ['late ', 'answer']) {
    bench.reactor.sendBytes(slot, Buffer.from(part), 0, part.length);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  bench.reactor.shutdown(slot);
  assert.equal((await arrived).toString(), 'late answer');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(bench.kinds(slot), ['accepted', 'data', 'end']);
  // Nothing happens on it any more, but it is the owner's until closed.
  assert.notEqual(bench.reactor.fd(slot), -1);
  const turns = bench.reactor.stats.turns;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(bench.reactor.stats.turns - turns < 5, 'a finished socket must not spin');
});

test('after shutdown, input still flows', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  const arrived = readAll(client);
  bench.reactor.sendBytes(slot, Buffer.from('bye'), 0, 3);
  bench.reactor.shutdown(slot);
  assert.equal((await arrived).toString(), 'bye');
  client.end('still here');
  await bench.of('end', slot);
  assert.equal(bench.bytes(slot).toString(), 'still here');
});

test('a paused socket is not read until it is resumed', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  bench.reactor.pause(slot);
  client.write('waiting');
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(bench.kinds(slot), ['accepted']);
  const turns = bench.reactor.stats.turns;
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(bench.reactor.stats.turns - turns < 5, 'a paused socket must not spin');
  bench.reactor.resume(slot);
  assert.equal((await bench.received(slot, 7)).toString(), 'waiting');
});

test('a queue over its limit fails the socket with ENOBUFS', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  client.pause();
  const part = Buffer.alloc(512 * 1024);
  for (let i = 0; i < 64; i++) {
    bench.reactor.sendBytes(slot, part, 0, part.length);
    bench.reactor.flush();
  }
  assert.equal((await bench.of('failed', slot)).a, 105);
  assert.equal(bench.reactor.stats.queuedBytes, 0);
  client.destroy();
});

test('1,000 connections at once each get their own answer', async () => {
  using bench = new ReactorBench();
  echo(bench);
  const port = bench.listen();
  const answers = Array.from({ length: 1000 }, async (_, i) => {
    const client = net.connect(port, '127.0.0.1');
    client.end(`I am ${i}`);
    return (await readAll(client)).toString();
  });
  assert.deepEqual(
    await Promise.all(answers),
    answers.map((_, i) => `I am ${i}`),
  );
  assert.equal(bench.reactor.stats.sockets, 0);
});
