// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import { END_STREAM, Frame, request } from '../support/http2-frames.ts';
import type { FrameServer } from '../support/http2-peer.ts';
import { FramePeer } from '../support/http2-peer.ts';
import { type Http2Scene, startFrames } from '../support/http2-scene.ts';
import { until } from '../support/lab.ts';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants;

const OK = [[':status', '200']] as const;
const POST = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':authority', 'a'],
  [':path', '/ok'],
] as const;

type Ways = readonly (readonly [what: string, end: (peer: FramePeer) => void])[];

/** How either end leaves in the middle of a message on stream 1. */
const ways: Ways = [
  ['FIN', ({ socket }) => socket.end()],
  ['RST', ({ socket }) => socket.resetAndDestroy()],
  ['half a frame and FIN', ({ socket }) => socket.end(Buffer.from([0, 0, 9, 0, 1, 0, 0, 0, 1, 0x78]))],
  ['GOAWAY with an error', (peer) => peer.goaway(1, NGHTTP2_PROTOCOL_ERROR)],
  ['a frame that breaks the rules', ({ socket }) => socket.write(Buffer.alloc(9, 0xff))],
  ['a reset, cancelled', (peer) => peer.reset(1, NGHTTP2_CANCEL)],
  ['a reset, internal error', (peer) => peer.reset(1, NGHTTP2_INTERNAL_ERROR)],
];

suite('half a message of HTTP/2', () => {
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

  const deaths: Ways = [
    ...ways,
    [
      'GOAWAY and FIN',
      (peer) => {
        peer.goaway(1, NGHTTP2_NO_ERROR);
        peer.socket.end();
      },
    ],
  ];

  for (const [what, die] of deaths) {
    test(`a response that ends by ${what} never looks whole`, async () => {
      client.socket.write(request(1, '/ok'));
      const peer = await server.asked();
      peer.headers(1, OK);
      peer.data(1, 'half');
      await client.heard(1, Frame.data);
      die(peer);
      await client.heard(1, Frame.reset);
      assert.equal(client.hasEnded(1), false);
      const [flow] = await scene.requests(1);
      assert.equal(flow?.reason, reason['upstream-closed']);
    });
  }

  for (const [what, leave] of ways) {
    for (const isAnswered of [false, true]) {
      const when = isAnswered ? ', the response there already,' : '';
      test(`a request that ends by ${what}${when} never looks whole`, async () => {
        client.headers(1, POST);
        client.data(1, 'half');
        const peer = await server.asked();
        await peer.heard(1, Frame.data);
        if (isAnswered) {
          peer.headers(1, OK, END_STREAM);
          await until('the response', () => client.hasEnded(1));
        }
        leave(client);
        const isGone = () => peer.socket.readableEnded || peer.socket.destroyed;
        await until('its end', () => peer.of(1, Frame.reset).length > 0 || isGone());
        assert.equal(peer.hasEnded(1), false);
      });
    }
  }

  test('a server that leaves before it answers: 502', async () => {
    client.socket.write(Buffer.concat([request(1, '/ok'), request(3, '/ok')]));
    const peer = await server.asked();
    peer.socket.end();
    await until('both answers', () => client.hasEnded(1) && client.hasEnded(3));
    for (const flow of await scene.requests(2))
      assert.deepEqual([flow.status, flow.reason], [502, reason['upstream-closed']]);
  });

  test('a whole response arrives, if the server leaves right behind it and the client is slow', async () => {
    for (const leave of ['FIN', 'RST']) {
      client.socket.destroy();
      client = new FramePeer(await scene.proxy.connect(), false, 0);
      client.socket.write(request(1, '/ok'));
      await until('a connection', () => scene.proxy.own.length > 0);
      const peer = await server.asked();
      peer.socket.cork();
      peer.headers(1, OK);
      peer.data(1, 'all', END_STREAM);
      peer.goaway(1, NGHTTP2_NO_ERROR);
      peer.socket.uncork();
      if (leave === 'FIN') peer.socket.end();
      else await client.heard(1, Frame.headers);
      if (leave === 'RST') peer.socket.resetAndDestroy();
      await client.heard(1, Frame.headers);
      client.window(1, 100);
      await until('all of it', () => client.hasEnded(1));
      assert.equal(client.text(1), 'all', leave);
      scene.proxy.own.length = server.peers.length = 0;
    }
    for (const flow of await scene.requests(2)) assert.equal(flow.reason, reason.none);
    client.socket.destroy();
    await until('nothing to be left', () => scene.proxy.sockets === 0);
  });
});
