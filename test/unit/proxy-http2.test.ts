// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, suite, test } from 'node:test';
import { reason } from '../../src/core/abi/reason.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import { closed, Http2Scene, rules } from '../support/http2-scene.ts';
import { until } from '../support/lab.ts';

const { constants } = http2;

suite('HTTP/2 through the proxy', () => {
  let scene: Http2Scene;

  afterEach(() => scene.close());

  test('each stream is judged: allowed ones go on with everything they carry, others are answered', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    const [good, bad] = await Promise.all([
      scene.ask(session, { ':method': 'POST', ':path': '/ok/1?q=1', cookie: 'a=1', 'x-a': 'b' }, 'body'),
      scene.ask(session, { ':path': '/other' }),
    ]);
    assert.equal(good.headers[':status'], 200);
    assert.equal(good.body, 'answer to /ok/1?q=1');
    assert.deepEqual(good.headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(good.trailers['x-sum'], '42');
    assert.equal(bad.headers[':status'], 403);
    const reference = String(bad.headers['perigee-reference']);
    assert.match(bad.body, new RegExp(`not allowed by policy \\(reference ${reference}\\)`));
    assert.equal(scene.seen.length, 1);
    const [{ headers, body } = assert.fail()] = scene.seen;
    assert.deepEqual([body, headers['x-a'], headers.cookie], ['body', 'b', 'a=1']);
    assert.equal(headers[':authority'], `127.0.0.1:${proxy.port}`);
    const flows = await scene.requests(2);
    const refused = flows.find(({ status }) => status === 403) ?? assert.fail();
    assert.equal(refused.reference.toString(16).padStart(16, '0'), reference);
    assert.deepEqual(
      [refused.target, refused.verdict, refused.reason],
      ['/other', verdict.denied, reason['http-no-rule']],
    );
    const passed = flows.find(({ status }) => status === 200) ?? assert.fail();
    assert.deepEqual([passed.method, passed.target, passed.ingressRule], ['POST', '/ok/1', 5]);
    assert.equal(passed.detail?.httpVersion, 2);
    assert.equal(passed.bytesReceived, BigInt(good.body.length));
  });

  test('one connection of the client is one to the server', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const session = scene.client();
    for (let i = 0; i < 5; i++)
      assert.equal((await scene.ask(session, { ':path': `/ok/${i}` })).headers[':status'], 200);
    assert.equal(proxy.own.length, 1);
  });

  test('HTTP/1 is taken on the same port, by the same rules', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    const old = http.createServer((_request, response) => response.end('old'));
    old.listen(0, '127.0.0.1');
    await once(old, 'listening');
    proxy.serverPort = (old.address() as AddressInfo).port;
    for (const [path, status] of [
      ['/ok', 200],
      ['/other', 403],
    ] as const) {
      const request = http.get({ port: proxy.port, host: '127.0.0.1', path, agent: false });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      response.resume();
      assert.equal(response.statusCode, status);
    }
    old.close();
  });

  test('without the word of each side that reads requests a preface is refused', async () => {
    for (const options of [{ http2: false }, { egressRules: rules }]) {
      scene = await Http2Scene.start(options);
      await closed(scene.client());
      assert.equal(scene.proxy.drops(reason['http-malformed']), 1);
      if (options.http2 === false) scene.close();
    }
  });

  test('a client that resets its stream resets the server’s, and the other way round', async () => {
    scene = await Http2Scene.start();
    const session = scene.client();
    const stream = session.request({ ':path': '/ok/hang/begun' }, { endStream: false });
    await once(stream, 'response');
    stream.close(constants.NGHTTP2_CANCEL);
    await until('the reset', () => scene.ended.length === 1);
    assert.deepEqual(scene.ended, [constants.NGHTTP2_CANCEL]);
    const reset = session.request({ ':path': '/ok/reset' });
    reset.on('error', () => {});
    await closed(reset);
    assert.equal(reset.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    assert.equal((await scene.ask(session, { ':path': '/ok/after' })).headers[':status'], 200);
  });

  test('bytes go both ways at once, under back-pressure, and all of them arrive', async () => {
    scene = await Http2Scene.start();
    const stream = scene.client().request({ ':method': 'POST', ':path': '/ok/echo' });
    const size = 24 << 20;
    const chunk = Buffer.alloc(1 << 20, 'x');
    let received = 0;
    stream.on('data', (data: Buffer) => (received += data.length));
    for (let sent = 0; sent < size; sent += chunk.length) {
      if (!stream.write(chunk)) await once(stream, 'drain');
    }
    stream.end();
    await once(stream, 'end');
    assert.equal(received, size);
  });

  test('a reader that stands still stops the sender', async () => {
    scene = await Http2Scene.start();
    const stream = scene.client().request({ ':method': 'POST', ':path': '/ok/echo' });
    await once(stream, 'response');
    stream.pause();
    let taken = 0;
    const chunk = Buffer.alloc(65536, 'x');
    for (let i = 0; i < 200 && taken < 200; i++) {
      stream.write(chunk, () => taken++);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    assert.ok(taken < 60, `${taken} of 200 chunks were taken`);
  });

  test('trailers that policy reads as headers, or servers go by, are refused', async () => {
    scene = await Http2Scene.start();
    const session = scene.client();
    const names = ['x-evil', 'x_evil', 'authorization', 'cookie', 'host', 'content-type', 'content_type'];
    for (const name of names) {
      const stream = session.request({ ':method': 'POST', ':path': '/ok/t' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ [name]: '1' }));
      stream.end('x');
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      assert.equal(headers[':status'], 400, name);
    }
    for (const flow of await scene.requests(names.length)) assert.equal(flow.reason, reason['http-trailer']);
    assert.ok(!scene.seen.some(({ trailers }) => Object.keys(trailers).length > 0));
  });

  test('trailers of a request arrive', async () => {
    scene = await Http2Scene.start();
    const stream = scene.client().request({ ':method': 'POST', ':path': '/ok/t' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
    stream.end('x');
    await once(stream, 'response');
    assert.equal(scene.seen[0]?.trailers['x-sum'], '7');
  });

  test('CONNECT, two names for the host, and heads without a meaning in HTTP/1 are refused', async () => {
    scene = await Http2Scene.start({
      rules: [{ rule: 5, action: 'Allow', matches: [{}, { methods: ['CONNECT'] }] }],
    });
    const session = scene.client();
    const status = async (headers: http2.OutgoingHttpHeaders) => {
      const [answer] = await Promise.all([scene.ask(session, headers).catch(String)]);
      return typeof answer === 'string' ? answer : answer.headers[':status'];
    };
    assert.equal(await status({ ':method': 'CONNECT', ':authority': 'a:1' }), 403);
    assert.equal(await status({ ':authority': 'a', host: 'b', ':path': '/' }), 400);
    assert.match(String(await status({ ':authority': 'a', ':path': '/ b' })), /PROTOCOL_ERROR/);
    assert.equal(scene.seen.length, 0);
  });

  test('a server that is not there: 502, and by gRPC 14', async () => {
    scene = await Http2Scene.start();
    const { proxy } = scene;
    proxy.serverPort = 1;
    const session = scene.client();
    assert.equal((await scene.ask(session, { ':path': '/ok' })).headers[':status'], 502);
    const call = await scene.ask(
      session,
      { ':method': 'POST', ':path': '/ok/a', 'content-type': 'application/grpc' },
      '',
    );
    assert.deepEqual([call.headers[':status'], call.headers['grpc-status']], [200, '14']);
  });
});
