// SPDX-License-Identifier: Apache-2.0
import { CR, HTAB, LF, SP, FIELD_VALUE, GUARDED, TOKEN, hexValue, lowerByte } from './grammar.ts';
import { Reject, type RejectReason } from './reasons.ts';
import { forbiddenTrailers } from './trailers.ts';

/** What a call of `run` came to. */
export const ChunkStatus = { NeedMore: 0, Done: 1, Rejected: 2 } as const;
export type ChunkStatus = (typeof ChunkStatus)[keyof typeof ChunkStatus];

export interface ChunkLimits {
  /** Bytes of chunk extensions over one body; 0 refuses them. */
  readonly extensionBytes: number;
  /** Bytes of the trailer section. */
  readonly trailerBytes: number;
}

export const REQUEST_CHUNKS: ChunkLimits = { extensionBytes: 0, trailerBytes: 8192 };
export const RESPONSE_CHUNKS: ChunkLimits = { extensionBytes: 4096, trailerBytes: 65536 };

const NO_NAMES: readonly string[] = [];

const State = {
  SizeFirst: 0,
  Size: 1,
  Extension: 2,
  SizeLf: 3,
  Data: 4,
  DataCr: 5,
  DataLf: 6,
  TrailerFirst: 7,
  TrailerName: 8,
  TrailerValue: 9,
  TrailerLf: 10,
  EndLf: 11,
} as const;

const SEMICOLON = 0x3b;
/** Sizes above this could overflow 2^53 - 1 with one more digit. */
const SIZE_BOUND = (2 ** 53 - 16) / 16;
/**
 * Finds the end of a chunked body (RFC 9112 7.1) without copying or changing it, strictly: CRLF only, no white
 * space around sizes, trailer lines as header lines are. Resumable at any byte, allocates nothing while running.
 */
export class ChunkScanner {
  /** Index in the last `run`'s buffer of the first byte that was not consumed. */
  position = 0;
  reason: RejectReason = Reject.None;
  /** Bytes of chunk data (not framing) seen. */
  dataBytes = 0;
  readonly #limits: ChunkLimits;
  /** Names that must not come as trailers, `GUARDED` first. */
  #forbidden: readonly Uint8Array[] = trailerNames(NO_NAMES);
  #read: readonly string[] = NO_NAMES;
  /** The trailer name being read, lower case, as far as it could be a forbidden one. */
  #name = new Uint8Array(longest(this.#forbidden));
  #state: number = State.SizeFirst;
  #left = 0;
  #extension = 0;
  #trailer = 0;
  #nameLength = 0;

  constructor(limits: ChunkLimits) {
    this.#limits = limits;
  }

  /** Ready for another body. `read`: header names that policy reads; they must not come as trailers either. */
  reset(read: readonly string[] = NO_NAMES): void {
    if (read !== this.#read) {
      this.#read = read;
      this.#forbidden = trailerNames(read);
      this.#name = new Uint8Array(longest(this.#forbidden));
    }
    this.#state = State.SizeFirst;
    this.position = this.dataBytes = this.#left = this.#extension = this.#trailer = this.#nameLength = 0;
    this.reason = Reject.None;
  }

  /** Reads `buf[start, end)`; on Done, `position` is the first byte after the body. */
  run(buf: Uint8Array, start: number, end: number): ChunkStatus {
    let i = start;
    while (i < end) {
      const byte = buf[i] as number;
      switch (this.#state) {
        case State.SizeFirst:
        case State.Size: {
          const reason = this.#sizeByte(byte);
          if (reason !== Reject.None) return this.#reject(reason, i);
          break;
        }
        case State.Extension:
          if (byte === CR) this.#state = State.SizeLf;
          else if (FIELD_VALUE[byte] !== 1)
            return this.#reject(byte === LF ? Reject.BareLf : Reject.ChunkExtension, i);
          else if (++this.#extension > this.#limits.extensionBytes)
            return this.#reject(Reject.ChunkExtension, i);
          break;
        case State.SizeLf:
          if (byte !== LF) return this.#reject(Reject.BareCr, i);
          this.#state = this.#left === 0 ? State.TrailerFirst : State.Data;
          break;
        case State.Data: {
          const taken = Math.min(this.#left, end - i);
          this.#left -= taken;
          this.dataBytes += taken;
          i += taken;
          if (this.#left === 0) this.#state = State.DataCr;
          continue;
        }
        case State.DataCr:
          if (byte !== CR) return this.#reject(Reject.BadChunkEnd, i);
          this.#state = State.DataLf;
          break;
        case State.DataLf:
          if (byte !== LF) return this.#reject(Reject.BadChunkEnd, i);
          this.#state = State.SizeFirst;
          break;
        case State.EndLf:
          if (byte !== LF) return this.#reject(Reject.BareCr, i);
          this.position = i + 1;
          return ChunkStatus.Done;
        default: {
          const reason = this.#trailerByte(byte);
          if (reason !== Reject.None) return this.#reject(reason, i);
        }
      }
      i++;
    }
    this.position = i;
    return ChunkStatus.NeedMore;
  }

  #sizeByte(byte: number): RejectReason {
    const digit = hexValue(byte);
    if (digit >= 0) {
      if (this.#left > SIZE_BOUND) return Reject.ChunkSizeTooLarge;
      this.#left = this.#left * 16 + digit;
      this.#state = State.Size;
      return Reject.None;
    }
    if (this.#state === State.SizeFirst) return Reject.BadChunkSize;
    if (byte === CR) this.#state = State.SizeLf;
    else if (byte !== SEMICOLON) return byte === LF ? Reject.BareLf : Reject.BadChunkSize;
    else if (this.#limits.extensionBytes === 0) return Reject.ChunkExtension;
    else this.#state = State.Extension;
    return Reject.None;
  }

  #trailerByte(byte: number): RejectReason {
    if (++this.#trailer > this.#limits.trailerBytes) return Reject.TrailersTooLarge;
    switch (this.#state) {
      case State.TrailerFirst:
      case State.TrailerName:
        if (TOKEN[byte] === 1) {
          if (this.#nameLength < this.#name.length)
            this.#name[this.#nameLength] = byte === 0x5f ? 0x2d : lowerByte(byte);
          this.#nameLength++;
          this.#state = State.TrailerName;
          return Reject.None;
        }
        if (this.#state === State.TrailerName && byte === 0x3a) {
          this.#state = State.TrailerValue;
          return this.#judgeName();
        }
        if (this.#state === State.TrailerFirst && byte === CR) {
          this.#state = State.EndLf;
          return Reject.None;
        }
        if (this.#state === State.TrailerFirst && (byte === SP || byte === HTAB)) return Reject.ObsFold;
        return byte === LF ? Reject.BareLf : Reject.BadTrailer;
      case State.TrailerValue:
        if (byte === CR) this.#state = State.TrailerLf;
        else if (FIELD_VALUE[byte] !== 1) return byte === LF ? Reject.BareLf : Reject.BadTrailer;
        return Reject.None;
      default:
        if (byte !== LF) return Reject.BareCr;
        this.#state = State.TrailerFirst;
        this.#nameLength = 0;
        return Reject.None;
    }
  }

  /** The name is folded as the forbidden ones are. */
  #judgeName(): RejectReason {
    for (const [index, name] of this.#forbidden.entries()) {
      if (name.length !== this.#nameLength) continue;
      let same = true;
      for (let i = 0; i < name.length && same; i++) same = name[i] === this.#name[i];
      if (same) return index < GUARDED.length ? Reject.ForbiddenTrailer : Reject.PolicyTrailer;
    }
    return Reject.None;
  }

  #reject(reason: RejectReason, position: number): ChunkStatus {
    this.reason = reason;
    this.position = position;
    return ChunkStatus.Rejected;
  }
}

function trailerNames(read: readonly string[]): Uint8Array[] {
  return forbiddenTrailers(read).map((name) => Buffer.from(name, 'latin1'));
}

function longest(names: readonly Uint8Array[]): number {
  return Math.max(...names.map(({ length }) => length));
}
