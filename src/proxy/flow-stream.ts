// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http';
import { LOSS_BYTES } from '../core/proxy/flow-frames.ts';
import type { FlowRing } from './flow-ring.ts';

const CHUNK_BYTES = 64 * 1024;
/** A reader that is further behind than this loses frames. */
const BEHIND_BYTES = 8 * 1024 * 1024;
const SPARE_CHUNKS = 8;

/**
 * Carries the workers' flow records to whoever reads GET /v1/flows. Traffic never waits for it. While nobody reads (the
 * agent may be restarting) records stay in the rings until these are full.
 */
export class FlowStream {
  private readonly rings: readonly FlowRing[];
  private readonly readers = new Set<ServerResponse>();
  private readonly spare: Buffer[] = [];
  private lostHere = 0;
  /** Of `lost`, what readers have been told. */
  private told = 0;

  constructor(rings: readonly FlowRing[]) {
    this.rings = rings;
  }

  /** Records that no reader got, or a reader didn't. */
  get lost(): number {
    return this.rings.reduce((sum, ring) => sum + ring.lost, this.lostHere);
  }

  subscribe(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.flushHeaders();
    this.readers.add(response);
    response.on('close', () => this.readers.delete(response));
  }

  /** To be called every few dozen ms. */
  pump(): void {
    if (this.readers.size === 0) return;
    for (const ring of this.rings) while (this.pumpChunk(ring));
    this.tell();
  }

  /** Ends all streams behind what there is. */
  end(): void {
    this.pump();
    for (const reader of this.readers) reader.end();
  }

  private pumpChunk(ring: FlowRing): boolean {
    const chunk = this.spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const { bytes, count } = ring.read(chunk);
    const readers = [...this.readers].filter((reader) => {
      const keepsUp = reader.writableLength <= BEHIND_BYTES;
      if (!keepsUp) this.lostHere += count;
      return keepsUp;
    });
    let writing = bytes === 0 ? 0 : readers.length;
    if (writing === 0) this.giveBack(chunk);
    else {
      const frames = chunk.subarray(0, bytes);
      const written = (): void => {
        if (--writing === 0) this.giveBack(chunk);
      };
      for (const reader of readers) reader.write(frames, written);
    }
    return bytes > 0;
  }

  /** A frame of eight bytes, so of no record, is how many were lost since the last one. */
  private tell(): void {
    const lost = this.lost;
    if (lost === this.told) return;
    const frame = Buffer.alloc(4 + LOSS_BYTES);
    frame.writeUInt32LE(LOSS_BYTES);
    frame.writeBigUInt64LE(BigInt(lost - this.told), 4);
    for (const reader of this.readers) reader.write(frame);
    this.told = lost;
  }

  private giveBack(chunk: Buffer): void {
    if (this.spare.length < SPARE_CHUNKS) this.spare.push(chunk);
  }
}
