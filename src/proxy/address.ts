// SPDX-License-Identifier: Apache-2.0
import { formatAddress, parseAddress } from '../core/identity/address.ts';
import { addressBytes, addressOfBytes } from '../core/identity/wire-address.ts';
import { PerigeeError } from '../lib/errors.ts';

/** 16 bytes as the kernel maps hold an address. */
export function parseAddressBytes(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined)
    throw new PerigeeError('ERR_ADDRESS', `not an IP address: ${text}`, { object: text });
  return addressBytes(address);
}

export function formatAddressBytes(bytes: Uint8Array): string {
  return formatAddress(addressOfBytes(bytes));
}

const CACHED_ADDRESSES = 4096; // power of two

/** Addresses that stay: the same few clients come again and again, and share theirs. Not to be written to. */
export class AddressCache {
  private readonly known: (Uint8Array | undefined)[] = new Array<Uint8Array | undefined>(CACHED_ADDRESSES);

  /** An array of its own with these 16 bytes. */
  keep(bytes: Uint8Array): Uint8Array {
    const place = placeOf(bytes);
    const known = this.known[place];
    if (known !== undefined && isEqual(known, bytes)) return known;
    const kept = bytes.slice();
    this.known[place] = kept;
    return kept;
  }
}

function placeOf(bytes: Uint8Array): number {
  let hash = 0;
  for (let i = 6; i < 16; i++) hash = Math.imul(hash, 31) + (bytes[i] as number);
  return hash & (CACHED_ADDRESSES - 1);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Family on the wire of a 16-byte address. */
export function familyOf(bytes: Uint8Array): 4 | 6 {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return 6;
  return bytes[10] === 0xff && bytes[11] === 0xff ? 4 : 6;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(bytes: Uint8Array): boolean {
  if (familyOf(bytes) === 4) return bytes[12] === 127;
  for (let i = 0; i < 15; i++) if (bytes[i] !== 0) return false;
  return bytes[15] === 1;
}

/** Key of an address in a Map: 16 characters, one a byte. */
export function addressKey(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('latin1');
}
