// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pattern, ReactorBench, readAll } from '../support/reactor.ts';

interface Relayed {
  readonly client: net.Socket;
  readonly server: net.Socket;
  readonly near: number;
  readonly far: number;
}

/** client ── near ═ far ── server */
async function relayed(bench: ReactorBench): Promise<Relayed> {
  const backend = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { client, slot: near } = await bench.pair(bench.listen());
  const far = bench.dial((backend.address() as net.AddressInfo).port);
  const [server] = (await once(backend, 'connection')) as [net.Socket];
  server.on('error', () => {});
  backend.close();
  await bench.of('connected', far);
  return { client, server, near, far };
}

test('8 MiB each way at once pass a relay byte for byte, without events, and are counted', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  bench.reactor.relay(near, far);
  const up = pattern(8 * 1024 * 1024);
  const down = pattern(8 * 1024 * 1024 + 1).subarray(1);
  client.end(up);
  server.end(down);
  await sleep(20); // both kernels' buffers fill before anyone reads
  const [atServer, atClient] = await Promise.all([readAll(server), readAll(client)]);
  assert.ok(atServer.equals(up));
  assert.ok(atClient.equals(down));
  let counted: number[] = [];
  bench.onEvent = () => (counted = [bench.reactor.relayed(near), bench.reactor.relayed(far)]);
  const ended = await bench.until((event) => event.kind === 'relayEnded');
  assert.equal(ended.a, 0);
  assert.deepEqual(new Set([ended.slot, ended.b]), new Set([near, far]));
  if (counted.length > 0) assert.deepEqual(counted, [up.length, down.length]);
  await new Promise(setImmediate);
  assert.equal(bench.reactor.stats.sockets, 0);
  assert.ok(!bench.kinds(near).includes('data') && !bench.kinds(far).includes('data'));
});

test('the counters are readable while the end of the relay is reported', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  let counted: number[] = [];
  bench.onEvent = ({ kind }) => {
    if (kind === 'relayEnded') counted = [bench.reactor.relayed(near), bench.reactor.relayed(far)];
  };
  bench.reactor.relay(near, far);
  client.end('12345');
  server.end('123');
  await bench.until((event) => event.kind === 'relayEnded');
  assert.deepEqual(counted, [5, 3]);
});

test('what was queued before goes out before what is relayed', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  const head = pattern(900_000);
  server.pause();
  bench.reactor.sendBytes(far, head, 0, head.length);
  bench.reactor.relay(near, far);
  client.end('tail');
  await sleep(10);
  assert.ok((await readAll(server)).equals(Buffer.concat([head, Buffer.from('tail')])));
});

test('a FIN in one direction leaves the other open', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  bench.reactor.relay(near, far);
  client.end('question');
  assert.equal((await readAll(server)).toString(), 'question');
  const answer = readAll(client);
  await sleep(10);
  server.end('answer');
  assert.equal((await answer).toString(), 'answer');
});

test('an end that was reported before the relay began is passed on', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  client.end();
  await bench.of('end', near);
  bench.reactor.relay(near, far);
  assert.equal((await readAll(server)).length, 0);
  server.end('all');
  assert.equal((await readAll(client)).toString(), 'all');
  assert.equal((await bench.until((event) => event.kind === 'relayEnded')).a, 0);
});

test("one side's reset resets the other and ends the relay with its errno", async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  bench.reactor.relay(near, far);
  bench.reactor.flush();
  const failed = once(server, 'error');
  server.resume();
  client.resetAndDestroy();
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  const ended = await bench.until((event) => event.kind === 'relayEnded');
  assert.deepEqual([ended.slot, ended.a, ended.b], [near, 104, far]);
});

test('reset of a relayed slot ends both sides and is not reported', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  bench.reactor.relay(near, far);
  const failed = Promise.all([once(client, 'error'), once(server, 'error')]);
  client.resume();
  server.resume();
  bench.reactor.flush();
  bench.reactor.reset(far);
  await failed;
  await sleep(5);
  assert.ok(!bench.seen.some((event) => event.kind === 'relayEnded'));
  assert.equal(bench.reactor.stats.sockets, 0);
});

test('data reported in the batch that starts the relay is still sent, in order', async () => {
  using bench = new ReactorBench();
  const { client, server, near, far } = await relayed(bench);
  bench.onEvent = ({ kind, slot, a, b }) => {
    if (kind !== 'data') return;
    bench.reactor.relay(slot, far);
    bench.reactor.send(far, a, b);
  };
  client.write('first ');
  await bench.of('data', near);
  client.end('second');
  assert.equal((await readAll(server)).toString(), 'first second');
});
