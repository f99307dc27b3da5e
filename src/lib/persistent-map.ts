// SPDX-License-Identifier: Apache-2.0

/** Keys are spread over so many parts: a change copies one of them. */
const PARTS = 256;

/** Undefined: it has no keys. */
type Part<V> = ReadonlyMap<string, V> | undefined;

/** A key whose value is another object than before. */
export interface Change<V> {
  readonly key: string;
  /** Undefined: there was none. */
  readonly was: V | undefined;
  /** Undefined: there is none. */
  readonly is: V | undefined;
}

/**
 * A map that never changes. Another that differs in some keys shares all the rest with it, so it is made, and told from
 * this one, in a time that depends on what differs. Values are compared by identity. In no order, but the same one for
 * maps that were made in the same way.
 */
export class PersistentMap<V> implements ReadonlyMap<string, V> {
  /** By the hash of the keys. */
  readonly parts: readonly Part<V>[];
  readonly size: number;

  private constructor(parts: readonly Part<V>[], size: number) {
    this.parts = parts;
    this.size = size;
  }

  static empty<V>(): PersistentMap<V> {
    return new PersistentMap<V>(new Array<Part<V>>(PARTS).fill(undefined), 0);
  }

  /** Of two values for one key the later counts. */
  static of<V>(entries: Iterable<readonly [string, V]>): PersistentMap<V> {
    return PersistentMap.empty<V>().with(entries);
  }

  get(key: string): V | undefined {
    return this.parts[partOf(key)]?.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** The map with these values in place of its own; undefined: without the key. Itself, if they are its own. */
  with(changes: Iterable<readonly [string, V | undefined]>): PersistentMap<V> {
    const copied = new Map<number, Map<string, V>>();
    let { size } = this;
    for (const [key, value] of changes) {
      const at = partOf(key);
      const now = copied.get(at) ?? this.parts[at];
      const known = now?.get(key);
      if (known === value) continue;
      const part = copied.get(at) ?? new Map(now);
      copied.set(at, part);
      if (value === undefined) part.delete(key);
      else part.set(key, value);
      size += (value === undefined ? 0 : 1) - (known === undefined ? 0 : 1);
    }
    if (copied.size === 0) return this;
    const parts = [...this.parts];
    for (const [at, part] of copied) parts[at] = part.size === 0 ? undefined : part;
    return new PersistentMap(parts, size);
  }

  /** What tells this map from an earlier one. */
  changesSince(before: PersistentMap<V>): Change<V>[] {
    const changes: Change<V>[] = [];
    for (let at = 0; at < PARTS; at += 1) {
      const [was, is] = [before.parts[at], this.parts[at]];
      if (was === is) continue;
      for (const [key, value] of is ?? []) {
        const old = was?.get(key);
        if (old !== value) changes.push({ key, was: old, is: value });
      }
      for (const [key, value] of was ?? [])
        if (is?.has(key) !== true) changes.push({ key, was: value, is: undefined });
    }
    return changes;
  }

  *entries(): Generator<[string, V], undefined> {
    for (const part of this.parts) if (part !== undefined) yield* part;
  }

  *keys(): Generator<string, undefined> {
    for (const part of this.parts) if (part !== undefined) yield* part.keys();
  }

  *values(): Generator<V, undefined> {
    for (const part of this.parts) if (part !== undefined) yield* part.values();
  }

  [Symbol.iterator](): Generator<[string, V], undefined> {
    return this.entries();
  }

  forEach(visit: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [key, value] of this) visit(value, key, this);
  }
}

/** FNV-1a over the UTF-16 units, folded. */
function partOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash ^ (hash >>> 16)) & (PARTS - 1);
}
