// SPDX-License-Identifier: Apache-2.0
import { Framing, HeadStatus } from '../core/automaton/executor.ts';
import { reason } from '../core/abi/reason.ts';
import { REQUEST_CHUNKS, RESPONSE_CHUNKS } from '../core/http/chunked.ts';
import type { ResponseHead } from '../core/http/response-head.ts';
import { Body } from './body.ts';
import { ByteQueue } from './bytes.ts';
import type { Context } from './context.ts';
import { CurrentRequest } from './current-request.ts';
import type { Gate } from './gate.ts';
import { recordRequest } from './request-record.ts';
import type { Session } from './session.ts';

/** Requests without a response so far; a client that sends more ahead isn't followed. */
const MAX_PENDING = 1024;

/**
 * Looks along on a connection whose bytes pass as they are: judges each request, and records it when its response has
 * passed. What can't be read as HTTP/1 ends the looking, not the connection.
 */
export class Watch {
  /** Nothing is looked at any more. */
  isOver = false;
  private readonly held = new ByteQueue();
  private readonly pending: CurrentRequest[] = [];
  private readonly requestBody = new Body(REQUEST_CHUNKS);
  private readonly responseBody = new Body(RESPONSE_CHUNKS);
  /** Ours while a head is unfinished. */
  private gate: Gate | null = null;
  private head: ResponseHead | null = null;
  /** Its response may end HTTP: what the client sends before that could be anything. */
  private switching: CurrentRequest | null = null;
  private readonly session: Session;
  private readonly context: Context;

  constructor(session: Session, context: Context) {
    this.session = session;
    this.context = context;
  }

  /** Bytes of an unfinished head. */
  get heldBytes(): number {
    return this.held.length;
  }

  fromClient(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.isOver) {
      if (this.requestBody.isDone) at = this.readRequest(bytes, at, end);
      else {
        const to = this.requestBody.scan(bytes, at, end);
        const request = this.pending.at(-1);
        if (request !== undefined) request.bytesSent += to - at;
        this.bodyRead(request);
        at = to;
      }
    }
  }

  /** Bytes of the request's body were read. */
  private bodyRead(request: CurrentRequest | undefined): void {
    if (this.requestBody.reason !== 0) this.stop(reason.none);
    else if (this.requestBody.isDone && request !== undefined) request.sentNs = this.context.nowNs;
  }

  fromServer(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && !this.isOver) {
      const [request] = this.pending;
      // It speaks unasked.
      if (request === undefined) this.stop(reason.none);
      else if (this.responseBody.isDone) at = this.readResponse(request, bytes, at, end);
      else {
        const to = this.responseBody.scan(bytes, at, end);
        request.bytesReceived += to - at;
        at = to;
        this.afterResponse(request);
      }
    }
  }

  /** The server sends nothing more. */
  serverEnded(): void {
    const [request] = this.pending;
    if (!this.isOver && this.responseBody.endsAtClose && request !== undefined) this.complete(request);
  }

  /** Stops looking; what has no response yet is recorded, with why. */
  stop(why: number): void {
    this.isOver = true;
    for (const request of this.pending.splice(0)) this.record(request, why);
    this.held.clear();
    if (this.gate !== null) this.context.gates.giveBack(this.gate);
    if (this.head !== null) this.context.responseHeads.giveBack(this.head);
    this.gate = this.head = this.switching = null;
  }

  private readRequest(bytes: Uint8Array, start: number, end: number): number {
    const { gates, policy, rules } = this.context;
    if (this.switching !== null || this.pending.length >= MAX_PENDING) {
      this.stop(reason.none);
      return end;
    }
    const gate = this.gate ?? gates.current;
    if (this.gate === null) gate.begin(rules, this.session.route.rulingOf(policy));
    const status = gate.run(bytes, start, end);
    if (status === HeadStatus.Rejected) this.stop(reason.none);
    else if (status === HeadStatus.NeedMore) {
      this.gate ??= gates.keep();
      this.held.append(bytes, start, end);
    } else {
      const at = gate.head.position;
      if (this.gate === null) this.take(gate, bytes, start);
      else {
        this.held.append(bytes, start, at);
        this.take(gate, this.held.storage, this.held.from);
        this.held.clear();
        gates.giveBack(gate);
        this.gate = null;
      }
      return at;
    }
    return end;
  }

  /** A whole head lies at `start`. */
  private take(gate: Gate, bytes: Uint8Array, start: number): void {
    const request = new CurrentRequest(this.context.heads);
    const { head } = gate;
    gate.judge(bytes, start);
    request.watch(gate, bytes, start);
    request.startNs = this.context.nowNs;
    this.pending.push(request);
    this.requestBody.begin(head.framing, head.contentLength);
    if (this.requestBody.isDone) request.sentNs = request.startNs;
    if (head.upgrade || head.isConnect) this.switching = request;
  }

  private readResponse(request: CurrentRequest, bytes: Uint8Array, start: number, end: number): number {
    const { responseHeads } = this.context;
    const head = this.head ?? responseHeads.current;
    if (request.answeredNs === 0) request.answeredNs = this.context.nowNs;
    if (this.head === null) {
      head.reset();
      head.expect(request);
    }
    const status = head.run(bytes, start, end);
    if (status === HeadStatus.NeedMore) {
      this.head ??= responseHeads.keep();
      return end;
    }
    if (status === HeadStatus.Rejected) {
      this.stop(reason.none);
      return end;
    }
    const at = head.position;
    if (this.head !== null) responseHeads.giveBack(head);
    this.head = null;
    if (head.interim) {
      request.answeredNs = 0;
      return at;
    }
    request.status = head.statusCode;
    request.bytesReceived += head.length;
    if (head.framing === Framing.Tunnel) {
      this.stop(reason.none);
      return end;
    }
    this.responseBody.begin(head.framing, head.contentLength);
    this.afterResponse(request);
    return at;
  }

  private afterResponse(request: CurrentRequest): void {
    if (this.responseBody.reason !== 0) this.stop(reason.none);
    else if (this.responseBody.isDone) this.complete(request);
  }

  private complete(request: CurrentRequest): void {
    this.pending.shift();
    this.record(request, reason.none);
    if (this.switching === request) this.switching = null;
  }

  private record(request: CurrentRequest, why: number): void {
    recordRequest(this.context, this.session, request, why, 0);
    request.release();
  }
}
