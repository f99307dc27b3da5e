// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import * as http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { flowKind } from '../../src/core/abi/flow.ts';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { FramePeer, FrameServer } from './http2-peer.ts';
import { until } from './lab.ts';
import { type DecodedFlow, type ProxyOptions, TestProxy } from './proxy-engine.ts';

/** Allows all below /ok, and nobody with the header x-evil. */
export const rules: RuleSet = [
  { rule: 5, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: '/ok' } }] },
  { rule: 6, action: 'Deny', matches: [{ headers: [{ name: 'x-evil', type: 'Present' }] }] },
];

/** Bytes of what /ok/big answers: less than a window. */
export const BIG = 60_000;

type Headers = http2.IncomingHttpHeaders;

export interface Answer {
  readonly headers: Headers;
  readonly body: string;
  readonly trailers: Headers;
}

/** Resolves when it has closed, whatever error comes before. */
export const closed = (one: EventEmitter): Promise<void> =>
  new Promise((resolve) => one.once('close', resolve));

/** A server that speaks HTTP/2, the proxy in front of it, and clients. */
export class Http2Scene {
  readonly server = http2.createServer();
  readonly serverSessions = new Set<http2.ServerHttp2Session>();
  /** Requests that the server has read whole. */
  readonly seen: Answer[] = [];
  /** Requests whose head the server has. */
  begun = 0;
  /** Codes with which streams ended at the server. */
  readonly ended: number[] = [];
  readonly proxy: TestProxy;
  private readonly clients: http2.ClientHttp2Session[] = [];

  private constructor(options: Partial<ProxyOptions>) {
    this.server.on('session', (session) => {
      this.serverSessions.add(session);
      session.on('close', () => this.serverSessions.delete(session));
      session.on('error', () => {});
    });
    this.server.on('stream', (stream, headers) => {
      void this.serve(stream as http2.ServerHttp2Stream, headers);
    });
    this.proxy = new TestProxy({ serverPort: 0, rules, http2: true, ...options });
  }

  static async start(options: Partial<ProxyOptions> = {}): Promise<Http2Scene> {
    const scene = new Http2Scene(options);
    scene.server.listen(0, '127.0.0.1');
    await once(scene.server, 'listening');
    scene.proxy.serverPort = (scene.server.address() as AddressInfo).port;
    return scene;
  }

  close(): void {
    for (const client of this.clients) client.destroy();
    this.proxy.close();
    this.server.close();
    for (const session of this.serverSessions) session.destroy();
    assert.deepEqual(this.proxy.faults, []);
  }

  client(): http2.ClientHttp2Session {
    const session = http2.connect(`http://127.0.0.1:${this.proxy.port}`);
    session.on('error', () => {});
    this.clients.push(session);
    return session;
  }

  async ask(
    session: http2.ClientHttp2Session,
    headers: http2.OutgoingHttpHeaders,
    body?: string,
  ): Promise<Answer> {
    const stream = session.request(headers, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    let trailers: Headers = {};
    stream.on('trailers', (came) => (trailers = came));
    const [answer] = (await once(stream, 'response')) as [Headers];
    return { headers: answer, body: await text(stream), trailers };
  }

  /** Records of requests, once there are so many. */
  async requests(count: number): Promise<DecodedFlow[]> {
    const found = () => this.proxy.flows().filter(({ kind }) => kind === flowKind.request);
    await until(`${count} requests`, () => found().length >= count);
    return found();
  }

  private async serve(stream: http2.ServerHttp2Stream, headers: Headers): Promise<void> {
    let trailers: Headers = {};
    this.begun++;
    stream.on('trailers', (came) => (trailers = came));
    stream.on('error', () => {});
    stream.on('close', () => this.ended.push(stream.rstCode));
    const path = headers[':path'] ?? '';
    if (path.startsWith('/ok/hang')) {
      if (path.endsWith('/begun')) stream.respond({ ':status': 200 });
    } else if (path === '/ok/reset') {
      stream.close(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM);
    } else if (path === '/ok/big') {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(BIG));
    } else if (path === '/ok/echo') {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    } else {
      const body = await text(stream).catch(() => '');
      this.seen.push({ headers, body, trailers });
      if (!stream.destroyed) answer(stream, path);
    }
  }
}

/** The proxy between two ends that say what a test wants, frame by frame. */
export async function startFrames(): Promise<{ scene: Http2Scene; server: FrameServer; client: FramePeer }> {
  const scene = await Http2Scene.start();
  const server = await FrameServer.start();
  scene.proxy.serverPort = server.port;
  return { scene, server, client: new FramePeer(await scene.proxy.connect(), false) };
}

function answer(stream: http2.ServerHttp2Stream, path: string): void {
  stream.additionalHeaders({ ':status': 103, link: '</a>' });
  const headers = { ':status': 200, 'set-cookie': ['a=1', 'b=2'] };
  stream.respond(headers, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42' }));
  stream.end(`answer to ${path}`);
}
