// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { afterEach, suite, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import { PREFACE, request } from '../support/http2-frames.ts';
import { closed, Http2Scene, rules } from '../support/http2-scene.ts';
import { until } from '../support/lab.ts';

const { constants } = http2;

suite('what ends HTTP/2 connections and streams', () => {
  let scene: Http2Scene;

  afterEach(() => scene.close());

  test('a policy that changes ends the streams it forbids, and only those', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    const begun = session.request({ ':path': '/ok/hang/begun' }, { endStream: false });
    begun.on('error', () => {});
    await once(begun, 'response');
    const gone = closed(begun);
    const waiting = session.request({ ':path': '/ok/hang/2', ':method': 'POST' }, { endStream: false });
    const stays = session.request({ ':method': 'POST', ':path': '/ok/echo' });
    await once(stays, 'response');
    const path = { type: 'PathPrefix', value: '/ok/echo' } as const;
    proxy.reconfigure({ http2: true, rules: [{ rule: 8, action: 'Allow', matches: [{ path }] }] });
    const [headers] = (await once(waiting, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(headers[':status'], 403);
    await gone;
    assert.equal(begun.rstCode, constants.NGHTTP2_CANCEL);
    stays.end('still here');
    assert.equal(await text(stays), 'still here');
    assert.equal(proxy.drops(reason['policy-changed']), 2);
  });

  test('a port where HTTP/2 is spoken no more loses its connections', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    await scene.ask(session, { ':path': '/ok/1' });
    proxy.reconfigure({ rules });
    await closed(session);
    assert.equal(proxy.drops(reason['policy-changed']), 1);
  });

  test('a policy that changes before the preface is there counts', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const socket = await proxy.connect();
    await until('it to be accepted', () => proxy.engine.shares.connections === 1);
    proxy.reconfigure({ rules });
    socket.resume();
    socket.write(Buffer.concat([PREFACE, request(1, '/ok')]));
    await until('the refusal', () => proxy.drops(reason['http-malformed']) === 1);
    assert.equal(scene.seen.length, 0);
    socket.destroy();
  });

  test('a head of HTTP/1 has one deadline, from its first byte', async () => {
    scene = await Http2Scene.start({ limits: { headTimeoutMs: 1000 } });
    const { proxy } = scene;
    const socket = await proxy.connect();
    socket.resume();
    socket.write('P');
    await until('it to be accepted', () => proxy.engine.shares.connections === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    proxy.advance(800);
    socket.write('OST / HTTP/1.1\r\n');
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(proxy.drops(reason['http-head-timeout']), 0);
    proxy.advance(300);
    assert.equal(proxy.drops(reason['http-head-timeout']), 1);
    socket.destroy();
  });

  test('no byte either way: 504 where a response is due, and the end', async () => {
    scene = await Http2Scene.start({ limits: { idleTimeoutMs: 60_000 } });
    const { proxy } = scene;
    const session = scene.client();
    const begun = session.request({ ':path': '/ok/hang/begun' });
    begun.on('error', () => {});
    await once(begun, 'response');
    const gone = Promise.all([closed(begun), closed(session)]);
    const waiting = scene.ask(session, { ':path': '/ok/hang' });
    await until('both streams', () => [...scene.serverSessions].length === 1 && scene.begun === 2);
    proxy.advance(70_000);
    assert.equal((await waiting).headers[':status'], 504);
    await gone;
    assert.notEqual(begun.rstCode, constants.NGHTTP2_NO_ERROR);
    assert.equal(proxy.drops(reason['upstream-timeout']), 2);
    const idle = scene.client();
    await scene.ask(idle, { ':path': '/ok/1' });
    proxy.advance(70_000);
    await closed(idle);
    assert.equal(proxy.drops(reason['idle-timeout']), 1);
  });

  test('a proxy that leaves says so, and serves what is under way', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    const stream = session.request({ ':method': 'POST', ':path': '/ok/echo' });
    await once(stream, 'response');
    const away = once(session, 'goaway');
    proxy.engine.drain();
    assert.equal((await away)[0], constants.NGHTTP2_NO_ERROR);
    stream.end('rest');
    assert.equal(await text(stream), 'rest');
    await closed(session);
    await until('its end', () => proxy.sockets === 0);
  });

  test('a server that leaves: streams under way are served, the next has a new connection', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    const stream = session.request({ ':method': 'POST', ':path': '/ok/echo' });
    await once(stream, 'response');
    for (const one of scene.serverSessions) one.goaway(constants.NGHTTP2_NO_ERROR);
    await until('a connection', () => proxy.own.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await scene.ask(session, { ':path': '/ok/next' })).headers[':status'], 200);
    stream.end('rest');
    assert.equal(await text(stream), 'rest');
    assert.equal(proxy.own.length, 2);
  });

  test('nothing is left of a client that has gone', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    session.request({ ':path': '/ok/hang/begun' }, { endStream: false }).on('error', () => {});
    await until('a connection', () => proxy.own.length === 1);
    session.destroy();
    await until('their end', () => proxy.sockets === 0 && proxy.engine.shares.connections === 0);
    for (const share of proxy.engine.shares.all())
      assert.deepEqual([share.streams, share.servers, share.bytes], [0, 0, 0]);
  });
});
