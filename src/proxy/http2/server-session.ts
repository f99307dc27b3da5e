// SPDX-License-Identifier: Apache-2.0
import { type ClientHttp2Session, connect } from 'node:http2';
import { reason } from '../../core/abi/reason.ts';
import type { Context } from '../context.ts';
import type { SlotOwner } from '../owner.ts';
import type { Session } from '../session.ts';
import { Timed } from '../timers.ts';
import { EADDRNOTAVAIL, PORT_CHANGES, type Upstream } from '../upstream.ts';
import { serverSideOptions } from './session-options.ts';
import { SlotStream } from './slot-stream.ts';

/** Gets a session with the server, or why there is none, enum reason. */
type Waiting = (http2: ClientHttp2Session | null, why: number) => void;

/** What a connection to a server asks of the client's that it serves. */
export interface ServerSessionHost {
  /** A byte went one way or the other. */
  touched(bytes: number): void;
  serverEnded(server: ServerSession): void;
}

/** A connection to a server that speaks HTTP/2, for the streams of one client. */
export class ServerSession extends Timed implements SlotOwner {
  private readonly host: ServerSessionHost;
  private readonly session: Session;
  private readonly context: Context;
  private upstream: Upstream | null = null;
  private stream: SlotStream | null = null;
  private http2: ClientHttp2Session | null = null;
  private waiting: Waiting[] = [];
  private portChanges = 0;
  private hasEnded = false;

  constructor(host: ServerSessionHost, session: Session, context: Context) {
    super();
    this.host = host;
    this.session = session;
    this.context = context;
  }

  get netnsFd(): number {
    return this.session.route.listener.netnsFd;
  }

  /** It takes further streams: neither end has said that it goes. */
  get isUsable(): boolean {
    return !this.hasEnded && this.http2?.closed !== true && this.http2?.destroyed !== true;
  }

  /** Bytes that wait for the server. */
  get queued(): number {
    return this.upstream === null ? 0 : this.context.reactor.queued(this.upstream.slot);
  }

  /** Starts to connect. Returns why it can't, enum reason; 0: under way. */
  open(): number {
    const { budget, limits, nowMs, owners, timers, upstreams } = this.context;
    const { share } = this.session.route;
    if (!budget.admits(share, 1)) return reason['connection-limit'];
    const upstream = upstreams.open(this.session);
    if (upstream === undefined) return reason['upstream-unreachable'];
    share.servers++;
    this.upstream = upstream;
    owners.set(upstream.slot, this);
    timers.set(this, nowMs + limits.connectTimeoutMs);
    return reason.none;
  }

  /** Calls back at once, or when it is known whether there is a connection. */
  use(then: Waiting): void {
    if (this.http2 !== null) then(this.http2, reason.none);
    else if (this.hasEnded) then(null, reason['upstream-closed']);
    else this.waiting.push(then);
  }

  connected(_slot: number, errno: number): void {
    const { context, upstream } = this;
    if (upstream === null) return;
    if (errno !== 0) {
      this.letGo();
      const again = errno === EADDRNOTAVAIL && this.portChanges++ < PORT_CHANGES;
      const lack = again ? this.open() : reason['upstream-unreachable'];
      if (lack !== reason.none) this.finish(lack);
      return;
    }
    context.upstreams.connected(upstream);
    context.timers.clear(this);
    const stream = new SlotStream(context.reactor, upstream.slot);
    stream.on('error', () => {});
    stream.on('finish', () => context.act(() => this.finish(reason['upstream-closed'])));
    const http2 = connect('http://perigee', {
      ...serverSideOptions(context.limits),
      createConnection: () => stream,
    });
    http2.on('error', () => {});
    http2.on('close', () => context.act(() => this.finish(reason['upstream-closed'])));
    this.stream = stream;
    this.http2 = http2;
    this.tell(reason.none);
  }

  data(_slot: number, offset: number, length: number): void {
    this.host.touched(length);
    this.stream?.received(this.context.reactor.slab, offset, offset + length);
  }

  end(): void {
    this.stream?.ended();
  }

  failed(): void {
    this.finish(reason['upstream-closed']);
  }

  drained(): void {
    this.stream?.drained();
  }

  congested(): void {}
  relayEnded(): void {}
  reviewed(): void {}
  drain(): void {}

  terminate(why: number): void {
    this.finish(why);
  }

  override expired(): void {
    this.finish(reason['upstream-timeout']);
  }

  /** No stream is left that needs it. */
  leave(): void {
    this.http2?.close();
  }

  /** Ends it; whoever waits is told why. Streams that are open end with it. */
  finish(why: number): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.tell(why);
    this.http2?.destroy();
    this.stream?.destroy();
    this.letGo();
    this.host.serverEnded(this);
  }

  private tell(why: number): void {
    const { waiting } = this;
    this.waiting = [];
    for (const then of waiting) then(this.hasEnded ? null : this.http2, why);
  }

  private letGo(): void {
    const { upstream } = this;
    if (upstream === null) return;
    this.upstream = null;
    const { budget, owners, timers, upstreams } = this.context;
    const { share } = this.session.route;
    if (!upstream.isOpen) upstreams.connectFailed(upstream);
    share.servers--;
    timers.clear(this);
    owners.clear(upstream.slot);
    budget.close(share, upstream.slot);
  }
}
