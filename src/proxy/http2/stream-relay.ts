// SPDX-License-Identifier: Apache-2.0
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type Http2Stream,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { reason } from '../../core/abi/reason.ts';
import { parseGrpcStatus } from '../../core/http/grpc.ts';
import { refusalStatus } from '../../core/http/refusal.ts';
import type { Context } from '../context.ts';
import { CurrentRequest } from '../current-request.ts';
import { recordRequest } from '../request-record.ts';
import type { Session } from '../session.ts';
import { answerRefused } from './refused-stream.ts';
import { forwardedHeaders, keepSensitive, readRequest, type StreamRequest } from './request-text.ts';
import type { ServerUser } from './server-session.ts';
import type { ClientStream, StreamHost } from './stream-host.ts';
import { isRefused, sendTrailers, withoutForbidden } from './stream-trailers.ts';
import { judgeHead } from './stream-verdict.ts';

const {
  NGHTTP2_CANCEL,
  NGHTTP2_FLAG_END_STREAM,
  NGHTTP2_INTERNAL_ERROR,
  NGHTTP2_NO_ERROR,
  NGHTTP2_REFUSED_STREAM,
} = constants;

/** One request of HTTP/2: judged, passed to the server, and its response passed back, with all that may come between. */
export class StreamRelay implements ServerUser {
  private readonly host: StreamHost;
  private readonly session: Session;
  private readonly context: Context;
  private readonly client: ServerHttp2Stream;
  private readonly opened: ClientStream;
  private readonly asked: StreamRequest | undefined;
  private readonly request: CurrentRequest;
  private server: ClientHttp2Stream | null = null;
  /** It is recorded. */
  isOver = false;
  private isAnswered = false;
  /** The whole response has left for the client. */
  private isSent = false;
  private requestTrailers: IncomingHttpHeaders = {};
  private responseTrailers: IncomingHttpHeaders = {};

  constructor(host: StreamHost, session: Session, context: Context, opened: ClientStream) {
    this.host = host;
    this.session = session;
    this.context = context;
    this.opened = opened;
    this.client = opened.stream;
    this.asked = readRequest(opened.raw);
    this.request = new CurrentRequest(context.heads);
    const { asked, client, request } = this;
    request.forget();
    request.isHttp2 = true;
    request.isGrpc = asked?.isGrpc === true;
    request.startNs = context.nowNs;
    client.on('error', () => {});
    // They may have come before there is a server.
    client.on('trailers', (trailers) => host.guarded(() => this.trailersCame(trailers)));
    client.on('close', () => host.guarded(() => this.clientClosed()));
  }

  /** Bytes that are kept for it, or wait in it. */
  get held(): number {
    const { asked, client, server } = this;
    const waiting = client.readableLength + client.writableLength;
    const beyond = server === null ? 0 : server.readableLength + server.writableLength;
    return (asked?.head.length ?? 0) + waiting + beyond;
  }

  /** Judges it, and lets it go on its way. */
  begin(): void {
    const { asked, context, host, request, session } = this;
    const why =
      asked === undefined ? reason['http-malformed'] : judgeHead(context, session, request, asked.head);
    if (asked === undefined || why !== reason.none) {
      this.refuse(why);
      return;
    }
    host.openServer(this);
  }

  served(http2: ClientHttp2Session): void {
    const { asked, opened } = this;
    if (this.isOver || asked === undefined) return;
    const endStream = (opened.flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const headers = forwardedHeaders(asked, opened);
    const options = { endStream, waitForTrailers: !endStream };
    if (isSent(() => (this.server = http2.request(headers, options)))) this.forward(http2, endStream);
    else this.refuse(reason['http-malformed']);
  }

  lost(why: number): void {
    if (!this.isOver && !this.hasWholeResponse) this.fail(why);
  }

  /** Another policy is in force: what it forbids ends, also in the middle. */
  reviewed(): void {
    const { asked, context, request, session } = this;
    if (asked === undefined || this.isOver) return;
    const again = new CurrentRequest(context.heads);
    if (judgeHead(context, session, again, asked.head) === reason.none) return;
    request.egressRule = again.egressRule;
    request.ingressRule = again.ingressRule;
    request.refusingSide = again.refusingSide;
    this.refuse(reason['policy-changed']);
  }

  /** Answers in the server's place, or, if that has begun to answer, resets the stream. */
  refuse(why: number): void {
    const { asked, client, context, request } = this;
    if (this.isOver) return;
    if (this.isAnswered || client.destroyed || client.closed) {
      this.abandon(why);
      return;
    }
    context.refusals.nextReference();
    const { reference } = context.refusals;
    const toWhat = asked ?? { isGrpc: false, method: '' };
    const answer = answerRefused(client, refusalStatus(why), reference, toWhat);
    request.status = answer.status;
    request.grpcStatus = answer.grpcStatus;
    this.finish(why, answer.bytes);
    this.server?.close(NGHTTP2_CANCEL);
  }

  /** Ends both sides in the middle: half a message must not look whole. */
  abandon(why: number, code: number = NGHTTP2_CANCEL): void {
    if (this.isOver) return;
    this.finish(why, 0);
    if (!this.client.destroyed) this.client.close(code);
    this.server?.close(NGHTTP2_CANCEL);
  }

  /** Ends are passed on by hand: Node.js ends a stream also when it was cut off. */
  private forward(http2: ClientHttp2Session, endStream: boolean): void {
    const { client, host, request, server } = this;
    if (server === null) return;
    /** The stream alone has ended, not its connection. */
    const isAlone = (): boolean => !http2.destroyed;
    const on = (stream: Http2Stream, event: string, then: (...args: never[]) => void): void => {
      stream.on(event, (...args: unknown[]) => host.guarded(() => then(...(args as never[]))));
    };
    on(client, 'data', (chunk: Buffer) => (request.bytesSent += chunk.length));
    on(client, 'end', () => this.requestEnded());
    on(client, 'wantTrailers', () => this.responseSent());
    on(server, 'wantTrailers', () => sendTrailers(server, this.requestTrailers));
    on(server, 'headers', (headers: IncomingHttpHeaders) => this.interim(headers));
    on(server, 'response', (headers: IncomingHttpHeaders, flags: number, raw: string[]) =>
      this.answered(headers, flags, raw),
    );
    on(server, 'trailers', (trailers: IncomingHttpHeaders) => {
      this.responseTrailers = withoutForbidden(trailers);
      request.grpcStatus = parseGrpcStatus(trailers['grpc-status']) ?? request.grpcStatus;
    });
    on(server, 'end', () => this.responseEnded(isAlone()));
    on(server, 'close', () => this.serverClosed(isAlone()));
    server.on('error', () => {});
    if (endStream) request.sentNs = this.context.nowNs;
    else client.pipe(server, { end: false });
  }

  private requestEnded(): void {
    const { client, server } = this;
    this.request.sentNs = this.context.nowNs;
    if (client.rstCode === NGHTTP2_NO_ERROR && server?.closed === false) server.end();
  }

  /** Policy has judged by headers: what it reads must not come behind, nor what servers go by. */
  private trailersCame(trailers: IncomingHttpHeaders): void {
    const { policy, rules } = this.context;
    const read = rules.readHeaders(this.session.route.rulingOf(policy));
    if (isRefused(trailers, read)) this.refuse(reason['http-trailer']);
    else this.requestTrailers = trailers;
  }

  /** 100, 103 and the like; 101 is HTTP/1's. */
  private interim(headers: IncomingHttpHeaders): void {
    const { client } = this;
    if (this.isOver || client.closed || client.headersSent) return;
    if (!isSent(() => client.additionalHeaders(headers))) this.fail(reason['http-response-malformed']);
  }

  private answered(headers: IncomingHttpHeaders, flags: number, raw: string[]): void {
    const { client, request, server } = this;
    if (this.isOver || server === null || client.closed || client.destroyed) return;
    request.answeredNs = this.context.nowNs;
    request.status = Number(headers[':status']);
    request.grpcStatus = parseGrpcStatus(headers['grpc-status']) ?? -1;
    request.bytesReceived = 0;
    const list = keepSensitive([...raw], headers);
    const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    const options = { endStream, sendDate: false, waitForTrailers: !endStream };
    this.isAnswered = isSent(() => client.respond(list, options));
    if (!this.isAnswered) {
      this.fail(reason['http-response-malformed']);
      return;
    }
    if (!endStream) {
      // From here on it flows.
      server.on('data', (chunk: Buffer) => (request.bytesReceived += chunk.length));
      server.pipe(client, { end: false });
      return;
    }
    server.resume();
    this.isSent = true;
    this.stopUpload();
  }

  /** All of the response's body has left. */
  private responseSent(): void {
    sendTrailers(this.client, this.responseTrailers);
    this.isSent = true;
    this.stopUpload();
  }

  /** The server has answered, and wants no more of the request: so do we (RFC 9113 8.1). */
  private stopUpload(): void {
    const { client, host, server } = this;
    if (server?.closed !== true || !this.isSent || client.readableEnded) return;
    // Trailers leave in the next turn only.
    setImmediate(() =>
      host.guarded(() => {
        if (!client.closed) client.close(NGHTTP2_NO_ERROR);
      }),
    );
  }

  /** Reset by the client, or lost with its connection, unless the response is complete. */
  private clientClosed(): void {
    const { client, host, server } = this;
    if (!this.isOver) this.finish(reason.none, 0);
    host.streamGone(this);
    if (server?.closed === false)
      server.close(client.rstCode === NGHTTP2_NO_ERROR ? NGHTTP2_CANCEL : client.rstCode);
  }

  private responseEnded(isAlone: boolean): void {
    const { client, server } = this;
    if (this.isOver) return;
    if (server?.rstCode !== NGHTTP2_NO_ERROR) {
      this.serverClosed(isAlone);
      return;
    }
    this.finish(reason.none, 0);
    client.end();
  }

  /** All of the response is here, if not yet with the client. */
  private get hasWholeResponse(): boolean {
    const { server } = this;
    return server !== null && (server.closed || server.state.remoteClose === 1);
  }

  private serverClosed(isAlone: boolean): void {
    const { client, server } = this;
    if (this.isOver) {
      client.resume();
      this.stopUpload();
      return;
    }
    const code = server?.rstCode ?? NGHTTP2_NO_ERROR;
    // What it hasn't looked at the client may send again.
    const isUntouched = code === NGHTTP2_REFUSED_STREAM;
    const isReset = isAlone && code !== NGHTTP2_NO_ERROR;
    if (isUntouched || isReset) this.abandon(reason['upstream-closed'], code);
    else this.fail(reason['upstream-closed']);
  }

  /** No whole response will come. */
  private fail(why: number): void {
    if (this.isAnswered) this.abandon(why, NGHTTP2_INTERNAL_ERROR);
    else this.refuse(why);
  }

  private finish(why: number, madeUp: number): void {
    if (this.isOver) return;
    this.isOver = true;
    recordRequest(this.context, this.session, this.request, why, madeUp);
  }
}

/** False: Node.js refuses headers that nghttp2 let in, and nothing was sent. */
function isSent(send: () => void): boolean {
  try {
    send();
    return true;
  } catch {
    return false;
  }
}
