// SPDX-License-Identifier: Apache-2.0
import { flowRecord } from '../core/abi/flow.ts';

export const RECORD_SIZE = flowRecord.size;
/** Byte offsets of the fields in a raw record. */
export const Offset = flowRecord.offset;

/** Length of the record at `start` with its tail, or -1 if `end` comes before that. */
export function recordLength(bytes: Buffer, start: number, end: number): number {
  if (end - start < RECORD_SIZE) return -1;
  const method = bytes[start + Offset.methodLength] ?? 0;
  const path = bytes.readUInt16LE(start + Offset.pathLength);
  const host = bytes.readUInt16LE(start + Offset.hostLength);
  const length = RECORD_SIZE + method + path + host;
  return length <= end - start ? length : -1;
}

/** What a predicate reads from: views of the same memory, in which records start at multiples of 8. */
export interface RecordMemory {
  readonly bytes: Buffer;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
}
