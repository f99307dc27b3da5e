// SPDX-License-Identifier: Apache-2.0
import { reason } from '../core/abi/reason.ts';
import { Backpressure } from './backpressure.ts';
import type { Context } from './context.ts';
import { Relay } from './relay.ts';
import type { Session } from './session.ts';
import { Watch } from './watch.ts';

/**
 * A relay that looks along, for destinations where policies in Audit mode read requests and nothing else does. Bytes
 * pass as they are, both ways from the first on; once they can't be read any more it is a relay like any other.
 */
export class Tap extends Relay {
  private readonly watch: Watch;
  private readonly pressure: Backpressure;
  /** Whoever has sent FIN; it was passed on. */
  private clientEnded = false;
  private serverEnded = false;

  static override start(session: Session, context: Context): void {
    const tap = new Tap(session, context);
    context.reactor.pause(session.client);
    tap.connect();
  }

  private constructor(session: Session, context: Context) {
    super(session, context, null);
    this.watch = new Watch(session, context);
    this.pressure = new Backpressure(context.reactor, session.client);
  }

  override data(slot: number, offset: number, length: number): void {
    super.data(slot, offset, length);
    const { watch } = this;
    if (watch.isOver || this.hasEnded) return;
    const { slab } = this.context.reactor;
    this.touch();
    if (slot === this.session.client) watch.fromClient(slab, offset, offset + length);
    else watch.fromServer(slab, offset, offset + length);
    if (!this.charge(watch.heldBytes + this.pressure.clientQueue + this.pressure.serverQueue))
      watch.stop(reason.none);
    this.handOver();
  }

  override end(slot: number): void {
    if (this.isRelayed) return;
    const { reactor } = this.context;
    if (slot === this.session.client) {
      this.clientEnded = true;
      reactor.shutdown(this.server);
    } else {
      this.serverEnded = true;
      this.watch.serverEnded();
      reactor.shutdown(this.session.client);
    }
    if (this.clientEnded && this.serverEnded) this.finish(reason.none, true);
  }

  override drained(slot: number): void {
    if (this.isRelayed) return;
    if (slot === this.session.client) this.pressure.clientDrained(this.server);
    else this.pressure.serverDrained();
  }

  override congested(slot: number, bytes: number): void {
    if (this.isRelayed) return;
    if (slot === this.session.client) this.pressure.clientCongested(bytes, this.server);
    else this.pressure.serverCongested(bytes);
  }

  protected override join(): void {
    this.isConnected = true;
    this.context.reactor.resume(this.session.client);
    this.touch();
    this.handOver();
  }

  protected override finish(why: number, isWhole = false): void {
    if (!this.watch.isOver) this.watch.stop(why);
    super.finish(why, isWhole);
  }

  /** Once nothing is looked at any more, native code carries the bytes. */
  private handOver(): void {
    if (!this.watch.isOver || !this.isConnected) return;
    // The reactor would not pass on a FIN that it has reported already.
    if (this.clientEnded || this.serverEnded) return;
    const { reactor } = this.context;
    this.charge(0);
    if (this.pressure.clientQueue > 0) reactor.resume(this.server);
    super.join();
  }
}
