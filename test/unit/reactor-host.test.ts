// SPDX-License-Identifier: Apache-2.0
// The reactor as a guest: of the event loop, of the thread, of the process's limits.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync } from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { addon, ReactorBench, readAll, smallLimits } from '../support/reactor.ts';
import { SocketReactor } from '../../src/datapath/reactor.ts';

const ownFile = (name: string): URL => new URL(name, import.meta.url);
const support = ownFile('../support/reactor.ts').href;

test('clients over the socket limit wait in the backlog and are served later', async () => {
  using bench = new ReactorBench({ sockets: 2 });
  const port = bench.listen();
  bench.onEvent = ({ kind, slot, a, b }) => {
    if (kind === 'data') bench.reactor.send(slot, a, b);
    if (kind === 'end') bench.reactor.close(slot);
  };
  const answers = Array.from({ length: 10 }, (_, i) => {
    const client = net.connect(port, '127.0.0.1');
    client.end(`${i}`);
    return readAll(client);
  });
  const texts = (await Promise.all(answers)).map(String);
  assert.deepEqual(texts, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
});

test('adopt at the socket limit throws, and the descriptor stays the owner’s', () => {
  using bench = new ReactorBench({ sockets: 1 });
  const { sockets } = bench.native;
  bench.reactor.adopt(sockets.openStream({ netnsFd: null, family: 4 }).fd);
  const { fd } = sockets.openStream({ netnsFd: null, family: 4 });
  assert.throws(() => bench.reactor.adopt(fd), { code: 'ERR_REACTOR_FULL' });
  sockets.close(fd);
});

test('descriptors that are no streams, or no listeners, are refused', () => {
  using bench = new ReactorBench();
  const { sockets } = bench.native;
  const { fd } = sockets.openStream({ netnsFd: null, family: 4 });
  assert.throws(() => bench.reactor.listen(fd, 0), { code: 'ERR_REACTOR' });
  const file = openSync('/dev/null', 'r');
  assert.throws(() => bench.reactor.adopt(file), { code: 'ERR_REACTOR' });
  closeSync(file);
  assert.throws(() => bench.reactor.adopt(-1), { code: 'ERR_NATIVE_ARGUMENT' });
  assert.throws(() => bench.reactor.unlisten(fd), { code: 'ERR_REACTOR' });
  assert.throws(() => new SocketReactor(addon(), { ...smallLimits, sockets: 0 }), {
    code: 'ERR_NATIVE_ARGUMENT',
  });
  sockets.close(fd);
});

test('offsets outside of the shared memory fail the socket and touch nothing', async () => {
  using bench = new ReactorBench();
  const { reactor } = bench;
  const port = bench.listen();
  const end = reactor.slab.length + reactor.outbox.length;
  assert.throws(() => reactor.send(1, reactor.slab.length, 1), { code: 'ERR_REACTOR_RANGE' });
  for (const [offset, length] of [
    [-8, 16],
    [end, 1],
    [end - 1, 2],
    [0, -1],
    [0x7fffffff, 0x7fffffff],
  ] as const) {
    const { client, slot } = await bench.pair(port);
    const native = (reactor as unknown as { native: { commands: Int32Array; control: Int32Array } }).native;
    native.commands.set([1, slot, offset, length]);
    native.control[0] = 1;
    reactor.flush();
    assert.equal((await bench.of('failed', slot)).a, 14);
    client.destroy();
  }
});

test('without descriptors accepting waits, and goes on when there are some', async () => {
  // In a process of its own, whose descriptors are few.
  const script = `
    import { openSync, closeSync } from 'node:fs';
    const { loopback, ReactorBench } = await import(${JSON.stringify(support)});
    const bench = new ReactorBench();
    const port = bench.listen();
    const slot = bench.reactor.adopt(bench.native.sockets.openStream({ netnsFd: null, family: 4 }).fd);
    const hoard = [];
    try { for (;;) hoard.push(openSync('/dev/null')); } catch (error) { if (error.code !== 'EMFILE') throw error; }
    bench.reactor.connect(slot, loopback(4), port, 4);
    await bench.of('connected', slot);
    const turns = bench.reactor.stats.turns;
    await new Promise((resolve) => setTimeout(resolve, 120));
    const spun = bench.reactor.stats.turns - turns > 50;
    for (const fd of hoard) closeSync(fd);
    const accepted = await bench.until((event) => event.kind === 'accepted');
    console.log(accepted.kind, spun);
    bench.reactor.destroy();`;
  const { stdout } = await promisify(execFile)('/bin/sh', [
    '-c',
    'ulimit -n 64; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    script,
  ]);
  assert.equal(stdout, 'accepted false\n');
});

test('timers and immediates go on under load', async () => {
  using bench = new ReactorBench();
  const port = bench.listen();
  bench.onEvent = ({ kind, slot, a, b }) => {
    bench.seen.length = 0;
    if (kind === 'connected') bench.reactor.sendBytes(slot, Buffer.from('ball'), 0, 4);
    if (kind === 'data') bench.reactor.send(slot, a, b); // and so on for ever
  };
  for (let i = 0; i < 20; i++) bench.dial(port);
  let ticks = 0;
  for (; ticks < 20; ticks++) await sleep(1);
  await new Promise(setImmediate);
  assert.equal(ticks, 20);
});

test('an exception in onBatch is an uncaught one, and the commands before it count', async () => {
  using bench = new ReactorBench();
  const { client, slot } = await bench.pair(bench.listen());
  bench.onEvent = () => {
    bench.reactor.sendBytes(slot, Buffer.from('sent'), 0, 4);
    bench.reactor.shutdown(slot);
    throw new Error('planted');
  };
  const uncaught: Error[] = [];
  process.setUncaughtExceptionCaptureCallback((error) => uncaught.push(error as Error));
  client.write('go');
  const answer = await readAll(client);
  process.setUncaughtExceptionCaptureCallback(null);
  assert.deepEqual(uncaught.map(String), ['Error: planted']);
  assert.equal(answer.toString(), 'sent');
});

test('destroy inside of onBatch closes everything and reports nothing more', async () => {
  const bench = new ReactorBench();
  const { client } = await bench.pair(bench.listen());
  bench.onEvent = () => bench.reactor.destroy();
  client.write('go');
  assert.equal((await readAll(client)).length, 0);
  client.end();
  assert.equal(bench.reactor.stats.sockets, 0);
  assert.throws(() => bench.reactor.adopt(0), { code: 'ERR_REACTOR' });
  bench.reactor.flush();
  bench[Symbol.dispose]();
});

async function serveFromWorkers(fd: number, port: number): Promise<void> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.support).then(({ ReactorBench }) => {
      const bench = new ReactorBench();
      bench.onEvent = ({ kind, slot, a, b }) => { if (kind === 'data') bench.reactor.send(slot, a, b); };
      bench.reactor.listen(workerData.fd, 0);
      parentPort.postMessage('ready');
    });`;
  const workers = [1, 2].map(() => new Worker(source, { eval: true, workerData: { support, fd } }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const clients = Array.from({ length: 20 }, () => net.connect(port, '127.0.0.1'));
  for (const client of clients) {
    client.write('hello');
    assert.equal(String((await once(client, 'data'))[0]), 'hello');
  }
  const closed = clients.map((client) =>
    once(
      client.on('error', () => {}),
      'close',
    ),
  );
  for (const worker of workers) await worker.terminate();
  await Promise.all(closed);
}

test('workers have reactors of their own on one listener, and leave nothing when they are terminated', async () => {
  const { sockets } = addon();
  const { fd, port } = sockets.openListener({ netnsFd: null, family: 4, address: '127.0.0.1', port: 0 });
  await serveFromWorkers(fd, port);
  const before = readdirSync('/proc/self/fd').length;
  await serveFromWorkers(fd, port);
  assert.equal(readdirSync('/proc/self/fd').length, before);
  sockets.close(fd);
});
