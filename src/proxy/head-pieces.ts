// SPDX-License-Identifier: Apache-2.0
import { HeaderId } from '../core/automaton/executor.ts';
import type { HeadMachine } from '../core/automaton/head-machine.ts';
import type { Reactor } from '../core/port/reactor.ts';
import { copyBytes } from './bytes.ts';
import { nominatedLines } from './nominated.ts';

/** Lines that belong to one hop (RFC 9110 7.6.1, and Proxy-Connection). Bit n is header number n. */
const HOP_LINES =
  (1 << HeaderId.Connection) |
  (1 << HeaderId.KeepAlive) |
  (1 << HeaderId.ProxyConnection) |
  (1 << HeaderId.Te) |
  (1 << HeaderId.Upgrade);

/** What our own hop says in place of the lines taken out. */
export const Hop = {
  none: Buffer.alloc(0),
  close: Buffer.from('connection: close\r\n', 'latin1'),
  upgrade: Buffer.from('connection: upgrade\r\n', 'latin1'),
} as const;

const CRLF_BYTES = 2;

/** A request's or a response's. */
interface Head extends HeadMachine {
  readonly nominates: boolean;
}

/**
 * What is left of a head when its hop-by-hop lines are taken out: a few runs of its bytes, sent from where they
 * lie. Positions count from the head's first byte.
 */
export class HeadPieces {
  /** Bytes that `send` and `copy` make of the head. */
  length = 0;
  private drops = new Int32Array(64);
  private count = 0;
  private headLength = 0;
  private hop: Buffer = Hop.none;

  /** Plans a head that lies at `start` of `bytes`. With `Hop.upgrade` the Upgrade line goes on. */
  plan(head: Head, bytes: Uint8Array, start: number, hop: Buffer): void {
    this.count = 0;
    this.hop = hop;
    this.headLength = head.length;
    const lines = hop === Hop.upgrade ? HOP_LINES & ~(1 << HeaderId.Upgrade) : HOP_LINES;
    for (let index = 0; index < head.lines; index++) {
      const id = head.lineId(index);
      if (id < 31 && (lines & (1 << id)) !== 0) this.drop(head.lineStart(index), head.lineEnd(index));
    }
    if (head.nominates) for (const [from, to] of nominatedLines(head, bytes, start)) this.drop(from, to);
    this.length = this.headLength + hop.length;
    for (let i = 0; i < this.count; i += 2)
      this.length -= (this.drops[i + 1] as number) - (this.drops[i] as number);
  }

  /** Where a position of the head ends up. */
  moved(position: number): number {
    let shift = 0;
    for (let i = 0; i < this.count && (this.drops[i] as number) < position; i += 2)
      shift += (this.drops[i + 1] as number) - (this.drops[i] as number);
    return position - shift;
  }

  /** Queues the head and the `more` bytes that follow it in the same buffer. */
  send(reactor: Reactor, slot: number, bytes: Uint8Array, start: number, more: number): void {
    let from = start;
    for (let i = 0; i < this.count; i += 2) {
      emit(reactor, slot, bytes, from, start + (this.drops[i] as number));
      from = start + (this.drops[i + 1] as number);
    }
    const end = start + this.headLength;
    if (this.hop.length > 0) {
      emit(reactor, slot, bytes, from, end - CRLF_BYTES);
      reactor.sendBytes(slot, this.hop, 0, this.hop.length);
      from = end - CRLF_BYTES;
    }
    emit(reactor, slot, bytes, from, end + more);
  }

  /** Copies the first `room` bytes of what `send` sends. */
  copy(bytes: Uint8Array, start: number, to: Uint8Array, room: number): void {
    let from = start;
    let at = 0;
    for (let i = 0; i <= this.count && at < room; i += 2) {
      const last = i === this.count;
      const end =
        start + (last ? this.headLength - (this.hop.length > 0 ? CRLF_BYTES : 0) : (this.drops[i] as number));
      const taken = Math.min(end - from, room - at);
      copyBytes(bytes, from, from + taken, to, at);
      at += taken;
      if (!last) from = start + (this.drops[i + 1] as number);
    }
    if (this.hop.length === 0 || at + this.hop.length + CRLF_BYTES > room) return;
    to.set(this.hop, at);
    to[at + this.hop.length] = 0x0d;
    to[at + this.hop.length + 1] = 0x0a;
  }

  /** Keeps the drops in order; a line that is dropped twice counts once. */
  private drop(from: number, to: number): void {
    if (this.count === this.drops.length) {
      const grown = new Int32Array(this.drops.length * 2);
      grown.set(this.drops);
      this.drops = grown;
    }
    let at = this.count;
    while (at > 0 && (this.drops[at - 2] as number) > from) at -= 2;
    if (at > 0 && this.drops[at - 2] === from) return;
    this.drops.copyWithin(at + 2, at, this.count);
    this.drops[at] = from;
    this.drops[at + 1] = to;
    this.count += 2;
  }
}

/** Queues bytes from where they lie: in the slab without a copy, else through the outbox. */
export function emit(reactor: Reactor, slot: number, bytes: Uint8Array, start: number, end: number): void {
  if (end <= start) return;
  if (bytes === reactor.slab) reactor.send(slot, start, end - start);
  else reactor.sendBytes(slot, bytes, start, end);
}
