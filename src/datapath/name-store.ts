// SPDX-License-Identifier: Apache-2.0
import type { Maps } from './maps.ts';
import { difference, keyBytes, keyText, readEntries } from './typed-map.ts';

/** Numeric names as they outlive the agent: the seed of core's allocator. */
export interface NameSeed {
  readonly seed: readonly (readonly [number, string])[];
  readonly next: number;
}

/** Key of the entry that holds the next number. */
const NEXT = 0;

function keyOf(number: number): string {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(number);
  return keyText(key);
}

export function readNames(maps: Maps): NameSeed {
  const entries = readEntries(maps.names);
  const next = entries.get(keyOf(NEXT));
  const seed = [...entries]
    .map(([key, digest]) => [Buffer.from(keyBytes(key)).readUInt32LE(), digest] as const)
    .filter(([number]) => number !== NEXT)
    .map(([number, digest]) => [number, Buffer.from(digest).toString('hex')] as const);
  return { seed, next: next === undefined ? 0 : Buffer.from(next).readUInt32LE() };
}

/** Written before any map speaks of a new number. */
export function writeNames(maps: Maps, names: NameSeed): void {
  const next = Buffer.alloc(16);
  next.writeUInt32LE(names.next);
  const desired = new Map<string, Uint8Array>([[keyOf(NEXT), next]]);
  for (const [number, digest] of names.seed) desired.set(keyOf(number), Buffer.from(digest, 'hex'));
  const { upsert, remove } = difference(desired, readEntries(maps.names));
  for (const [key, value] of upsert) maps.names.update(keyBytes(key), value);
  for (const key of remove) maps.names.delete(keyBytes(key));
}
