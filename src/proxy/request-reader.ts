// SPDX-License-Identifier: Apache-2.0
import { Framing, HeadStatus } from '../core/automaton/executor.ts';
import { reason } from '../core/abi/reason.ts';
import { REQUEST_CHUNKS } from '../core/http/chunked.ts';
import type { RejectReason } from '../core/http/reasons.ts';
import { Body } from './body.ts';
import { ByteQueue } from './bytes.ts';
import type { Context } from './context.ts';
import type { CurrentRequest } from './current-request.ts';
import type { Gate } from './gate.ts';
import { emit, Hop } from './head-pieces.ts';
import { asksForHttp2 } from './nominated.ts';
import { Mode } from './policy.ts';
import { rejectReason, rejectStatus } from '../core/http/reject-reason.ts';
import type { Session } from './session.ts';

/** Where the client's side of an exchange stands. */
export const Phase = {
  /** Between two requests. */
  idle: 0,
  /** In a head. */
  head: 1,
  /** In a body. */
  body: 2,
  /** The request is sent; its response isn't complete. */
  sent: 3,
  /** No HTTP any more. */
  tunnel: 4,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** What the reader asks of its exchange. */
export interface RequestSink {
  readonly request: CurrentRequest;
  /** Slot of a connection for an allowed request; -1: there is none and the client has been told. */
  openUpstream(): number;
  /** A request's head, and what was there of its body, has been sent. */
  requestBegun(): void;
  /** Answers the client itself. With `close` that ends the connection. */
  refuse(status: number, why: number, close: boolean): void;
  /** Input has to wait: its request's turn hasn't come (`again`: but it may go on in the next turn). */
  inputHeld(again: boolean): void;
  headBegun(): void;
  bytesHeld(bytes: number): boolean;
}

/** Refusals and heads that one connection may have handled in a turn. */
const HEADS_PER_TURN = 16;

const none = new Uint8Array(0);

/** Reads a client's stream: heads, bodies, pipelined requests; forwards what is allowed. */
export class RequestReader {
  phase: Phase = Phase.idle;
  /** The connection has ended or was refused: no byte is looked at any more. */
  isOver = false;
  private readonly held = new ByteQueue();
  private readonly body = new Body(REQUEST_CHUNKS);
  /** Ours while a head is unfinished. */
  private gate: Gate | null = null;
  /** What is being read: the bytes behind the head are `input[at, inputEnd)`. */
  private input: Uint8Array = none;
  private inputEnd = 0;
  private readonly sink: RequestSink;
  private readonly session: Session;
  private readonly context: Context;

  constructor(sink: RequestSink, session: Session, context: Context) {
    this.sink = sink;
    this.session = session;
    this.context = context;
  }

  get hasHeldInput(): boolean {
    return this.held.length > 0 && this.phase !== Phase.head;
  }

  get heldBytes(): number {
    return this.held.length;
  }

  /** Takes bytes as they come from the client. */
  read(bytes: Uint8Array, start: number, end: number, upstream: number): void {
    let at = start;
    if (this.phase === Phase.body) at = this.readBody(bytes, start, end, upstream);
    this.readRequests(bytes, at, end);
  }

  /** Takes up what was held, now that its turn has come. */
  readHeld(): void {
    const { storage, from, to } = this.held;
    this.held.clear();
    this.readRequests(storage, from, to);
  }

  /** What was held belongs to a tunnel. */
  sendHeld(slot: number): void {
    const { storage, from, to } = this.held;
    emit(this.context.reactor, slot, storage, from, to);
    this.held.clear();
  }

  stop(): void {
    this.isOver = true;
    this.held.clear();
    this.giveGateBack();
  }

  private readRequests(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    let budget = HEADS_PER_TURN;
    while (at < end && !this.isOver && this.phase <= Phase.head) {
      if (budget-- === 0) break;
      at = this.readHead(bytes, at, end);
    }
    if (at >= end || this.isOver) return;
    this.held.append(bytes, at, end);
    if (!this.sink.bytesHeld(this.held.length)) this.sink.refuse(503, reason['memory-limit'], true);
    else this.sink.inputHeld(this.phase <= Phase.head);
  }

  private readHead(bytes: Uint8Array, start: number, end: number): number {
    const { gates, policy, rules } = this.context;
    let { gate } = this;
    if (gate === null) {
      gate = gates.current;
      const ruling = this.session.route.rulingOf(policy);
      if (ruling.mode === Mode.deny) {
        this.sink.request.forget();
        this.sink.refuse(403, ruling.reason, true);
        return end;
      }
      gate.begin(rules, ruling);
    }
    const status = gate.run(bytes, start, end);
    if (status === HeadStatus.NeedMore) return this.keepHead(bytes, start, end);
    if (status === HeadStatus.Rejected) {
      this.reject(gate.head.reason);
      return end;
    }
    this.input = bytes;
    this.inputEnd = end;
    const at = gate.head.position;
    if (this.gate === null) return this.judge(gate, bytes, start, at);
    this.held.append(bytes, start, at);
    const after = this.judge(gate, this.held.storage, this.held.from, at);
    this.held.clear();
    this.sink.bytesHeld(0);
    this.giveGateBack();
    return after;
  }

  private keepHead(bytes: Uint8Array, start: number, end: number): number {
    if (this.gate === null) {
      this.gate = this.context.gates.keep();
      this.phase = Phase.head;
      this.sink.headBegun();
    }
    this.held.append(bytes, start, end);
    if (!this.sink.bytesHeld(this.held.length)) this.sink.refuse(503, reason['memory-limit'], true);
    return end;
  }

  private reject(rejected: RejectReason): void {
    if (this.phase !== Phase.body) this.sink.request.forget();
    this.sink.refuse(rejectStatus(rejected), rejectReason(rejected), true);
  }

  /** A whole head lies at `start` of `head`; input follows it from `at` on. Returns what was consumed up to. */
  private judge(gate: Gate, head: Uint8Array, start: number, at: number): number {
    const { input, inputEnd, sink } = this;
    const { request } = sink;
    const facts = gate.head;
    gate.judge(head, start);
    const why = this.denial(gate, head, start);
    this.phase = Phase.idle;
    if (why !== reason.none) {
      request.judged(gate, head, start);
      this.sink.refuse(403, why, facts.framing !== Framing.None || !facts.keepAlive || facts.minor === 0);
      return at;
    }
    const { body } = this;
    body.begin(facts.framing, facts.contentLength, this.readHeaders(facts.framing));
    const bodyEnd = body.scan(input, at, inputEnd);
    if (body.reason !== 0) {
      this.reject(body.reason);
      return inputEnd;
    }
    const { pieces, reactor } = this.context;
    pieces.plan(facts, head, start, facts.upgrade ? Hop.upgrade : Hop.none);
    request.take(gate, head, start, pieces);
    const slot = this.sink.openUpstream();
    if (slot < 0) return at;
    if (head === input) pieces.send(reactor, slot, head, start, bodyEnd - at);
    else {
      pieces.send(reactor, slot, head, start, 0);
      emit(reactor, slot, input, at, bodyEnd);
    }
    request.bytesSent = facts.length + bodyEnd - at;
    this.phase = body.isDone ? Phase.sent : Phase.body;
    if (body.isDone) request.sentNs = this.context.nowNs;
    this.sink.requestBegun();
    return bodyEnd;
  }

  /** Names that must not come as trailers; only chunked bodies have any. */
  private readHeaders(framing: Framing): readonly string[] | undefined {
    if (framing !== Framing.Chunked) return undefined;
    const { policy, rules } = this.context;
    return rules.readHeaders(this.session.route.rulingOf(policy));
  }

  private denial(gate: Gate, head: Uint8Array, start: number): number {
    const facts = gate.head;
    if (facts.upgrade && (!this.context.limits.upgrade || asksForHttp2(facts, head, start))) {
      return reason['http-upgrade-refused'];
    }
    if (gate.allowed) return reason.none;
    return facts.upgrade || facts.isConnect ? reason['http-upgrade-refused'] : gate.denial;
  }

  private readBody(bytes: Uint8Array, start: number, end: number, upstream: number): number {
    const { body } = this;
    const at = body.scan(bytes, start, end);
    if (body.reason !== 0) {
      this.reject(body.reason);
      return end;
    }
    emit(this.context.reactor, upstream, bytes, start, at);
    this.sink.request.bytesSent += at - start;
    if (body.isDone) {
      this.phase = Phase.sent;
      this.sink.request.sentNs = this.context.nowNs;
    }
    return at;
  }

  private giveGateBack(): void {
    if (this.gate !== null) this.context.gates.giveBack(this.gate);
    this.gate = null;
  }
}
