// SPDX-License-Identifier: Apache-2.0
import type { Address } from './address.ts';
import type { Prefix } from './prefix.ts';

const MAPPED_BITS = 96;
const MAPPED = 0xffffn << 32n;

/** 16 bytes in network order, IPv4 as ::ffff:a.b.c.d: the form of every kernel map. */
export function addressBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  const bits = address.family === 4 ? MAPPED | address.bits : address.bits;
  view.setBigUint64(0, bits >> 64n);
  view.setBigUint64(8, bits & 0xffff_ffff_ffff_ffffn);
  return bytes;
}

/** The address of 16 bytes in network order. */
export function addressOfBytes(bytes: Uint8Array): Address {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  const bits = (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
  return bits >> 32n === 0xffffn ? { family: 4, bits: bits & 0xffff_ffffn } : { family: 6, bits };
}

/** Bits of a prefix in the 128-bit form. */
export function prefixBits(prefix: Prefix): number {
  return prefix.family === 4 ? prefix.length + MAPPED_BITS : prefix.length;
}
