// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { afterEach, suite, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import { END_STREAM, Frame, frame, literals, PREFACE, request } from '../support/http2-frames.ts';
import { FramePeer } from '../support/http2-peer.ts';
import { BIG, closed, Http2Scene } from '../support/http2-scene.ts';
import { until } from '../support/lab.ts';

const settings = frame(Frame.settings, 0, 0, Buffer.alloc(0));

suite('hostile clients of HTTP/2', () => {
  let scene: Http2Scene;

  afterEach(() => scene.close());

  /** A client that has said what every client says. */
  async function open(): Promise<Socket> {
    const socket = await scene.proxy.connect();
    socket.on('error', () => {});
    socket.resume();
    socket.write(Buffer.concat([PREFACE, settings]));
    return socket;
  }

  /** The connection ends, whatever is written on it until then, and nothing is left. */
  async function endsWith(socket: Socket, write: () => Buffer): Promise<void> {
    let isOpen = true;
    socket.on('close', () => (isOpen = false));
    socket.on('end', () => (isOpen = false));
    await until('the connection to end', () => {
      if (isOpen && socket.writableLength < 1 << 20) socket.write(write());
      return !isOpen;
    });
    socket.destroy();
    await until('nothing to be left', () => scene.proxy.sockets === 0);
    for (const share of scene.proxy.engine.shares.all())
      assert.deepEqual([share.streams, share.servers, share.connections], [0, 0, 0]);
  }

  const repeated = (count: number, make: (index: number) => Buffer): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));

  test('streams that are opened and reset at once end the connection (CVE-2023-44487)', async () => {
    scene = await Http2Scene.start();
    let id = -1;
    const reset = (): Buffer => {
      id += 2;
      return Buffer.concat([request(id, '/ok/hang'), frame(Frame.reset, 0, id, Buffer.from([0, 0, 0, 8]))]);
    };
    await endsWith(await open(), () => repeated(50, reset));
    assert.equal(scene.proxy.drops(reason['http2-violation']), 1);
    assert.ok(id < 4000, `${id} streams were opened before`);
  });

  test('a head that goes on and on ends the connection', async () => {
    scene = await Http2Scene.start();
    const socket = await open();
    socket.write(frame(Frame.headers, 0, 1, literals([[':method', 'GET']])));
    let at = 0;
    const more = (): Buffer => frame(Frame.continuation, 0, 1, literals([[`x-${at++}`, 'a'.repeat(4096)]]));
    await endsWith(socket, more);
    assert.equal(scene.seen.length, 0);
    assert.ok(at < 200, `${at} frames were taken`);
  });

  test('a flood of pings and of settings ends the connection of whoever does not read', async () => {
    for (const [what, one] of [
      ['pings', frame(Frame.ping, 0, 0, Buffer.alloc(8))],
      ['settings', settings],
    ] as const) {
      scene = await Http2Scene.start();
      const socket = await open();
      socket.pause();
      const { stats } = scene.proxy.engine.reactor;
      let most = 0;
      const flood = (): Buffer => {
        const [share] = scene.proxy.engine.shares.all();
        most = Math.max(most, stats.queuedBytes, share?.bytes ?? 0);
        return repeated(5000, () => one);
      };
      await endsWith(socket, flood).catch((error: unknown) => {
        throw new Error(`a flood of ${what}`, { cause: error });
      });
      assert.ok(most < 1 << 18, `${most} bytes waited for who floods with ${what}`);
      if (what === 'pings') scene.close();
    }
  });

  test('frames that break the rules end the connection, with a count', async () => {
    const cases: readonly (readonly [string, Buffer])[] = [
      ['data on no stream', frame(Frame.data, 0, 1, Buffer.from('x'))],
      ['a stream of the server', request(2, '/ok')],
      ['a settings frame cut short', frame(Frame.settings, 0, 0, Buffer.alloc(5))],
      ['a window of zero', frame(Frame.window, 0, 0, Buffer.alloc(4))],
      ['a push', frame(Frame.push, 4, 1, Buffer.alloc(8))],
      ['a broken table', frame(Frame.headers, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))],
      ['a frame above the limit', frame(Frame.data, 0, 1, Buffer.alloc(20000))],
    ];
    for (const [what, bytes] of cases) {
      scene = await Http2Scene.start();
      const socket = await open();
      socket.write(bytes);
      await endsWith(socket, () => Buffer.alloc(0)).catch((error: unknown) => {
        throw new Error(what, { cause: error });
      });
      assert.equal(scene.proxy.drops(reason['http2-violation']), 1, what);
      assert.equal(scene.seen.length, 0, what);
      if (what !== 'a frame above the limit') scene.close();
    }
  });

  test('what makes requests malformed reaches nobody, and the connection goes on', async () => {
    scene = await Http2Scene.start();
    const socket = await open();
    const bad: readonly (readonly [string, string])[][] = [
      [['X-Upper', 'a']],
      [['connection', 'close']],
      [['transfer-encoding', 'chunked']],
      [['te', 'gzip']],
      [[':status', '200']],
      [[':path', '/ok/again']],
      [['content-length', '5']],
      [['x-a', 'b\r\nx-evil: 1']],
      [['bad name', 'a']],
      [['host', 'other']],
      [
        ['host', 'a'],
        ['host', 'a'],
      ],
      [['upgrade', 'h2c']],
    ];
    for (const [index, headers] of bad.entries())
      socket.write(request(1 + 2 * index, `/ok/bad/${index}`, headers));
    socket.write(request(101, '/ok/good'));
    const paths = (): unknown[] => scene.seen.map(({ headers }) => headers[':path']).sort();
    await until('the good one', () => paths().includes('/ok/good'));
    // nghttp2 takes fields out that can't be, and refuses the request for others: no server sees either kind.
    assert.deepEqual(paths(), ['/ok/bad/7', '/ok/bad/8', '/ok/good']);
    for (const { headers } of scene.seen)
      assert.deepEqual(Object.keys(headers), [':method', ':scheme', ':authority', ':path']);
    socket.destroy();
  });

  test('a header list above the limits is refused before there is a request', async () => {
    scene = await Http2Scene.start({ limits: { headBytes: 4096, headers: 20 } });
    const socket = await open();
    socket.write(request(1, '/ok/big', [['x-a', 'a'.repeat(8000)]]));
    socket.write(
      request(
        3,
        '/ok/many',
        Array.from({ length: 40 }, (_, i) => [`x-${i}`, 'a'] as const),
      ),
    );
    socket.write(request(5, '/ok/good'));
    await until('the good one', () => scene.seen.length > 0);
    assert.equal(scene.seen[0]?.headers[':path'], '/ok/good');
    socket.destroy();
  });

  test('a workload has no more streams open than it may have connections', async () => {
    scene = await Http2Scene.start({ limits: { connectionsPerWorkload: 3 } });
    const session = scene.client();
    for (let i = 0; i < 3; i++)
      session.request({ ':path': '/ok/hang' }, { endStream: false }).on('error', () => {});
    const { headers } = await scene.ask(session, { ':path': '/ok/one-more' });
    assert.equal(headers[':status'], 503);
    assert.equal(scene.proxy.drops(reason['connection-limit']), 1);
  });

  test('answers that a client does not take are charged to its workload', async () => {
    const bytesPerWorkload = 1 << 20;
    scene = await Http2Scene.start({ limits: { bytesPerWorkload } });
    const { proxy } = scene;
    const client = new FramePeer(await proxy.connect(), false, 0);
    const [share] = proxy.engine.shares.all();
    let most = 0;
    for (let i = 0; i < 40; i++) {
      client.socket.write(request(1 + 2 * i, '/ok/big'));
      await until('an answer to begin, or the end', () => {
        most = Math.max(most, share?.bytes ?? 0);
        return client.socket.destroyed || client.of(1 + 2 * i, Frame.headers).length === 1;
      });
    }
    assert.ok(proxy.drops(reason['memory-limit']) > 0);
    assert.ok(most > bytesPerWorkload - 2 * BIG && most < bytesPerWorkload + 2 * BIG, `${most} were held`);
    client.socket.destroy();
    await until('the end', () => proxy.sockets === 0);
    assert.deepEqual([share?.streams, share?.bytes], [0, 0]);
  });

  test('a preface that never ends is waited for so long and no longer', async () => {
    scene = await Http2Scene.start({ limits: { headTimeoutMs: 1000 } });
    const socket = await scene.proxy.connect();
    socket.on('error', () => {});
    socket.write(PREFACE.subarray(0, 10));
    await until('its arrival', () => scene.proxy.engine.shares.connections === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const gone = closed(socket);
    scene.proxy.advance(2000);
    await gone;
    assert.equal(scene.proxy.drops(reason['http-head-timeout']), 1);
  });

  test('a head that comes drop by drop is waited for so long and no longer', async () => {
    scene = await Http2Scene.start({ limits: { headTimeoutMs: 1000, idleTimeoutMs: 100_000 } });
    const { proxy } = scene;
    const socket = await open();
    const head = request(1, '/ok');
    const ended = (): boolean => proxy.drops(reason['http-head-timeout']) === 1;
    let sent = 0;
    for (; !ended() && sent < head.length; sent++) {
      socket.write(head.subarray(sent, sent + 1));
      await new Promise((resolve) => setTimeout(resolve, 10));
      proxy.advance(100);
    }
    assert.ok(ended() && sent < head.length, `ended: ${ended()}, after ${sent} bytes`);
    assert.equal(scene.seen.length, 0);
  });

  test('data may come drop by drop', async () => {
    scene = await Http2Scene.start({ limits: { headTimeoutMs: 1000, idleTimeoutMs: 100_000 } });
    const socket = await open();
    const fields = [':method', 'POST', ':scheme', 'http', ':authority', 'a', ':path', '/ok/1'];
    const pairs = Array.from(
      { length: 4 },
      (_, i) => [fields[2 * i] ?? '', fields[2 * i + 1] ?? ''] as const,
    );
    const body = frame(Frame.data, END_STREAM, 1, Buffer.alloc(40));
    socket.write(Buffer.concat([frame(Frame.headers, 4, 1, literals(pairs)), body.subarray(0, 9)]));
    for (const byte of body.subarray(9)) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setTimeout(resolve, 10));
      scene.proxy.advance(100);
    }
    await until('the request', () => scene.seen.length === 1);
    socket.destroy();
  });

  test('a preface may come in pieces, with frames behind it', async () => {
    scene = await Http2Scene.start();
    const socket = await scene.proxy.connect();
    socket.resume();
    for (const byte of Buffer.concat([PREFACE, settings, request(1, '/ok/slow')])) {
      socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until('the request', () => scene.seen.length === 1);
    socket.destroy();
  });
});
