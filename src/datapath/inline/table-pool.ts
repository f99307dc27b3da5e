// SPDX-License-Identifier: Apache-2.0
import { tableDigest } from '../../core/automaton/digest.ts';
import { HEADER_BYTES, HeaderWord, MAGIC } from '../../core/automaton/format.ts';

/** The head of the pool holds its directory; tables follow on boundaries of 64 bytes. */
const DIRECTORY_BYTES = 65536;
const ENTRY_BYTES = 32;
const FIRST_ENTRY = 32;
const MAX_ENTRIES = (DIRECTORY_BYTES - FIRST_ENTRY) / ENTRY_BYTES;
const ALIGNMENT = 64;
const DIRECTORY_MAGIC = 0x4c4f4f50; // "POOL"
/** Offset in a table of the number that changes with the bytes there: bpf/lib/tables.h. */
const SERIAL_AT = 31 * 4;

const Header = { Magic: 0, Entries: 4, NextSerial: 8 } as const;

interface Entry {
  readonly digest: string;
  readonly offset: number;
  readonly length: number;
  /** When nothing referred to it any more, ms; undefined: in use. */
  retiredAt: number | undefined;
}

/** Lends the memory for the time of a call: it is large, and seldom needed. */
export type PoolMemory = <Result>(use: (memory: Buffer) => Result) => Result;

export interface PoolClock {
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** How long a table that nothing refers to stays whole, ms: heads that are being read with it end on it. */
export const RETIRED_MS = 15_000;
/** From then on its readers refuse; after as much again its bytes may be written over. */
const CLEARED_MS = 1_000;

/**
 * Gives tables their places in the memory that the kernel reads them from. The directory lies in the same memory, so
 * that a new agent finds what an earlier one placed: equal bytes keep their offset.
 */
export class TablePool {
  readonly #memory: PoolMemory;
  readonly #size: number;
  readonly #clock: PoolClock;
  /** By digest. */
  readonly #entries = new Map<string, Entry>();
  /** Places that were cleared: not to be written over before this time, ms. */
  readonly #cleared: { readonly offset: number; readonly length: number; readonly until: number }[] = [];
  readonly #digests = new WeakMap<Uint8Array, string>();

  constructor(memory: PoolMemory, clock: PoolClock) {
    this.#memory = memory;
    this.#clock = clock;
    this.#size = memory((bytes) => {
      if (bytes.readUInt32LE(Header.Magic) !== DIRECTORY_MAGIC) format(bytes);
      this.#read(bytes);
      return bytes.length;
    });
  }

  /** Bytes of tables that are in place. */
  get used(): number {
    return [...this.#entries.values()].reduce((sum, { length }) => sum + length, 0);
  }

  get tables(): number {
    return this.#entries.size;
  }

  holds(table: Uint8Array): boolean {
    return this.#entries.has(this.#digestOf(table));
  }

  /** Offset of a table, written if it is new; undefined: there is no room. */
  place(table: Uint8Array): number | undefined {
    const digest = this.#digestOf(table);
    const known = this.#entries.get(digest);
    if (known !== undefined) {
      known.retiredAt = undefined;
      return known.offset;
    }
    const offset = this.#room(table.byteLength);
    if (offset === undefined || this.#entries.size === MAX_ENTRIES) return undefined;
    this.#memory((memory) => {
      const serial = memory.readUInt32LE(Header.NextSerial);
      memory.writeUInt32LE(serial === 0xffffffff ? 1 : serial + 1, Header.NextSerial);
      memory.set(table, offset);
      memory.writeUInt32LE(serial, offset + SERIAL_AT);
      this.#entries.set(digest, { digest, offset, length: table.byteLength, retiredAt: undefined });
      this.#write(memory);
    });
    return offset;
  }

  /** What is not among these may go, once heads that are being read have had time to end. */
  retain(tables: Iterable<Uint8Array>): void {
    const wanted = new Set<string>();
    for (const table of tables) wanted.add(this.#digestOf(table));
    const now = this.#clock.now();
    for (const entry of this.#entries.values()) {
      if (wanted.has(entry.digest)) entry.retiredAt = undefined;
      else entry.retiredAt ??= now;
    }
    this.#clear(now);
  }

  #clear(now: number): void {
    const gone = [...this.#entries.values()].filter(
      ({ retiredAt }) => retiredAt !== undefined && now - retiredAt > RETIRED_MS,
    );
    if (gone.length === 0) return;
    this.#memory((memory) => {
      for (const entry of gone) {
        memory.writeUInt32LE(0, entry.offset + SERIAL_AT);
        this.#cleared.push({ ...entry, until: now + CLEARED_MS });
        this.#entries.delete(entry.digest);
      }
      this.#write(memory);
    });
  }

  /** First gap that is long enough. */
  #room(length: number): number | undefined {
    const now = this.#clock.now();
    const blocked = this.#cleared.filter(({ until }) => until > now);
    this.#cleared.splice(0, this.#cleared.length, ...blocked);
    const taken = [...this.#entries.values(), ...blocked].sort((a, b) => a.offset - b.offset);
    let at = DIRECTORY_BYTES;
    for (const { offset, length: size } of taken) {
      if (offset - at >= length) return at;
      at = align(offset + size);
    }
    return this.#size - at >= length ? at : undefined;
  }

  /** As much of it as the directory has room for. */
  #digestOf(table: Uint8Array): string {
    const known = this.#digests.get(table);
    if (known !== undefined) return known;
    const digest = tableDigest(table).slice(0, 32);
    this.#digests.set(table, digest);
    return digest;
  }

  #read(memory: Buffer): void {
    const count = Math.min(memory.readUInt32LE(Header.Entries), MAX_ENTRIES);
    for (let index = 0; index < count; index += 1) {
      const at = FIRST_ENTRY + index * ENTRY_BYTES;
      const offset = memory.readUInt32LE(at + 16);
      const length = memory.readUInt32LE(at + 20);
      if (offset < DIRECTORY_BYTES || length < HEADER_BYTES || offset + length > memory.length) continue;
      // An agent that died while it wrote left no serial.
      if (memory.readUInt32LE(offset + HeaderWord.Magic * 4) !== MAGIC) continue;
      if (memory.readUInt32LE(offset + SERIAL_AT) === 0) continue;
      const digest = memory.toString('hex', at, at + 16);
      this.#entries.set(digest, { digest, offset, length, retiredAt: undefined });
    }
  }

  /** In an order that leaves whole entries wherever it is cut short: places move down alone. */
  #write(memory: Buffer): void {
    let index = 0;
    for (const { digest, offset, length } of this.#entries.values()) {
      const at = FIRST_ENTRY + index * ENTRY_BYTES;
      index += 1;
      if (
        memory.toString('hex', at, at + 16) === digest &&
        memory.readUInt32LE(at + 20) === length &&
        memory.readUInt32LE(at + 16) === offset
      )
        continue;
      memory.writeUInt32LE(0, at + 20);
      memory.write(digest, at, 'hex');
      memory.writeUInt32LE(offset, at + 16);
      memory.writeUInt32LE(length, at + 20);
    }
    memory.writeUInt32LE(index, Header.Entries);
  }
}

function format(memory: Buffer): void {
  memory.fill(0, 0, DIRECTORY_BYTES);
  memory.writeUInt32LE(1, Header.NextSerial);
  memory.writeUInt32LE(DIRECTORY_MAGIC, Header.Magic);
}

function align(offset: number): number {
  return (offset + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
