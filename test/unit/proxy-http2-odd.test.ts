// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import { END_STREAM, Frame, request } from '../support/http2-frames.ts';
import type { FrameServer } from '../support/http2-peer.ts';
import { FramePeer } from '../support/http2-peer.ts';
import { type Http2Scene, startFrames } from '../support/http2-scene.ts';
import { until } from '../support/lab.ts';

/** nghttp2 takes it in, and Node.js won't pass it on. */
const UNSENT = ['http2-settings', 'x'] as const;

suite('odd headers of HTTP/2', () => {
  let scene: Http2Scene;
  let server: FrameServer;
  let client: FramePeer;

  beforeEach(async () => {
    ({ scene, server, client } = await startFrames());
  });
  afterEach(() => {
    client.socket.destroy();
    server.close();
    scene.close();
  });

  test('a field that should be there once and is there twice passes, both ways', async () => {
    const twice = ['user-agent', 'etag', 'date', 'content-type'].flatMap((name) => [
      [name, '1'] as const,
      [name, '2'] as const,
    ]);
    const stream = scene.client().request({ ':path': '/ok' });
    const peer = await server.asked();
    peer.headers(1, [[':status', '200'], ...twice], END_STREAM);
    const [, , response] = (await once(stream, 'response')) as [unknown, unknown, string[]];
    assert.deepEqual(response, [':status', '200', ...twice.flat()]);

    scene.proxy.serverPort = (scene.server.address() as AddressInfo).port;
    const asked = once(scene.server, 'stream');
    client = new FramePeer(await scene.proxy.connect(), false);
    client.socket.write(request(1, '/ok', twice));
    const [, , , list] = (await asked) as [unknown, unknown, unknown, string[]];
    assert.deepEqual(list.slice(8), twice.flat());
  });

  test('a request that can not be passed on is refused, and those that wait beside it go on', async () => {
    client.socket.write(Buffer.concat([request(1, '/ok', [UNSENT]), request(3, '/ok'), request(5, '/ok')]));
    const peer = await server.asked();
    for (const stream of [1, 3]) peer.headers(stream, [[':status', '200']], END_STREAM);
    await until('all answers', () => [1, 3, 5].every((stream) => client.hasEnded(stream)));
    const flows = await scene.requests(3);
    assert.deepEqual(
      flows.map(({ status, reason: why }) => [status, why]),
      [
        [400, reason['http-malformed']],
        [200, reason.none],
        [200, reason.none],
      ],
    );
  });

  test('a response that can not be passed on is 502, and the connection goes on', async () => {
    const bad = [[[':status', '700']], [[':status', '200'], UNSENT], [[':status', '103'], UNSENT]] as const;
    for (const [index, fields] of bad.entries()) {
      const stream = 1 + 2 * index;
      client.socket.write(request(stream, '/ok'));
      const peer = await server.asked(stream);
      peer.headers(stream, fields);
      await until('an answer', () => client.hasEnded(stream));
    }
    for (const { reason: why, status } of await scene.requests(bad.length))
      assert.deepEqual([status, why], [502, reason['http-response-malformed']]);
    assert.equal(server.peers.length, 1);
  });

  test('trailers of a response arrive without those that servers must not send', async () => {
    const of = async (stream: number, trailers: readonly (readonly [string, string])[]): Promise<number> => {
      client.socket.write(request(stream, '/ok'));
      const peer = await server.asked(stream);
      peer.headers(stream, [[':status', '200']]);
      peer.data(stream, 'x');
      peer.headers(stream, trailers, END_STREAM);
      await until('the response', () => client.hasEnded(stream));
      return client.of(stream, Frame.headers).at(-1)?.payload.length ?? 0;
    };
    await of(1, [['x-sum', '7']]);
    const plain = await of(3, [['x-sum', '7']]);
    assert.equal(await of(5, [['x-sum', '7'], ['set-cookie', 'a=1'], ['content_type', 'x'], UNSENT]), plain);
  });
});
