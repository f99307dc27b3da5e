// SPDX-License-Identifier: Apache-2.0
import { HeadStatus } from '../core/automaton/executor.ts';
import { reason } from '../core/abi/reason.ts';
import { Connection } from './connection.ts';
import type { Context } from './context.ts';
import { Mode, type PolicyTable } from './policy.ts';
import type { Session } from './session.ts';
import { EADDRNOTAVAIL, PORT_CHANGES, type Upstream } from './upstream.ts';

/**
 * Opaque TCP between a client and a server: for destinations that no HTTP rule governs, and for tunnels that a request
 * has opened. Nothing is looked at, so a server that speaks first is not kept waiting.
 */
export class Relay extends Connection {
  private upstream: Upstream | null = null;
  /** Native code carries the bytes. */
  protected isRelayed = false;
  protected isConnected = false;
  private portChanges = 0;
  /** The head that opened a tunnel: a later policy judges it again. */
  private readonly opener: Uint8Array | null;
  /** Bytes at the last look, for the idle time-out. */
  private seen = 0;
  /** Bytes that were carried here, before native code does. */
  private carriedHere = 0;

  /** Connects a client that policy lets through as it is. */
  static start(session: Session, context: Context): void {
    const relay = new Relay(session, context, null);
    context.reactor.pause(session.client);
    relay.connect();
  }

  /** Takes over both ends of an exchange whose request became a tunnel. */
  static tunnel(session: Session, context: Context, upstream: Upstream, opener: Uint8Array): void {
    const relay = new Relay(session, context, opener);
    relay.upstream = upstream;
    context.owners.set(upstream.slot, relay);
    relay.join();
  }

  protected constructor(session: Session, context: Context, opener: Uint8Array | null) {
    super(session, context);
    session.route.share.servers++;
    this.opener = opener;
  }

  connected(_slot: number, errno: number): void {
    if (errno === EADDRNOTAVAIL && this.carriedHere === 0 && this.portChanges++ < PORT_CHANGES)
      this.reconnect();
    else if (errno !== 0) this.finish(reason['upstream-unreachable']);
    else {
      if (this.upstream !== null) this.context.upstreams.connected(this.upstream);
      this.join();
    }
  }

  /** Also what was read in the turn in which the relay began, before it did. */
  data(slot: number, offset: number, length: number): void {
    const { client } = this.session;
    this.carriedHere += length;
    this.context.reactor.send(slot === client ? this.server : client, offset, length);
  }

  /** The reactor remembers it, and passes it on when the relay is up. */
  end(_slot: number): void {}

  failed(slot: number): void {
    this.finish(slot === this.session.client ? reason.none : reason['upstream-closed']);
  }

  drained(_slot: number): void {}
  congested(_slot: number, _bytes: number): void {}

  relayEnded(): void {
    this.finish(reason.none);
  }

  reviewed(policy: PolicyTable): void {
    if (!this.mayStay(policy)) this.finish(reason['policy-changed']);
  }

  terminate(why: number): void {
    this.finish(why);
  }

  override expired(): void {
    if (!this.isConnected) {
      this.finish(reason['upstream-timeout']);
      return;
    }
    const bytes = this.carried();
    if (bytes === this.seen) this.finish(reason['idle-timeout']);
    else {
      this.seen = bytes;
      this.touch();
    }
  }

  protected connect(): void {
    const { context, session } = this;
    const upstream = context.upstreams.open(session);
    if (upstream === undefined) {
      this.finish(reason['upstream-unreachable']);
      return;
    }
    this.upstream = upstream;
    context.owners.set(upstream.slot, this);
    context.timers.set(this, context.nowMs + context.limits.connectTimeoutMs);
  }

  private reconnect(): void {
    if (this.upstream !== null) {
      this.context.upstreams.connectFailed(this.upstream);
      this.context.owners.clear(this.upstream.slot);
    }
    this.upstream = null;
    this.connect();
  }

  protected get server(): number {
    return this.upstream === null ? -1 : this.upstream.slot;
  }

  protected join(): void {
    const { reactor } = this.context;
    reactor.resume(this.session.client);
    reactor.relay(this.session.client, this.server);
    this.isRelayed = this.isConnected = true;
    this.touch();
  }

  /** Where requests now decide, an opaque stream can't stay: nobody knows where in a request it stands. */
  private mayStay(policy: PolicyTable): boolean {
    const { context, opener } = this;
    const ruling = this.session.route.rulingOf(policy);
    if (ruling.mode !== Mode.http) return ruling.mode !== Mode.deny;
    if (opener === null) return false;
    const gate = context.gates.current;
    gate.begin(context.rules, ruling);
    if (gate.run(opener, 0, opener.length) !== HeadStatus.Done) return false;
    gate.judge(opener, 0);
    return gate.allowed;
  }

  private carried(): number {
    const { reactor } = this.context;
    const relayed = this.isRelayed ? reactor.relayed(this.session.client) + reactor.relayed(this.server) : 0;
    return this.carriedHere + relayed;
  }

  /** Resetting a slot that is gone does nothing. `isWhole`: both ends have sent FIN, what is queued still goes out. */
  protected finish(why: number, isWhole = false): void {
    const { owners, reactor, upstreams } = this.context;
    if (this.hasEnded) return;
    this.ends(why);
    if (this.upstream !== null) {
      if (!this.upstream.isOpen) upstreams.connectFailed(this.upstream);
      owners.clear(this.upstream.slot);
      if (isWhole) reactor.close(this.upstream.slot);
      else reactor.reset(this.upstream.slot);
    }
    if (isWhole) reactor.close(this.session.client);
    else reactor.reset(this.session.client);
    this.session.route.share.servers--;
    this.release();
  }
}
