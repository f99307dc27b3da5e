// SPDX-License-Identifier: Apache-2.0

/** What a client of HTTP/2 says first (RFC 9113 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

// Frames (RFC 9113 4.1): 24 bits of length, type, flags, stream.
const HEAD_BYTES = 9;
const TYPE_AT = 3;
const FLAGS_AT = 4;
const DATA = 0;
const HEADERS = 1;
const CONTINUATION = 9;
const END_HEADERS = 4;

/**
 * Follows the frames of what a client sends, for one question: has it begun what it hasn't finished? Node.js tells of
 * whole header lists only. What frames mean, and which may come, is nghttp2's to judge.
 */
export class FrameWatch {
  /** Header lists, each with what continues it, and other frames that have begun. */
  begun = 0;
  private preface = PREFACE.length;
  private readonly head = new Uint8Array(HEAD_BYTES);
  private headLength = 0;
  private left = 0;
  /** CONTINUATION must follow. */
  private isListOpen = false;

  /** One has begun that isn't data, and it isn't whole. */
  get isInHead(): boolean {
    if (this.isListOpen) return true;
    const isData = this.headLength > TYPE_AT && this.head[TYPE_AT] === DATA;
    return this.headLength > 0 && !isData;
  }

  /** Takes `bytes[start, end)`. */
  read(bytes: Uint8Array, start: number, end: number): void {
    let at = start + Math.min(this.preface, end - start);
    this.preface -= at - start;
    while (at < end) {
      if (this.headLength < HEAD_BYTES) {
        if (this.headLength === 0 && !this.isListOpen) this.begun++;
        this.head[this.headLength++] = bytes[at++] as number;
        if (this.headLength < HEAD_BYTES) continue;
        const [high = 0, middle = 0, low = 0] = this.head;
        this.left = high * 65536 + middle * 256 + low;
      }
      const taken = Math.min(this.left, end - at);
      at += taken;
      this.left -= taken;
      if (this.left === 0) this.finish();
    }
  }

  private finish(): void {
    const type = this.head[TYPE_AT];
    if (type === HEADERS || type === CONTINUATION)
      this.isListOpen = ((this.head[FLAGS_AT] as number) & END_HEADERS) === 0;
    this.headLength = 0;
  }
}
