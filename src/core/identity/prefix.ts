// SPDX-License-Identifier: Apache-2.0
import { type Address, formatAddress, parseAddress, width } from './address.ts';

/** A CIDR block; `bits` has no bit set beyond `length`. */
export interface Prefix extends Address {
  /** 0 to 32, or 0 to 128. */
  readonly length: number;
}

function mask(bits: bigint, family: 4 | 6, length: number): bigint {
  const host = BigInt(width(family) - length);
  return (bits >> host) << host;
}

/**
 * Parses `address/length`; host bits are cleared. An IPv4-mapped block of at least 96 bits becomes the IPv4
 * block that it means. Undefined if the text is no CIDR.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(text.slice(0, slash === -1 ? 0 : slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const mapped = address.family === 4 && text.includes(':');
  const length = Number(digits) - (mapped ? 96 : 0);
  if (length < 0 || length > width(address.family)) return undefined;
  return { family: address.family, bits: mask(address.bits, address.family, length), length };
}

/** `true` when the text is a CIDR whose address has bits beyond its length, as in `10.0.0.5/8`. */
export function hasHostBits(text: string): boolean {
  const prefix = parsePrefix(text);
  return prefix !== undefined && parseAddress(text.slice(0, text.indexOf('/')))?.bits !== prefix.bits;
}

export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

/** The block of one address. */
export function hostPrefix(address: Address): Prefix {
  return { family: address.family, bits: address.bits, length: width(address.family) };
}

/** Whether every address of `inner` (an address or a block) is in `outer`. */
export function contains(outer: Prefix, inner: Address | Prefix): boolean {
  if (outer.family !== inner.family) return false;
  if ('length' in inner && inner.length < outer.length) return false;
  return mask(inner.bits, inner.family, outer.length) === outer.bits;
}

/** Tells whether an address is inside one of these blocks, for very many of them: it makes no new numbers. */
export function insideAny(blocks: readonly Prefix[]): (address: Address) => boolean {
  const ranges = blocks.map(({ family, bits, length }) => {
    return { family, first: bits, last: bits | ((1n << BigInt(width(family) - length)) - 1n) };
  });
  return ({ family, bits }) => {
    for (const range of ranges)
      if (range.family === family && range.first <= bits && bits <= range.last) return true;
    return false;
  };
}

/** Finds the longest block of a fixed set that holds an address or block. */
export class PrefixTable {
  readonly #byLength = new Map<string, Map<bigint, Prefix>>();
  /** Keys of the table above, longest first. */
  readonly #order: { readonly family: 4 | 6; readonly length: number; readonly key: string }[] = [];

  constructor(prefixes: Iterable<Prefix>) {
    for (const prefix of prefixes) {
      const key = `${prefix.family}/${prefix.length}`;
      let table = this.#byLength.get(key);
      if (table === undefined) {
        table = new Map();
        this.#byLength.set(key, table);
        this.#order.push({ family: prefix.family, length: prefix.length, key });
      }
      table.set(prefix.bits, prefix);
    }
    this.#order.sort((a, b) => b.length - a.length);
  }

  longest(inner: Address | Prefix): Prefix | undefined {
    const [found] = this.holding(inner);
    return found;
  }

  /** All blocks that hold it, longest first. */
  *holding(inner: Address | Prefix): IterableIterator<Prefix> {
    const limit = 'length' in inner ? inner.length : width(inner.family);
    for (const { family, length, key } of this.#order) {
      if (family !== inner.family || length > limit) continue;
      const found = this.#byLength.get(key)?.get(mask(inner.bits, family, length));
      if (found !== undefined) yield found;
    }
  }

  *[Symbol.iterator](): IterableIterator<Prefix> {
    for (const { key } of this.#order) yield* this.#byLength.get(key)?.values() ?? [];
  }
}
