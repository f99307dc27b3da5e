// SPDX-License-Identifier: Apache-2.0

/**
 * Byte arrays of one length, used again: V8 takes everything above 64 bytes from malloc, which short connections would
 * pay for each time.
 */
export class Arrays {
  readonly length: number;
  private readonly free: Uint8Array[] = [];
  private readonly kept: number;

  /** @param kept arrays held back at most */
  constructor(length: number, kept: number) {
    this.length = length;
    this.kept = kept;
  }

  /** Its content is whatever was there. */
  take(): Uint8Array {
    return this.free.pop() ?? new Uint8Array(this.length);
  }

  giveBack(array: Uint8Array): void {
    if (array.length === this.length && this.free.length < this.kept) this.free.push(array);
  }
}
