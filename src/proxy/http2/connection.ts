// SPDX-License-Identifier: Apache-2.0
import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import { reason } from '../../core/abi/reason.ts';
import { Connection } from '../connection.ts';
import type { Context } from '../context.ts';
import { Mode, type PolicyTable } from '../policy.ts';
import type { Session } from '../session.ts';
import { FrameWatch } from './frame-watch.ts';
import { clientSideOptions } from './session-options.ts';
import { ServerSession, type ServerSessionHost, type ServerUser } from './server-session.ts';
import { SlotStream } from './slot-stream.ts';
import type { ClientStream, StreamHost } from './stream-host.ts';
import { StreamRelay } from './stream-relay.ts';

/** What is held is summed up again after so many bytes more. */
const LOOK_BYTES = 65536;

/** A client's HTTP/2 connection: its streams are judged one by one and go on to the server over HTTP/2. */
export class Http2Connection extends Connection implements StreamHost, ServerSessionHost {
  private readonly stream: SlotStream;
  private readonly http2: ServerHttp2Session;
  private readonly streams = new Set<StreamRelay>();
  private readonly servers = new Set<ServerSession>();
  /** Takes new streams. */
  private server: ServerSession | null = null;
  private readonly frames = new FrameWatch();
  /** Heads whose deadline is set. */
  private heads = 0;
  private unseen = 0;
  /** Either end has said that it goes: then the end of the session is no surprise. */
  private isLeaving = false;

  constructor(session: Session, context: Context) {
    super(session, context);
    this.stream = new SlotStream(context.reactor, session.client);
    this.stream.on('error', () => {});
    this.stream.on('finish', () => context.act(() => this.finish()));
    this.http2 = performServerHandshake(this.stream, clientSideOptions(context.limits));
    this.http2.on('stream', (stream, headers, flags, raw) => {
      this.guarded(() => this.begun({ stream, headers, flags, raw }));
    });
    this.http2.on('goaway', () => (this.isLeaving = true));
    this.http2.on('error', () => {});
    this.http2.on('close', () => context.act(() => this.finish()));
    this.touch();
  }

  /** Takes bytes that were read before it began. */
  takeOver(bytes: Uint8Array): void {
    this.read(bytes, 0, bytes.length);
  }

  data(_slot: number, offset: number, length: number): void {
    this.read(this.context.reactor.slab, offset, offset + length);
  }

  /** Nobody speaks HTTP/2 one way: a client that has sent FIN is gone. */
  end(): void {
    this.abandon(reason.none);
  }

  failed(): void {
    this.abandon(reason.none);
  }

  drained(): void {
    this.stream.drained();
  }

  connected(): void {}
  congested(): void {}
  relayEnded(): void {}

  reviewed(policy: PolicyTable): void {
    const ruling = this.session.route.rulingOf(policy);
    if (ruling.mode === Mode.deny || !this.context.rules.keepsHttp2(ruling))
      this.abandon(reason['policy-changed']);
    else for (const stream of [...this.streams]) stream.reviewed();
  }

  override drain(): void {
    this.isLeaving = true;
    this.http2.close();
  }

  terminate(why: number): void {
    this.abandon(why);
  }

  override expired(): void {
    if (!this.frames.isInHead) this.stoodStill();
    else if (!this.stream.isHeld) this.abandon(reason['http-head-timeout']);
    // A client that isn't read can't finish.
    else this.touch();
  }

  // What its streams and servers ask for.

  guarded(action: () => void): void {
    this.context.act(() => {
      try {
        action();
      } catch (error) {
        this.abandon(reason['proxy-internal']);
        throw error;
      }
    });
  }

  openServer(user: ServerUser): void {
    if (this.server?.isUsable !== true) {
      const server = new ServerSession(this, this.session, this.context);
      const lack = server.open();
      if (lack !== reason.none) {
        user.lost(lack);
        return;
      }
      this.servers.add(server);
      this.server = server;
    }
    this.server.use(user);
  }

  serverEnded(server: ServerSession): void {
    this.servers.delete(server);
    if (this.server === server) this.server = null;
  }

  streamGone(stream: StreamRelay): void {
    if (!this.streams.delete(stream)) return;
    this.session.route.share.streams--;
    for (const server of this.servers) server.leave(stream);
  }

  touched(bytes: number): void {
    // An unfinished head has a deadline of its own, which no byte moves.
    if (!this.frames.isInHead) this.touch();
    this.unseen += bytes;
    if (this.unseen < LOOK_BYTES) return;
    this.unseen = 0;
    if (!this.chargeAll()) this.abandon(reason['memory-limit']);
  }

  private read(bytes: Uint8Array, start: number, end: number): void {
    const { context, frames } = this;
    frames.read(bytes, start, end);
    if (frames.isInHead && frames.begun !== this.heads)
      context.timers.set(this, context.nowMs + context.limits.headTimeoutMs);
    this.heads = frames.begun;
    this.touched(end - start);
    if (!this.hasEnded) this.stream.received(bytes, start, end);
  }

  /** No byte went either way: where a response is due it is made up, and that ends the connection as well. */
  private stoodStill(): void {
    const open = [...this.streams].filter(({ isOver }) => !isOver);
    for (const stream of open) stream.lost(reason['upstream-timeout']);
    if (open.every(({ isOver }) => !isOver)) {
      this.abandon(reason['idle-timeout']);
      return;
    }
    this.drain();
    this.touch();
  }

  private begun(stream: ClientStream): void {
    const { context, session } = this;
    if (this.hasEnded) return;
    const { share } = session.route;
    const relay = new StreamRelay(this, session, context, stream);
    const isOver = share.streams >= context.limits.connectionsPerWorkload;
    this.streams.add(relay);
    share.streams++;
    if (isOver) relay.refuse(reason['connection-limit']);
    else if (!this.chargeAll()) relay.refuse(reason['memory-limit']);
    else relay.begin();
    // A client that came while the proxy leaves: this stream is served, for the next one it connects again.
    if (context.isDraining) this.drain();
  }

  private chargeAll(): boolean {
    const { reactor } = this.context;
    let bytes = reactor.queued(this.session.client);
    for (const server of this.servers) bytes += server.queued;
    for (const stream of this.streams) bytes += stream.held;
    return this.charge(bytes);
  }

  /** The session has come to its end, and what it had to say is queued. nghttp2 ends those that break its rules. */
  private finish(): void {
    if (this.hasEnded) return;
    const why = this.isLeaving ? reason.none : reason['http2-violation'];
    this.ends(why);
    this.stop(why);
    this.release();
    this.context.budget.close(this.session.route.share, this.session.client);
  }

  /** An end in the middle. */
  private abandon(why: number): void {
    if (this.hasEnded) return;
    const isTold = [...this.streams].some(({ isOver }) => !isOver);
    if (!isTold) this.ends(why);
    this.stop(why);
    this.release();
    this.context.reactor.reset(this.session.client);
    this.http2.destroy();
    this.stream.destroy();
  }

  private stop(why: number): void {
    for (const stream of [...this.streams]) {
      stream.abandon(why);
      this.streamGone(stream);
    }
    for (const server of [...this.servers]) server.finish(why);
  }
}
