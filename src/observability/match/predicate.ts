// SPDX-License-Identifier: Apache-2.0
import { Offset, RECORD_SIZE, type RecordMemory } from '../record-layout.ts';

/** Judges the raw record whose first byte is at `at`; nothing is decoded. */
export type Predicate = (memory: RecordMemory, at: number) => boolean;

/** The byte at `offset` is one of the values. */
export function byteIn(offset: number, values: readonly number[]): Predicate {
  const wanted = new Uint8Array(256);
  for (const value of values) wanted[value] = 1;
  return (memory, at) => wanted[memory.bytes[at + offset] ?? 0] === 1;
}

/** The u16 in host byte order at `offset` is one of the values. */
export function u16In(offset: number, values: readonly number[]): Predicate {
  const wanted = new Set(values);
  return (memory, at) => wanted.has(memory.u16[(at + offset) >> 1] ?? 0);
}

export function u32In(offset: number, values: readonly number[]): Predicate {
  const wanted = new Set(values);
  return (memory, at) => wanted.has(memory.u32[(at + offset) >> 2] ?? 0);
}

const LOW = 0xffff_ffffn;

/** The u64 at `offset` is one of the values. */
export function u64In(offset: number, values: readonly bigint[]): Predicate {
  const wanted = values.map((value) => [Number(value & LOW), Number(value >> 32n)] as const);
  return ({ u32 }, at) => {
    const low = u32[(at + offset) >> 2];
    const high = u32[(at + offset + 4) >> 2];
    for (const [wantedLow, wantedHigh] of wanted) if (low === wantedLow && high === wantedHigh) return true;
    return false;
  };
}

/** The u64 at `offset` lies within the bounds, both inclusive. */
export function u64Between(offset: number, from: bigint, to: bigint): Predicate {
  const [fromLow, fromHigh, toLow, toHigh] = [from & LOW, from >> 32n, to & LOW, to >> 32n].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return ({ u32 }, at) => {
    const low = u32[(at + offset) >> 2] ?? 0;
    const high = u32[(at + offset + 4) >> 2] ?? 0;
    if (high < fromHigh || (high === fromHigh && low < fromLow)) return false;
    return high < toHigh || (high === toHigh && low <= toLow);
  };
}

/** Method of a request record, as sent. */
export function methodAt({ bytes }: RecordMemory, at: number): string {
  const start = at + RECORD_SIZE;
  return bytes.toString('latin1', start, start + (bytes[at + Offset.methodLength] ?? 0));
}

/** Path of a request record; bytes that are not UTF-8 become U+FFFD. */
export function pathAt({ bytes, u16 }: RecordMemory, at: number): string {
  const start = at + RECORD_SIZE + (bytes[at + Offset.methodLength] ?? 0);
  return bytes.toString('utf8', start, start + (u16[(at + Offset.pathLength) >> 1] ?? 0));
}

export function hostAt({ bytes, u16 }: RecordMemory, at: number): string {
  const method = bytes[at + Offset.methodLength] ?? 0;
  const start = at + RECORD_SIZE + method + (u16[(at + Offset.pathLength) >> 1] ?? 0);
  return bytes.toString('utf8', start, start + (u16[(at + Offset.hostLength) >> 1] ?? 0));
}
