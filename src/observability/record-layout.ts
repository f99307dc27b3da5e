// SPDX-License-Identifier: Apache-2.0
import { flowDetail, flowKind, flowRecord } from '../core/abi/flow.ts';

export const RECORD_SIZE = flowRecord.size;
/** Byte offsets of the fields in a raw record. */
export const Offset = flowRecord.offset;

/** Where the detail of a stored request is, if it has at least the field that ends at `length`; else -1. */
export function detailAt({ bytes, u16 }: RecordMemory, at: number, length: number): number {
  if (bytes[at + Offset.kind] !== flowKind.request || (u16[(at + Offset.detailLength) >> 1] ?? 0) < length)
    return -1;
  const texts = (u16[(at + Offset.pathLength) >> 1] ?? 0) + (u16[(at + Offset.hostLength) >> 1] ?? 0);
  return at + RECORD_SIZE + (bytes[at + Offset.methodLength] ?? 0) + texts;
}

/** Where the trace id of a record is, -1: it has none, or zeros in its place. */
export function traceIdAt(memory: RecordMemory, at: number): number {
  const detail = detailAt(memory, at, flowDetail.size);
  if (detail === -1) return -1;
  const id = detail + flowDetail.offset.traceId;
  const { bytes } = memory;
  for (let i = id; i < id + TRACE_ID_BYTES; i++) if (bytes[i] !== 0) return id;
  return -1;
}

const TRACE_ID_BYTES = 16;

/** What a request's record says of its version: 2, or 0 for HTTP/1. */
export function httpVersionAt(memory: RecordMemory, at: number): number {
  const detail = detailAt(memory, at, flowDetail.size);
  return detail === -1 ? 0 : (memory.bytes[detail + flowDetail.offset.httpVersion] ?? 0);
}

/** Status of the gRPC response of a request, -1: none. */
export function grpcStatusAt(memory: RecordMemory, at: number): number {
  const detail = detailAt(memory, at, flowDetail.size);
  return detail === -1 ? -1 : (memory.bytes[detail + flowDetail.offset.grpcStatus] ?? 0) - 1;
}

/** Of a trace's flags (W3C). */
const SAMPLED = 1;

/** Whether the client samples the trace whose id is at `trace`. */
export function isSampledAt({ bytes }: RecordMemory, trace: number): boolean {
  return ((bytes[trace + flowDetail.offset.traceFlags - flowDetail.offset.traceId] ?? 0) & SAMPLED) !== 0;
}

/** What a predicate reads from: views of the same memory, in which records start at multiples of 8. */
export interface RecordMemory {
  readonly bytes: Buffer;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
}
