// SPDX-License-Identifier: Apache-2.0

import { type Reactor, type ReactorLimits, slotIndex } from '../core/port/reactor.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { NativeReactor, ReactorNoun } from './native-reactor-types.ts';

// Operations, control words and table columns of native/src/reactor_protocol.h.
const SEND = 1;
const SHUTDOWN = 2;
const CLOSE = 3;
const RESET = 4;
const PAUSE = 5;
const RESUME = 6;
const CONNECT = 7;
const RELAY = 8;
const COMMANDS = 0;
const OUTBOX_USED = 1;
const TABLE_STRIDE = 4;
const TABLE_FD = 1;
const TABLE_QUEUED = 2;

const ADDRESS_BYTES = 16;
/** Up to here a loop beats the set-up of a subarray. */
const SHORT_COPY = 48;

const DEFAULT_LINGER_MS = 2000;
const DEFAULT_STALL_MS = 30_000;
const DEFAULT_TURN_ACCEPTS = 64;

/** The reactor on real sockets. Commands are records in memory that native code reads when `onBatch` has returned. */
export class SocketReactor implements Reactor {
  readonly events: Int32Array;
  readonly slab: Uint8Array;
  readonly outbox: Uint8Array;
  readonly stats: ReactorStats;
  onBatch: (count: number) => void = () => {};

  private readonly native: NativeReactor;
  private readonly commands: Int32Array;
  private readonly control: Int32Array;
  private readonly table: Int32Array;
  private readonly relayedBytes: Float64Array;
  private readonly commandRecords: number;
  private readonly slabBytes: number;
  private readonly outboxBytes: number;
  private inBatch = false;
  private scheduled = false;

  constructor(addon: ReactorNoun, limits: ReactorLimits) {
    const complete = {
      turnAccepts: DEFAULT_TURN_ACCEPTS,
      lingerMs: DEFAULT_LINGER_MS,
      stallMs: DEFAULT_STALL_MS,
      ...limits,
    };
    this.native = new addon.Reactor(complete, (count) => this.runBatch(count));
    this.events = this.native.events;
    this.slab = this.native.slab;
    this.outbox = this.native.outbox;
    this.stats = new ReactorStats(this.native.stats);
    this.commands = this.native.commands;
    this.control = this.native.control;
    this.table = this.native.table;
    this.relayedBytes = this.native.relayed;
    this.commandRecords = this.commands.length / 4;
    this.slabBytes = this.slab.length;
    this.outboxBytes = this.outbox.length;
  }

  listen(fd: number, tag: number): void {
    this.native.listen(fd, tag);
  }

  unlisten(fd: number): void {
    this.native.unlisten(fd);
  }

  adopt(fd: number): number {
    return this.native.adopt(fd);
  }

  connect(slot: number, address: Uint8Array, port: number, family: number): void {
    if (address.length !== ADDRESS_BYTES) throw outOfRange('an address has 16 bytes');
    if (!(port >= 0 && port <= 0xffff)) throw outOfRange(`port ${port}`);
    const offset = this.reserve(ADDRESS_BYTES);
    this.outbox.set(address, offset);
    this.queue(CONNECT, slot, this.slabBytes + offset, port | (family << 16));
  }

  send(slot: number, offset: number, length: number): void {
    if (offset + length > this.slabBytes)
      throw outOfRange(`send of ${length} bytes at ${offset} of the slab`);
    this.queue(SEND, slot, offset, length);
  }

  sendBytes(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (start < 0 || end > bytes.length)
      throw outOfRange(`send of ${start} to ${end} of ${bytes.length} bytes`);
    for (let from = start; from < end;) {
      const length = Math.min(end - from, this.outboxBytes);
      const offset = this.reserve(length);
      copy(bytes, from, length, this.outbox, offset);
      this.queue(SEND, slot, this.slabBytes + offset, length);
      from += length;
    }
  }

  reserve(length: number): number {
    if (!(length >= 0 && length <= this.outboxBytes)) throw outOfRange(`${length} bytes of outbox`);
    this.makeRoom(); // else the command for these bytes might flush them away
    let offset = this.control[OUTBOX_USED] as number;
    if (offset + length > this.outboxBytes) {
      this.flush();
      offset = 0;
    }
    this.control[OUTBOX_USED] = offset + length;
    return offset;
  }

  sendReserved(slot: number, offset: number, length: number): void {
    if (!(offset >= 0 && offset + length <= (this.control[OUTBOX_USED] as number))) {
      throw outOfRange(`send of ${length} bytes at ${offset} of the outbox`);
    }
    this.queue(SEND, slot, this.slabBytes + offset, length);
  }

  shutdown(slot: number): void {
    this.queue(SHUTDOWN, slot, 0, 0);
  }

  close(slot: number): void {
    this.queue(CLOSE, slot, 0, 0);
  }

  reset(slot: number): void {
    this.queue(RESET, slot, 0, 0);
  }

  pause(slot: number): void {
    this.queue(PAUSE, slot, 0, 0);
  }

  resume(slot: number): void {
    this.queue(RESUME, slot, 0, 0);
  }

  relay(slot: number, other: number): void {
    this.queue(RELAY, slot, other, 0);
  }

  relayed(slot: number): number {
    return this.table[slotIndex(slot) * TABLE_STRIDE] === slot
      ? (this.relayedBytes[slotIndex(slot)] as number)
      : 0;
  }

  queued(slot: number): number {
    const row = slotIndex(slot) * TABLE_STRIDE;
    return this.table[row] === slot ? (this.table[row + TABLE_QUEUED] as number) : 0;
  }

  fd(slot: number): number {
    const row = slotIndex(slot) * TABLE_STRIDE;
    return this.table[row] === slot ? (this.table[row + TABLE_FD] as number) : -1;
  }

  flush(): void {
    this.native.flush();
  }

  destroy(): void {
    this.native.destroy();
  }

  private runBatch(count: number): void {
    this.inBatch = true;
    try {
      this.onBatch(count);
    } finally {
      this.inBatch = false;
    }
  }

  private makeRoom(): void {
    if (this.control[COMMANDS] === this.commandRecords) this.flush();
  }

  private queue(operation: number, slot: number, a: number, b: number): void {
    this.makeRoom();
    const count = this.control[COMMANDS] as number;
    const at = count * 4;
    this.commands[at] = operation;
    this.commands[at + 1] = slot;
    this.commands[at + 2] = a;
    this.commands[at + 3] = b;
    this.control[COMMANDS] = count + 1;
    if (!this.inBatch && !this.scheduled) this.schedule();
  }

  private schedule(): void {
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.flush();
    });
  }
}

/** Counters in memory that native code writes: reading them costs no call. */
export class ReactorStats {
  private readonly words: Float64Array;

  constructor(words: Float64Array) {
    this.words = words;
  }

  get sockets(): number {
    return this.words[0] as number;
  }

  get queuedBytes(): number {
    return this.words[1] as number;
  }

  /** Looks at epoll. */
  get turns(): number {
    return this.words[2] as number;
  }

  /** Calls of onBatch. */
  get batches(): number {
    return this.words[3] as number;
  }
}

function outOfRange(what: string): PerigeeError {
  return new PerigeeError('ERR_REACTOR_RANGE', what);
}

function copy(from: Uint8Array, start: number, length: number, to: Uint8Array, offset: number): void {
  if (length > SHORT_COPY) {
    to.set(from.subarray(start, start + length), offset);
    return;
  }
  for (let i = 0; i < length; i++) to[offset + i] = from[start + i] as number;
}
