// SPDX-License-Identifier: Apache-2.0
import { Framing, HeadStatus } from '../core/automaton/executor.ts';
import { RESPONSE_CHUNKS } from '../core/http/chunked.ts';
import type { ResponseHead } from '../core/http/response-head.ts';
import { Body } from './body.ts';
import { ByteQueue } from './bytes.ts';
import type { Context } from './context.ts';
import type { CurrentRequest } from './current-request.ts';
import { emit, Hop } from './head-pieces.ts';
import type { Session } from './session.ts';

/** How far a response has come. */
export const Answer = {
  /** Nothing was asked. */
  none: 0,
  head: 1,
  body: 2,
  complete: 3,
  /** 101, or 2xx to CONNECT: what follows isn't HTTP. */
  tunnel: 4,
  /** The server broke the rules. */
  malformed: 5,
} as const;
export type Answer = (typeof Answer)[keyof typeof Answer];

const none = new Uint8Array(0);

/** Reads a server's stream for one request at a time and forwards the response. */
export class ResponseReader {
  answer: Answer = Answer.none;
  /** The server will answer another request on this connection. */
  keepAlive = false;
  /** Some of the final response has gone to the client. */
  hasStarted = false;
  /** Something, if only an interim response, came. */
  hasBegun = false;
  /** The client will be told that this is the last response. */
  isLast = false;
  private readonly held = new ByteQueue();
  private readonly body = new Body(RESPONSE_CHUNKS);
  private head: ResponseHead | null = null;
  /** What is being read: the bytes behind the head are `input[at, inputEnd)`. */
  private input: Uint8Array = none;
  private inputEnd = 0;
  private closes = false;
  private readonly request: CurrentRequest;
  private readonly session: Session;
  private readonly context: Context;

  constructor(request: CurrentRequest, session: Session, context: Context) {
    this.request = request;
    this.session = session;
    this.context = context;
  }

  /** A request was sent: its response is awaited. */
  expect(): void {
    this.answer = Answer.head;
    this.hasStarted = this.hasBegun = this.isLast = false;
  }

  get endsAtClose(): boolean {
    return this.answer === Answer.body && this.body.endsAtClose;
  }

  get heldBytes(): number {
    return this.held.length;
  }

  /**
   * Takes bytes from the server; returns up to where. Stops behind a complete response, or at a fault. `isLast`: a
   * response that begins now is the client's last.
   */
  read(bytes: Uint8Array, start: number, end: number, isLast: boolean): number {
    let at = start;
    this.closes = isLast;
    this.input = bytes;
    this.inputEnd = end;
    while (at < end && this.answer === Answer.head) at = this.readHead(bytes, at, end);
    if (this.answer !== Answer.body || at >= end) return at;
    const from = at;
    at = this.body.scan(bytes, from, end);
    emit(this.context.reactor, this.session.client, bytes, from, at);
    this.request.bytesReceived += at - from;
    this.afterScan();
    return at;
  }

  stop(): void {
    this.held.clear();
    this.giveHeadBack();
  }

  private readHead(bytes: Uint8Array, start: number, end: number): number {
    const { responseHeads } = this.context;
    let { head } = this;
    if (head === null) {
      head = responseHeads.current;
      head.reset();
      head.expect(this.request);
    }
    this.hasBegun = true;
    if (this.request.answeredNs === 0) this.request.answeredNs = this.context.nowNs;
    const status = head.run(bytes, start, end);
    if (status === HeadStatus.Rejected) {
      this.answer = Answer.malformed;
      return start;
    }
    if (status === HeadStatus.NeedMore) {
      this.head ??= responseHeads.keep();
      this.held.append(bytes, start, end);
      return end;
    }
    const at = head.position;
    if (this.head === null) return this.forward(head, bytes, start, at);
    this.held.append(bytes, start, at);
    const after = this.forward(head, this.held.storage, this.held.from, at);
    this.held.clear();
    this.giveHeadBack();
    return after;
  }

  /** A whole head lies at `start` of `storage`; input follows it from `at` on. */
  private forward(head: ResponseHead, storage: Uint8Array, start: number, at: number): number {
    const { input, inputEnd } = this;
    const { pieces, reactor } = this.context;
    const { client } = this.session;
    if (head.interim) {
      // HTTP/1.0 knows no interim responses (RFC 9110 15.2).
      this.request.answeredNs = 0;
      if (this.request.minor === 0) return at;
      pieces.plan(head, storage, start, Hop.none);
      pieces.send(reactor, client, storage, start, 0);
      return at;
    }
    const { framing } = head;
    this.request.status = head.statusCode;
    this.keepAlive = head.keepAlive && this.request.minor === 1;
    if (framing === Framing.Tunnel && !this.request.isUpgrade && !this.request.isConnect) {
      this.answer = Answer.malformed;
      return start;
    }
    this.isLast = this.closes || framing === Framing.UntilClose;
    this.body.begin(framing === Framing.Tunnel ? Framing.None : framing, head.contentLength);
    const bodyEnd = this.body.scan(input, at, inputEnd);
    pieces.plan(head, storage, start, this.hop(framing));
    if (storage === input) pieces.send(reactor, client, storage, start, bodyEnd - at);
    else {
      pieces.send(reactor, client, storage, start, 0);
      emit(reactor, client, input, at, bodyEnd);
    }
    this.hasStarted = true;
    this.request.bytesReceived += pieces.length + bodyEnd - at;
    this.answer = framing === Framing.Tunnel ? Answer.tunnel : Answer.body;
    this.afterScan();
    return bodyEnd;
  }

  private hop(framing: Framing): Buffer {
    if (framing === Framing.Tunnel) return this.request.isUpgrade ? Hop.upgrade : Hop.none;
    return this.isLast ? Hop.close : Hop.none;
  }

  private afterScan(): void {
    if (this.answer !== Answer.body) return;
    if (this.body.reason !== 0) this.answer = Answer.malformed;
    else if (this.body.isDone) this.answer = Answer.complete;
  }

  private giveHeadBack(): void {
    if (this.head !== null) this.context.responseHeads.giveBack(this.head);
    this.head = null;
  }
}
