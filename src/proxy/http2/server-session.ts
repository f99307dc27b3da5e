// SPDX-License-Identifier: Apache-2.0
import { type ClientHttp2Session, connect } from 'node:http2';
import { reason } from '../../core/abi/reason.ts';
import type { Context } from '../context.ts';
import type { SlotOwner } from '../owner.ts';
import { ServerEnd } from '../server-end.ts';
import type { Session } from '../session.ts';
import { Timed } from '../timers.ts';
import { EADDRNOTAVAIL, PORT_CHANGES } from '../upstream.ts';
import { serverSideOptions } from './session-options.ts';
import { SlotStream } from './slot-stream.ts';

/** A stream that needs a session with a server. */
export interface ServerUser {
  /** There is one. */
  served(http2: ClientHttp2Session): void;
  /** There is none, or none any more: why, enum reason. */
  lost(why: number): void;
}

/** What a connection to a server asks of the client's that it serves. */
export interface ServerSessionHost {
  /** Runs what may fail; a fault ends the client's connection. */
  guarded(action: () => void): void;
  /** A byte went one way or the other. */
  touched(bytes: number): void;
  serverEnded(server: ServerSession): void;
  terminate(why: number): void;
}

/** A connection to a server that speaks HTTP/2, for the streams of one client. */
export class ServerSession extends Timed implements SlotOwner {
  readonly netnsFd: number;
  private readonly host: ServerSessionHost;
  private readonly context: Context;
  private readonly server: ServerEnd;
  private readonly users = new Set<ServerUser>();
  private stream: SlotStream | null = null;
  private http2: ClientHttp2Session | null = null;
  private portChanges = 0;
  /** The server has said its last, or is gone. */
  private hasLeft = false;
  private hasEnded = false;

  constructor(host: ServerSessionHost, session: Session, context: Context) {
    super();
    this.host = host;
    this.context = context;
    this.server = new ServerEnd(this, session, context);
    this.netnsFd = session.route.listener.netnsFd;
  }

  /** It takes further streams: neither end has said that it goes. */
  get isUsable(): boolean {
    const { hasEnded, hasLeft, http2 } = this;
    return !hasEnded && !hasLeft && http2?.closed !== true && http2?.destroyed !== true;
  }

  /** Bytes that wait for the server. */
  get queued(): number {
    const { slot } = this.server;
    return slot < 0 ? 0 : this.context.reactor.queued(slot);
  }

  /** Starts to connect. Returns why it can't, enum reason; 0: under way. */
  open(): number {
    const { limits, nowMs, timers } = this.context;
    const lack = this.server.open(false);
    if (lack === reason.none) timers.set(this, nowMs + limits.connectTimeoutMs);
    return lack;
  }

  /** Tells the user at once, or when it is known, whether there is a connection, and when it is lost. */
  use(user: ServerUser): void {
    this.users.add(user);
    if (this.http2 !== null) user.served(this.http2);
  }

  leave(user: ServerUser): void {
    this.users.delete(user);
    this.endUnused();
  }

  connected(_slot: number, errno: number): void {
    const { context, host, server } = this;
    if (server.slot < 0) return;
    context.timers.clear(this);
    if (errno !== 0) {
      server.drop(true);
      const again = errno === EADDRNOTAVAIL && this.portChanges++ < PORT_CHANGES;
      const lack = again ? this.open() : reason['upstream-unreachable'];
      if (lack !== reason.none) this.finish(lack);
      return;
    }
    server.connected();
    const stream = new SlotStream(context.reactor, server.slot);
    stream.on('error', () => {});
    // Before Node.js hears of it, and ends the streams as if their responses were whole.
    stream.on('end', () => this.lose(reason['upstream-closed']));
    const ended = (): void => host.guarded(() => this.finish(reason['upstream-closed']));
    stream.on('finish', ended);
    const http2 = connect('http://perigee', {
      ...serverSideOptions(context.limits),
      createConnection: () => stream,
    });
    http2.on('error', () => {});
    http2.on('close', ended);
    this.stream = stream;
    this.http2 = http2;
    this.tell((user) => user.served(http2));
  }

  data(_slot: number, offset: number, length: number): void {
    this.host.touched(length);
    this.stream?.received(this.context.reactor.slab, offset, offset + length);
  }

  end(): void {
    this.left();
  }

  failed(): void {
    this.left();
  }

  drained(): void {
    this.stream?.drained();
  }

  congested(): void {}
  relayEnded(): void {}
  reviewed(): void {}
  drain(): void {}

  terminate(why: number): void {
    this.host.terminate(why);
  }

  override expired(): void {
    this.finish(reason['upstream-timeout']);
  }

  /** Ends it, and the streams that still need it. */
  finish(why: number): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.lose(why);
    this.users.clear();
    this.http2?.destroy();
    this.stream?.destroy();
    this.context.timers.clear(this);
    this.server.drop(false);
    this.host.serverEnded(this);
  }

  /** What has come whole may still wait for the client: Node.js would drop it with the session. */
  private left(): void {
    const { stream } = this;
    this.hasLeft = true;
    if (stream === null) this.finish(reason['upstream-closed']);
    else if (stream.readableLength > 0) stream.ended();
    else {
      this.lose(reason['upstream-closed']);
      this.endUnused();
    }
  }

  private endUnused(): void {
    if (this.hasLeft && this.users.size === 0) this.stream?.ended();
  }

  private lose(why: number): void {
    this.tell((user) => user.lost(why));
  }

  /** A fault on behalf of one doesn't keep the others from hearing. */
  private tell(what: (user: ServerUser) => void): void {
    for (const user of [...this.users]) this.host.guarded(() => what(user));
  }
}
