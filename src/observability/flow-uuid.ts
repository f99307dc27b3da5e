// SPDX-License-Identifier: Apache-2.0
import { Offset } from './record-layout.ts';

/** FNV-1a, 32 bits. */
function hash(bytes: Buffer, from: number, to: number): number {
  let value = 0x811c9dc5;
  for (let index = from; index < to; index += 1) value = Math.imul(value ^ (bytes[index] ?? 0), 0x01000193);
  return value >>> 0;
}

/**
 * A name for a record that is the same whenever it is asked for: UUID version 8 (RFC 9562) of its time, its
 * connection and a hash of its numbers.
 */
export function flowUuid(bytes: Buffer, at: number): string {
  const time = bytes
    .readBigUInt64LE(at + Offset.time)
    .toString(16)
    .padStart(16, '0');
  const connection = bytes
    .readUInt32LE(at + Offset.connection)
    .toString(16)
    .padStart(8, '0');
  const rest = hash(bytes, at + Offset.duration, at + Offset.methodLength)
    .toString(16)
    .padStart(8, '0');
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-8${time.slice(12, 15)}-a${rest.slice(0, 3)}-${rest.slice(3, 7)}${connection}`;
}
