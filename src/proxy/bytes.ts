// SPDX-License-Identifier: Apache-2.0

/** Below this a loop beats a view and memcpy. */
const LOOP_BYTES = 96;

/** Copies `from[start, end)` to `to` at `at`. */
export function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES) {
    to.set(from.subarray(start, end), at);
    return;
  }
  for (let i = start, j = at; i < end; i++, j++) to[j] = from[i] as number;
}

/** Bytes that grow: an unfinished head, or input that came before its turn. */
export class ByteQueue {
  private bytes: Uint8Array = empty;
  private start = 0;
  private end = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** The storage; content lies in `[from, to)` and stays there until the next call. */
  get storage(): Uint8Array {
    return this.bytes;
  }

  get from(): number {
    return this.start;
  }

  get to(): number {
    return this.end;
  }

  append(source: Uint8Array, start: number, end: number): void {
    const more = end - start;
    if (this.end + more > this.bytes.length) this.grow(more);
    copyBytes(source, start, end, this.bytes, this.end);
    this.end += more;
  }

  consume(count: number): void {
    this.start += count;
    if (this.start >= this.end) this.clear();
  }

  /** Empties it and gives its memory back. */
  clear(): void {
    this.bytes = empty;
    this.start = 0;
    this.end = 0;
  }

  private grow(more: number): void {
    const length = this.length;
    const capacity = Math.max(1024, 2 ** Math.ceil(Math.log2(length + more)));
    const target = capacity > this.bytes.length ? new Uint8Array(capacity) : this.bytes;
    target.set(this.bytes.subarray(this.start, this.end), 0);
    this.bytes = target;
    this.start = 0;
    this.end = length;
  }
}

const empty = new Uint8Array(0);
