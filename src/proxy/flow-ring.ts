// SPDX-License-Identifier: Apache-2.0

/** Words before the bytes: write offset, read offset, records lost. */
const HEADER_BYTES = 64;
const WRITE = 0;
const READ = 1;
const LOST = 2;

/** Length of a frame that says: go on at the start of the ring. */
const WRAP = 0xffffffff;

export function flowRingMemory(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + bytes);
}

export interface FramesRead {
  /** 0: there was nothing. */
  readonly bytes: number;
  readonly count: number;
}

/**
 * Frames (u32 LE length, then that many bytes) from one writing thread to one reading thread. A full ring loses
 * the newest frame and counts it; nobody waits.
 */
export class FlowRing {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  private readonly header: Int32Array;
  private readonly size: number;
  private position: number;
  /** Where the frame that was begun ends. */
  private upTo = 0;

  constructor(memory: SharedArrayBuffer) {
    this.header = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.bytes = new Uint8Array(memory, HEADER_BYTES);
    this.view = new DataView(memory, HEADER_BYTES);
    this.size = this.bytes.length;
    this.position = Atomics.load(this.header, WRITE);
  }

  get lost(): number {
    return Atomics.load(this.header, LOST) >>> 0;
  }

  /** Room for a frame of `length` bytes: the offset of its first byte, or -1 (lost, counted). */
  begin(length: number): number {
    const need = length + 4;
    const read = Atomics.load(this.header, READ);
    let at = this.position;
    // One byte stays free, so that full and empty differ; a wrap mark may need four more.
    if (at >= read) {
      if (at + need + 4 > this.size) {
        if (need >= read) return this.lose();
        if (at + 4 <= this.size) this.view.setUint32(at, WRAP, true);
        at = 0;
      }
    } else if (at + need >= read) return this.lose();
    this.view.setUint32(at, length, true);
    this.upTo = at + need;
    return at + 4;
  }

  /** Ends the frame begun last. The reader sees it after `publish`. */
  commit(): void {
    this.position = this.upTo;
  }

  publish(): void {
    if (Atomics.load(this.header, WRITE) !== this.position) Atomics.store(this.header, WRITE, this.position);
  }

  /** Reading side: copies whole frames to the start of `target`, as many as fit. */
  read(target: Uint8Array): FramesRead {
    const write = Atomics.load(this.header, WRITE);
    let read = Atomics.load(this.header, READ);
    if (read > write && this.wrapsAt(read)) read = 0;
    const start = read;
    const end = read <= write ? write : this.size;
    let count = 0;
    while (read < end && !(read > write && this.wrapsAt(read))) {
      const next = read + 4 + this.view.getUint32(read, true);
      if (next - start > target.length) break;
      read = next;
      count++;
    }
    target.set(this.bytes.subarray(start, read));
    Atomics.store(this.header, READ, read);
    return { bytes: read - start, count };
  }

  private wrapsAt(at: number): boolean {
    return at + 4 > this.size || this.view.getUint32(at, true) === WRAP;
  }

  private lose(): number {
    Atomics.add(this.header, LOST, 1);
    return -1;
  }
}
