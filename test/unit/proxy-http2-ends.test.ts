// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { text } from 'node:stream/consumers';
import { afterEach, suite, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
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
