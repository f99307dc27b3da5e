// SPDX-License-Identifier: Apache-2.0
import { reason } from '../core/abi/reason.ts';
import { Backpressure, Hold } from './backpressure.ts';
import { Connection } from './connection.ts';
import type { Context, Deferred } from './context.ts';
import { CurrentRequest } from './current-request.ts';
import { emit } from './head-pieces.ts';
import { Mode, type PolicyTable } from './policy.ts';
import { refusalStatus } from '../core/http/refusal.ts';
import { Relay } from './relay.ts';
import { recordRequest } from './request-record.ts';
import { Phase, RequestReader, type RequestSink } from './request-reader.ts';
import { Answer, ResponseReader } from './response-reader.ts';
import { EADDRNOTAVAIL, PORT_CHANGES } from './upstream.ts';
import { ServerEnd } from './server-end.ts';
import type { Session } from './session.ts';

/** A client's HTTP/1 connection: one request after another, each passed to the server as policy allows. */
export class Exchange extends Connection implements RequestSink, Deferred {
  readonly request: CurrentRequest;
  private readonly requests: RequestReader;
  private readonly responses: ResponseReader;
  private readonly pressure: Backpressure;
  private readonly server: ServerEnd;
  private clientEnded = false;
  private portChanges = 0;
  /** Bytes of unfinished heads and of requests whose turn hasn't come. */
  private inputBytes = 0;

  constructor(session: Session, context: Context) {
    super(session, context);
    this.request = new CurrentRequest(context.heads);
    this.requests = new RequestReader(this, session, context);
    this.responses = new ResponseReader(this.request, session, context);
    this.pressure = new Backpressure(context.reactor, session.client);
    this.server = new ServerEnd(this, session, context);
    this.touch();
  }

  /** Takes bytes that were read before it began, and the deadline of a head that they don't finish, ms. */
  takeOver(bytes: Uint8Array, due: number): void {
    this.requests.read(bytes, 0, bytes.length, this.server.slot);
    if (!this.hasEnded && this.requests.phase === Phase.head) this.context.timers.set(this, due);
  }

  data(slot: number, offset: number, length: number): void {
    const { slab } = this.context.reactor;
    if (slot !== this.session.client) {
      this.fromServer(slab, offset, offset + length);
      return;
    }
    // An unfinished head and a connect have deadlines of their own, which no byte moves.
    if (this.requests.phase !== Phase.head && !this.server.isConnecting) this.touch();
    this.requests.read(slab, offset, offset + length, this.server.slot);
  }

  connected(_slot: number, errno: number): void {
    if (errno === 0) {
      this.server.connected();
      this.touch();
      return;
    }
    this.dropServer(true);
    if (errno === EADDRNOTAVAIL && this.request.canRepeat && this.portChanges++ < PORT_CHANGES) this.repeat();
    else this.failRequest(reason['upstream-unreachable']);
  }

  end(slot: number): void {
    if (slot !== this.session.client) {
      this.serverEnded(0);
      return;
    }
    this.clientEnded = true;
    const { phase } = this.requests;
    if (phase === Phase.head || phase === Phase.body) this.abandon(reason['http-malformed']);
    else if (phase === Phase.idle && !this.requests.hasHeldInput) this.finish();
  }

  failed(slot: number, errno: number): void {
    if (slot === this.session.client) this.abandon(reason.none);
    else this.serverEnded(errno);
  }

  drained(slot: number): void {
    if (slot === this.session.client) this.pressure.clientDrained(this.server.slot);
    else this.pressure.serverDrained();
    this.chargeAll();
  }

  congested(slot: number, bytes: number): void {
    if (slot === this.session.client) this.pressure.clientCongested(bytes, this.server.slot);
    else this.pressure.serverCongested(bytes);
    if (!this.chargeAll()) this.abandon(reason['memory-limit']);
  }

  relayEnded(): void {}

  reviewed(policy: PolicyTable): void {
    if (this.session.route.rulingOf(policy).mode === Mode.deny) this.abandon(reason['policy-changed']);
  }

  terminate(why: number): void {
    if (why === reason['proxy-draining'] && this.requests.phase === Phase.idle) this.finish();
    else this.abandon(why);
  }

  override expired(): void {
    const { phase } = this.requests;
    if (phase === Phase.head) {
      this.request.forget();
      this.refuse(408, reason['http-head-timeout'], true);
    } else if (phase === Phase.idle) {
      this.context.counters.drop(reason['idle-timeout']);
      this.finish();
    } else if (this.responses.hasStarted) this.abandon(reason['idle-timeout']);
    else this.refuse(504, reason['upstream-timeout'], true);
  }

  /** The turn after one in which there was too much to do. */
  resumed(): void {
    if (!this.hasEnded && this.requests.phase === Phase.idle) this.nextRequest();
  }

  // What the request reader asks for.

  headBegun(): void {
    this.context.timers.set(this, this.context.nowMs + this.context.limits.headTimeoutMs);
  }

  bytesHeld(bytes: number): boolean {
    this.inputBytes = bytes;
    return this.chargeAll();
  }

  inputHeld(again: boolean): void {
    this.pressure.hold(Hold.input);
    if (again) this.context.later(this);
  }

  openUpstream(): number {
    const { request } = this;
    request.startNs = this.context.nowNs;
    // Only what can be repeated goes on a connection that the server may be closing just now.
    const lack = this.server.open(request.canRepeat);
    if (lack === reason.none) return this.server.slot;
    this.refuse(refusalStatus(lack), lack, true);
    return -1;
  }

  requestBegun(): void {
    const { context, server } = this;
    server.requestSent();
    this.responses.expect();
    if (server.isConnecting) context.timers.set(this, context.nowMs + context.limits.connectTimeoutMs);
    else this.touch();
  }

  refuse(status: number, why: number, close: boolean): void {
    const { context, request, session } = this;
    const isLast = close || this.clientEnded || context.isDraining;
    if (!this.isUnderWay) request.startNs = context.nowNs;
    const length = context.refusals.write(status, isLast, request.isHead);
    context.reactor.sendBytes(session.client, context.refusals.bytes, 0, length);
    request.status = status;
    recordRequest(context, session, request, why, length);
    if (isLast) this.finish();
    else this.touch();
  }

  // The server's side.

  /** A request has been forwarded, at least in part, and its response isn't complete. */
  private get isUnderWay(): boolean {
    const { phase } = this.requests;
    return phase === Phase.body || phase === Phase.sent;
  }

  private fromServer(bytes: Uint8Array, start: number, end: number): void {
    const { request, responses } = this;
    this.touch();
    const isLast = !request.keepAlive || this.clientEnded || this.context.isDraining;
    const at = responses.read(bytes, start, end, isLast);
    const { answer } = responses;
    if (answer === Answer.complete) this.complete(at === end);
    else if (answer === Answer.tunnel) this.openTunnel(bytes, at, end);
    else if (answer === Answer.malformed) this.failRequest(reason['http-response-malformed']);
    else if (answer === Answer.none)
      this.dropServer(true); // it speaks unasked
    else if (responses.heldBytes > 0) this.bytesHeld(responses.heldBytes + this.requests.heldBytes);
  }

  /** `isClean`: nothing stands behind the response. */
  private complete(isClean: boolean): void {
    const { context, request, requests, responses, session } = this;
    recordRequest(context, session, request, reason.none, 0);
    responses.answer = Answer.none;
    const isWhole = requests.phase === Phase.sent;
    requests.phase = Phase.idle;
    if (!responses.keepAlive || !isClean || !isWhole) this.dropServer(!isClean || !isWhole);
    if (responses.isLast || !isWhole) this.finish();
    else if (this.pressure.isClientHeld || this.clientEnded) this.nextRequest();
  }

  /** Takes up what the client has sent ahead, if anything, and reads on. */
  private nextRequest(): void {
    if (this.requests.hasHeldInput) this.requests.readHeld();
    if (this.hasEnded || this.requests.hasHeldInput) return;
    this.bytesHeld(this.requests.heldBytes);
    this.pressure.release(Hold.input);
    if (this.clientEnded && this.requests.phase === Phase.idle) this.finish();
  }

  private serverEnded(errno: number): void {
    const { responses } = this;
    if (errno === 0 && responses.endsAtClose) {
      this.complete(true);
      return;
    }
    const { wasUsed } = this.server;
    this.dropServer(errno !== 0);
    if (!this.isUnderWay) return;
    if (wasUsed && !responses.hasBegun && this.request.canRepeat) this.repeat();
    else this.failRequest(reason['upstream-closed']);
  }

  /** The server closed a kept connection while the request was on its way: once more, on a new one. */
  private repeat(): void {
    const { request } = this;
    const lack = this.server.open(false);
    if (lack !== reason.none) {
      this.failRequest(lack);
      return;
    }
    emit(this.context.reactor, this.server.slot, request.kept, 0, request.keptLength);
    this.requestBegun();
  }

  /** No valid response comes any more. */
  private failRequest(why: number): void {
    if (this.responses.hasStarted) this.abandon(why);
    else this.refuse(refusalStatus(why), why, true);
  }

  private openTunnel(bytes: Uint8Array, at: number, end: number): void {
    const { context, request, requests, session } = this;
    recordRequest(context, session, request, reason.none, 0);
    emit(context.reactor, session.client, bytes, at, end);
    requests.sendHeld(this.server.slot);
    // What this exchange gives back now must not be what the tunnel goes on with.
    const opener = request.kept.slice(0, request.keptLength);
    const continued = { ...session, template: session.template.slice() };
    const upstream = this.server.release();
    this.stop();
    if (upstream !== null) Relay.tunnel(continued, context, upstream, opener);
  }

  // Ends.

  /** Closes when all that was queued is sent; an upstream between two requests is kept for another client. */
  private finish(): void {
    if (this.hasEnded) return;
    const { context, isUnderWay, session } = this;
    this.stop();
    context.budget.close(session.route.share, session.client);
    if (!isUnderWay && this.responses.keepAlive && !context.isDraining) this.server.leave();
    else this.server.drop(isUnderWay);
  }

  /** An end in the middle: what was sent must not pass for a whole message. */
  private abandon(why: number): void {
    if (this.hasEnded) return;
    const { context, session } = this;
    if (this.isUnderWay) recordRequest(context, session, this.request, why, 0);
    else this.ends(why);
    this.stop();
    context.reactor.reset(session.client);
    this.server.drop(true);
  }

  private stop(): void {
    this.requests.stop();
    this.responses.stop();
    this.release();
    this.request.release();
  }

  private dropServer(abort: boolean): void {
    this.server.drop(abort);
    this.pressure.serverDrained();
  }

  private chargeAll(): boolean {
    const { pressure, request } = this;
    return this.charge(this.inputBytes + pressure.clientQueue + pressure.serverQueue + request.kept.length);
  }
}
