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

const CACHED_ADDRESSES = 4096;

/** The same few clients come again and again. The bytes it gives are shared: not to be written to. */
export class AddressCache {
  private readonly known = new Map<string, Uint8Array>();

  parse(text: string): Uint8Array {
    let bytes = this.known.get(text);
    if (bytes === undefined) {
      bytes = parseAddressBytes(text);
      if (this.known.size >= CACHED_ADDRESSES) this.known.clear();
      this.known.set(text, bytes);
    }
    return bytes;
  }
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
