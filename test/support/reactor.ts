// SPDX-License-Identifier: Apache-2.0
// A reactor on loopback sockets whose events a test can wait for.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { EVENT_STRIDE, ReactorEvent, type ReactorLimits } from '../../src/core/port/reactor.ts';
import { loadNative, type Native } from '../../src/datapath/native.ts';
import { SocketReactor } from '../../src/datapath/reactor.ts';

export type EventName = keyof typeof ReactorEvent;

export interface SeenEvent {
  readonly kind: EventName;
  readonly slot: number;
  readonly a: number;
  readonly b: number;
  /** Copy of a data event's bytes. */
  readonly bytes: Buffer;
  /** Batches before this one. */
  readonly batch: number;
}

const names = new Map(
  Object.entries(ReactorEvent).map(([name, kind]) => [kind as number, name as EventName]),
);

export const smallLimits: ReactorLimits = {
  sockets: 2048,
  readBytes: 16 * 1024,
  turnSockets: 64,
  highWater: 64 * 1024,
  queueBytes: 1024 * 1024,
  lingerMs: 300,
  stallMs: 300,
};

/** The addon; PERIGEE_ADDON names another build of it (with sanitizers, say). */
export function addon(): Native {
  return loadNative(process.env['PERIGEE_ADDON']);
}

export class ReactorBench implements Disposable {
  readonly native: Native = addon();
  readonly reactor: SocketReactor;
  readonly seen: SeenEvent[] = [];
  /** Runs inside of onBatch. */
  onEvent: (event: SeenEvent) => void = () => {};
  private readonly listeners: number[] = [];
  private wake: () => void = () => {};
  private batches = 0;

  constructor(limits: Partial<ReactorLimits> = {}) {
    this.reactor = new SocketReactor(this.native, { ...smallLimits, ...limits });
    this.reactor.onBatch = (count) => this.take(count);
  }

  /** A listener that the reactor accepts from; returns its port. */
  listen(family: 4 | 6 = 4, tag = 0): number {
    const address = family === 4 ? '127.0.0.1' : '::1';
    const { fd, port } = this.native.sockets.openListener({
      netnsFd: null,
      family,
      address,
      port: 0,
      backlog: 1024,
    });
    this.listeners.push(fd);
    this.reactor.listen(fd, tag);
    return port;
  }

  /** Connects through the reactor, returns the slot at once. */
  dial(port: number, family: 4 | 6 = 4): number {
    const slot = this.reactor.adopt(this.native.sockets.openStream({ netnsFd: null, family }).fd);
    this.reactor.connect(slot, loopback(family), port, family);
    return slot;
  }

  /** A node:net client, and its accepted slot. One at a time. */
  async pair(port: number): Promise<{ client: net.Socket; slot: number }> {
    const before = this.seen.length;
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.on('error', () => {});
    await once(client, 'connect');
    const accepted = await this.until((event) => event.kind === 'accepted', before);
    return { client, slot: accepted.slot };
  }

  /** The first event, past or to come, that fits. */
  async until(fits: (event: SeenEvent) => boolean, from = 0): Promise<SeenEvent> {
    for (;;) {
      const found = this.seen.slice(from).find(fits);
      if (found !== undefined) return found;
      from = this.seen.length;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  of(kind: EventName, slot: number): Promise<SeenEvent> {
    return this.until((event) => event.kind === kind && event.slot === slot);
  }

  kinds(slot: number): EventName[] {
    return this.seen.filter((event) => event.slot === slot).map((event) => event.kind);
  }

  bytes(slot: number): Buffer {
    return Buffer.concat(this.seen.filter((event) => event.slot === slot).map((event) => event.bytes));
  }

  /** Waits until so many bytes of a slot have arrived. */
  async received(slot: number, length: number): Promise<Buffer> {
    let sum = 0;
    await this.until((event) => event.slot === slot && (sum += event.bytes.length) >= length);
    return this.bytes(slot);
  }

  /** Waits until no socket is open, lingering ones included. */
  async emptied(): Promise<void> {
    while (this.reactor.stats.sockets > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  [Symbol.dispose](): void {
    this.reactor.destroy();
    for (const fd of this.listeners) this.native.sockets.close(fd);
  }

  private take(count: number): void {
    for (let at = 0; at < count * EVENT_STRIDE; at += EVENT_STRIDE) {
      const [kind = 0, slot = 0, a = 0, b = 0] = this.reactor.events.subarray(at, at + EVENT_STRIDE);
      const name = names.get(kind) ?? assert.fail(`event of kind ${kind}`);
      const bytes = name === 'data' ? Buffer.from(this.reactor.slab.subarray(a, a + b)) : Buffer.alloc(0);
      const event = { kind: name, slot, a, b, bytes, batch: this.batches };
      this.seen.push(event);
      this.onEvent(event);
    }
    this.batches++;
    this.wake();
  }
}

/** The loopback address as 16 bytes. */
export function loopback(family: 4 | 6): Uint8Array {
  return family === 4
    ? Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1)
    : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
}

/** Bytes that differ wherever pieces are swapped, lost or repeated. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i ^ ((i >> 8) * 7) ^ ((i >> 16) * 13)) & 0xff;
  return bytes;
}

/** All that a socket delivers until its FIN. Leaves its other direction open. */
export function readAll(socket: net.Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.once('end', () => resolve(Buffer.concat(parts)));
    socket.once('error', reject);
    socket.resume();
  });
}
