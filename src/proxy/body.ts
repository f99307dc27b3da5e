// SPDX-License-Identifier: Apache-2.0
import { Framing } from '../core/automaton/executor.ts';
import { ChunkScanner, ChunkStatus, type ChunkLimits } from '../core/http/chunked.ts';
import { Reject, type RejectReason } from '../core/http/reasons.ts';

/** Finds where a message's body ends in a stream of bytes, which stay where they are. */
export class Body {
  isDone = true;
  reason: RejectReason = Reject.None;
  private framing: Framing = Framing.None;
  private left = 0;
  /** Made for the first chunked body of a connection; most have none. */
  private chunks: ChunkScanner | null = null;
  private readonly limits: ChunkLimits;

  constructor(limits: ChunkLimits) {
    this.limits = limits;
  }

  /** `read`: header names that policy reads, which must not come as trailers. */
  begin(framing: Framing, length: number, read?: readonly string[]): void {
    this.framing = framing;
    this.left = length;
    this.isDone = framing === Framing.None;
    this.reason = Reject.None;
    if (framing !== Framing.Chunked) return;
    this.chunks ??= new ChunkScanner(this.limits);
    this.chunks.reset(read);
  }

  get endsAtClose(): boolean {
    return !this.isDone && this.framing === Framing.UntilClose;
  }

  /** Index of the first byte of `bytes[start, end)` that isn't of this body. `reason` is set if it is malformed. */
  scan(bytes: Uint8Array, start: number, end: number): number {
    if (this.isDone) return start;
    if (this.framing === Framing.UntilClose) return end;
    if (this.framing === Framing.Length) {
      const taken = Math.min(this.left, end - start);
      this.left -= taken;
      this.isDone = this.left === 0;
      return start + taken;
    }
    const { chunks } = this;
    if (chunks === null) return start;
    const status = chunks.run(bytes, start, end);
    this.isDone = status === ChunkStatus.Done;
    if (status === ChunkStatus.Rejected) this.reason = chunks.reason;
    return chunks.position;
  }
}
