// SPDX-License-Identifier: Apache-2.0

/**
 * Memory of one ring of flow records that a writer fills and others read: positions grow for ever (bytes ever written), and
 * so do the numbers of the chunks that the ring is divided into. src/observability/flow-arena.ts reads it.
 */
export interface FlowMemory {
  /** A multiple of 8. Each entry: u32 its size with this header and the padding, u32 unused, the record. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly chunkBytes: number;
  /** By {@link FlowState}. */
  readonly state: Float64Array<ArrayBuffer>;
  /**
   * Rows by {@link FlowChunk} of the chunks that begin last, chunk n in row n % rows. There is one more than a round has: the
   * oldest chunk is still there while its memory is being overwritten.
   */
  readonly chunks: Float64Array<ArrayBuffer>;
}

/** Words of the state: where the next entry goes and the oldest is, records ever appended and overwritten, the newest entry's chunk (-1: none yet). */
export const FlowState = { head: 0, tail: 1, appended: 2, evicted: 3, chunk: 4, words: 5 } as const;

/** Columns of a chunk's row: its number (-1: none yet), the position of its first entry, records appended before that. */
export const FlowChunk = { number: 0, first: 1, index: 2, columns: 3 } as const;

/** Size of the filler that closes a round of the ring where the next entry does not fit, to be added to the room that was left. */
export const FLOW_FILLER = 0x8000_0000;

/** Writes raw records, which overwrite the oldest ones, to two rings: denials to one of their own. */
export interface FlowWriter {
  /**
   * Copies records in: record i is bytes[offsets[i]] to bytes[offsets[i + 1]]; malformed ones are left out. `wall`, ns, modulo
   * 2 ** 64, is added to the time of each. The offsets of those that are no allowed requests go to `noted`, which has
   * room for all. Returns how many those are.
   */
  append(bytes: Uint8Array, offsets: Uint32Array, wall: bigint, noted: Uint32Array): number;
}

export type FlowWriterClass = new (flows: FlowMemory, denials: FlowMemory) => FlowWriter;
