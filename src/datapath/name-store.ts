// SPDX-License-Identifier: Apache-2.0
import type { Maps } from './maps.ts';
import { type Entries, difference, keyBytes, keyText, readEntries } from './typed-map.ts';

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

/** For so many names there is room. */
export function nameRoom(maps: Maps): number {
  return maps.names.info.maxEntries - 1; // the next number takes an entry
}

/** Who gives out the numbers. */
export interface NumberSource {
  /** The next number to be given out. */
  readonly next: number;
  /** Another one after some were forgotten. */
  readonly generation: number;
  assignments(): NameSeed;
}

/** Writes numeric names before any map speaks of them. */
export class NameStore {
  readonly #maps: Maps;
  /** As written last; undefined: what is there may be more than is wanted. */
  #written: Pick<NumberSource, 'next' | 'generation'> | undefined;

  constructor(maps: Maps) {
    this.#maps = maps;
  }

  /** Numbers only grow: unless some were forgotten, what is new is all that changed. */
  write(names: NumberSource): void {
    const { next, generation } = names;
    const known = this.#written?.generation === generation ? this.#written.next : undefined;
    if (known === next) return;
    const all = names.assignments();
    if (known === undefined) writeNames(this.#maps, all);
    else addNames(this.#maps, { ...all, seed: all.seed.filter(([number]) => number >= known) });
    this.#written = { next, generation };
  }
}

function addNames(maps: Maps, names: NameSeed): void {
  for (const [key, value] of encodeNames(names)) maps.names.update(keyBytes(key), value);
}

function writeNames(maps: Maps, names: NameSeed): void {
  const { upsert, remove } = difference(encodeNames(names), readEntries(maps.names));
  for (const [key, value] of upsert) maps.names.update(keyBytes(key), value);
  for (const key of remove) maps.names.delete(keyBytes(key));
}

function encodeNames(names: NameSeed): Entries {
  const next = Buffer.alloc(16);
  next.writeUInt32LE(names.next);
  const desired: Entries = new Map<string, Uint8Array>([[keyOf(NEXT), next]]);
  for (const [number, digest] of names.seed) desired.set(keyOf(number), Buffer.from(digest, 'hex'));
  return desired;
}
