// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from 'node:net';

/** An IP address as a number. IPv4-mapped IPv6 (`::ffff:a.b.c.d`) is held as the IPv4 address it means. */
export interface Address {
  readonly family: 4 | 6;
  /** 32 or 128 bits, first octet on the wire highest. */
  readonly bits: bigint;
}

/** Bits of an address of the family. */
export function width(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

const MAPPED = 0xffffn;

/** Parses IPv4 or IPv6 text; undefined if it is neither, or has a zone. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bits: bitsOfIPv4(text) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const bits = bitsOfIPv6(text);
  return bits >> 32n === MAPPED ? { family: 4, bits: bits & 0xffff_ffffn } : { family: 6, bits };
}

function bitsOfIPv4(text: string): bigint {
  return text.split('.').reduce((bits, octet) => (bits << 8n) | BigInt(octet), 0n);
}

function bitsOfIPv6(text: string): bigint {
  const tail = text.lastIndexOf(':') + 1;
  let groups = text;
  if (text.includes('.')) {
    const last = bitsOfIPv4(text.slice(tail));
    groups = `${text.slice(0, tail)}${(last >> 16n).toString(16)}:${(last & 0xffffn).toString(16)}`;
  }
  const [left = '', right] = groups.split('::');
  const head = left === '' ? [] : left.split(':');
  const end = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : 8 - head.length - end.length;
  return [...head, ...Array<string>(zeros).fill('0'), ...end].reduce(
    (bits, group) => (bits << 16n) | BigInt(`0x${group}`),
    0n,
  );
}

/** Canonical text: dotted decimal, or RFC 5952 without the embedded dotted form. */
export function formatAddress({ family, bits }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => (bits >> BigInt(112 - 16 * index)) & 0xffffn);
  const { start, length } = longestZeroRun(groups);
  const text = groups.map((group) => group.toString(16));
  if (length < 2) return text.join(':');
  return `${text.slice(0, start).join(':')}::${text.slice(start + length).join(':')}`;
}

function longestZeroRun(groups: readonly bigint[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0n) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  });
  return best;
}

/** 127.0.0.0/8, ::1, and the unspecified address, which Linux connects to loopback. */
export function isLoopback({ family, bits }: Address): boolean {
  if (family === 4) return bits >> 24n === 127n || bits === 0n;
  return bits === 1n || bits === 0n;
}
