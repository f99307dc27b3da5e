// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from './native-types.ts';

/** A struct's codec, as generated from BTF. */
export interface Codec<T> {
  readonly size: number;
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array, at?: number): T;
}

/** Entries of one map as bytes, keyed by the key's bytes as latin1 text. */
export type Entries = Map<string, Uint8Array>;

export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

export function keyBytes(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

/** All that a map holds now. */
export function readEntries(map: BpfMap): Entries {
  const dump = map.dump();
  const { keySize } = map.info;
  const valueSize = map.entrySize;
  const entries: Entries = new Map();
  for (let index = 0; index < dump.count; index += 1) {
    const key = dump.keys.subarray(index * keySize, (index + 1) * keySize);
    entries.set(keyText(key), dump.values.subarray(index * valueSize, (index + 1) * valueSize));
  }
  return entries;
}

export interface Difference {
  /** Missing or different in the kernel. */
  readonly upsert: readonly (readonly [key: string, value: Uint8Array])[];
  /** Not wanted any more. */
  readonly remove: readonly string[];
}

export function difference(desired: Entries, actual: Entries): Difference {
  const upsert: [string, Uint8Array][] = [];
  for (const [key, value] of desired) {
    const now = actual.get(key);
    if (now === undefined || Buffer.compare(now, value) !== 0) upsert.push([key, value]);
  }
  return { upsert, remove: [...actual.keys()].filter((key) => !desired.has(key)) };
}

/** Per-CPU counters summed: u64 values, one per CPU. */
export function sumCpus(bytes: Buffer): bigint {
  let sum = 0n;
  for (let at = 0; at + 8 <= bytes.length; at += 8) sum += bytes.readBigUInt64LE(at);
  return sum;
}
