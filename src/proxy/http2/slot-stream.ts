// SPDX-License-Identifier: Apache-2.0
import { Duplex } from 'node:stream';
import type { Reactor } from '../../core/port/reactor.ts';

type Done = (error?: Error | null) => void;

/** A slot of the reactor as a stream of Node's, for its HTTP/2. Whoever owns the slot tells it what happens there. */
export class SlotStream extends Duplex {
  private readonly reactor: Reactor;
  private readonly slot: number;
  /** The reader has had enough: the slot isn't read. */
  isHeld = false;
  /** A write whose bytes the kernel has not taken yet: the writer waits. */
  private waiting: Done | null = null;

  constructor(reactor: Reactor, slot: number) {
    super({ allowHalfOpen: true });
    this.reactor = reactor;
    this.slot = slot;
  }

  /** Takes bytes of this turn. */
  received(bytes: Uint8Array, start: number, end: number): void {
    if (this.readableEnded || this.destroyed) return;
    // The reader keeps them beyond the turn.
    if (this.push(Buffer.from(bytes.subarray(start, end))) || this.isHeld) return;
    this.isHeld = true;
    this.reactor.pause(this.slot);
  }

  ended(): void {
    if (!this.destroyed) this.push(null);
  }

  drained(): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.();
  }

  override _read(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.reactor.resume(this.slot);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.reactor.sendBytes(this.slot, chunk, 0, chunk.length);
    this.written(done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    for (const { chunk } of chunks) this.reactor.sendBytes(this.slot, chunk, 0, chunk.length);
    this.written(done);
  }

  override _final(done: Done): void {
    this.reactor.shutdown(this.slot);
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.waiting = null;
    done(error);
  }

  /** What did not fit is reported as drained later. */
  private written(done: Done): void {
    this.reactor.flush();
    if (this.reactor.queued(this.slot) > 0) this.waiting = done;
    else done();
  }
}
