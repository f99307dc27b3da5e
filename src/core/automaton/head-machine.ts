// SPDX-License-Identifier: Apache-2.0
import { FIELD_VALUE } from '../http/grammar.ts';
import { Reject, type RejectReason } from '../http/reasons.ts';
import { FieldRegisters } from './field-registers.ts';
import { ACTION_BIT, Flag, LENGTH_BOUND, Op } from './format.ts';
import type { HeadTable } from './table.ts';

/** What a call of `run` came to. */
export const HeadStatus = { NeedMore: 0, Done: 1, Rejected: 2 } as const;
export type HeadStatus = (typeof HeadStatus)[keyof typeof HeadStatus];

/** Bounds on one head; passing one rejects it. */
export interface HeadLimits {
  readonly headBytes: number;
  readonly headerLines: number;
  /** Header lines of interest (hop-by-hop, framing, those asked for) whose spans are kept. */
  readonly recordedLines: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { headBytes: 65536, headerLines: 256, recordedLines: 64 };

const LINE_WORDS = 4;

/**
 * Runs a table over the bytes of one head. It can stop and resume at any byte, looks at no byte twice, and
 * allocates nothing after construction. Positions are counted from the head's first byte.
 */
export class HeadMachine {
  table: HeadTable;
  readonly limits: HeadLimits;
  /** Index in the last `run`'s buffer of the first byte that was not consumed. */
  position = 0;
  /** Bytes consumed of this head; its length once done. */
  length = 0;
  reason: RejectReason = Reject.None;
  flags = 0;
  state: number;
  /** Value of Content-Length; status code of a response. */
  contentLength = 0;
  statusCode = 0;
  methodEnd = 0;
  pathEnd = 0;
  targetEnd = 0;
  /** Header lines recorded so far; see `lineId` and its companions. */
  lines = 0;
  /** Class of each field: what rules are decided by. */
  readonly fields: FieldRegisters;
  readonly #lines: Int32Array;
  #lineStart = 0;
  #lineCount = -1;
  #lineRecorded = false;
  /** What to add to an index of the current buffer to get a position in the head. */
  #base = 0;

  constructor(table: HeadTable, limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.table = table;
    this.limits = limits;
    this.state = table.start;
    this.fields = new FieldRegisters(table);
    this.#lines = new Int32Array(limits.recordedLines * LINE_WORDS);
  }

  /** Forgets this head; the next one is read by `table`. */
  reset(table: HeadTable = this.table): void {
    this.fields.reset(table);
    this.table = table;
    this.state = table.start;
    this.position = this.length = this.flags = this.contentLength = this.statusCode = 0;
    this.reason = Reject.None;
    this.methodEnd = this.pathEnd = this.targetEnd = this.lines = this.#lineStart = 0;
    this.#lineCount = -1;
    this.#lineRecorded = false;
  }

  /** Number (`HeaderId`) of a recorded header line. */
  lineId(index: number): number {
    return this.#lines[index * LINE_WORDS] ?? 0;
  }

  /** Position of the line's first byte. */
  lineStart(index: number): number {
    return this.#lines[index * LINE_WORDS + 1] ?? 0;
  }

  /** Position after the colon; white space around the value is not trimmed. */
  lineValue(index: number): number {
    return this.#lines[index * LINE_WORDS + 2] ?? 0;
  }

  /** Position after the line's CRLF. */
  lineEnd(index: number): number {
    return this.#lines[index * LINE_WORDS + 3] ?? 0;
  }

  /** Reads `buf[start, end)`, which continues the head where the last call ended. */
  run(buf: Uint8Array, start: number, end: number): HeadStatus {
    const { next, classMap, shift, skip } = this.table;
    const room = this.limits.headBytes - this.length;
    const stop = end - start > room ? start + room : end;
    this.#base = this.length - start;
    let i = start;
    let s = this.state;
    if (s === skip) i = skipValue(buf, i, stop);
    while (i < stop) {
      const entry = next[(s << shift) | (classMap[buf[i] as number] as number)] as number;
      if (entry < ACTION_BIT) {
        s = entry;
        i++;
        continue;
      }
      this.state = s;
      const status = this.#act(entry - ACTION_BIT, buf, i, stop);
      if (status !== HeadStatus.NeedMore) return status;
      s = this.state;
      i = this.position;
    }
    this.state = s;
    this.position = i;
    this.length = this.#base + i;
    if (this.fields.open >= 0) this.fields.run(buf, i, this.#base);
    if (this.length >= this.limits.headBytes) return this.#reject(Reject.HeadTooLarge, i);
    return HeadStatus.NeedMore;
  }

  /** What only the end of the head can tell; overridden per kind of message. */
  protected finish(): RejectReason {
    return Reject.None;
  }

  /** Carries out the action of the byte at `i`; leaves the next state and position behind. */
  #act(action: number, buf: Uint8Array, i: number, stop: number): HeadStatus {
    const { actions16, actions32, accept, skip } = this.table;
    const at = this.#base + i;
    const head = actions16[action * 8] as number;
    const extra = actions16[action * 8 + 1] as number;
    const next = actions16[action * 8 + 2] as number;
    const reject = actions16[action * 8 + 3] as number;
    const flags = actions32[action * 4 + 2] as number;
    const op = head & 255;
    const register = head >> 8;
    if (reject !== 0 && (op === Op.Reject || (this.flags & flags) !== 0)) return this.#reject(reject, i);
    this.position = i + 1;
    switch (op) {
      case Op.Value:
        if (this.fields.open >= 0) this.fields.run(buf, i, this.#base);
        if (!this.fields.end(register, accept[this.state] as number))
          return this.#reject(Reject.HostMismatch, i);
        break;
      case Op.Empty:
        this.fields.empty(register);
        break;
      case Op.Header:
        if (!this.#record(extra >> 8, at)) return this.#reject(Reject.TooManyHeaders, i);
        break;
      case Op.Set:
        this.fields.set(register, actions16[action * 8 + 6] as number);
        if (next === skip) this.position = skipValue(buf, i + 1, stop);
        break;
      case Op.Lanes:
        this.fields.run(buf, i, this.#base);
        this.fields.endLanes(register);
        break;
      case Op.Skip:
        this.position = skipValue(buf, i + 1, stop);
        break;
      case Op.Digit:
        if (!this.#digit(register, extra >> 8)) return this.#reject(Reject.LengthTooLarge, i);
        break;
      case Op.Line:
        if (!this.#line(at)) return this.#reject(Reject.TooManyHeaders, i);
        break;
      case Op.End:
        return this.#end(i);
    }
    if (flags !== 0) this.#mark(flags, at);
    if ((extra & 255) !== 0) this.fields.begin(extra & 255, at + 1);
    this.state = next;
    return HeadStatus.NeedMore;
  }

  #mark(flags: number, at: number): void {
    this.flags |= flags;
    if ((flags & Flag.Method) !== 0) this.methodEnd = at;
    if ((flags & Flag.Path) !== 0) this.pathEnd = at;
    if ((flags & Flag.Target) !== 0) this.targetEnd = at;
  }

  #digit(digit: number, number: number): boolean {
    if (number === 1) this.statusCode = this.statusCode * 10 + digit;
    else if (this.contentLength > LENGTH_BOUND) return false;
    else this.contentLength = this.contentLength * 10 + digit;
    return true;
  }

  #line(at: number): boolean {
    if (this.#lineRecorded) this.#lines[(this.lines - 1) * LINE_WORDS + 3] = at + 1;
    this.#lineRecorded = false;
    this.#lineStart = at + 1;
    return ++this.#lineCount <= this.limits.headerLines;
  }

  #end(i: number): HeadStatus {
    const reason = this.finish();
    if (reason !== Reject.None) return this.#reject(reason, i);
    this.position = i + 1;
    this.length = this.#base + i + 1;
    return HeadStatus.Done;
  }

  #reject(reason: number, i: number): HeadStatus {
    this.reason = reason as RejectReason;
    this.position = i;
    this.length = this.#base + i;
    return HeadStatus.Rejected;
  }

  #record(id: number, at: number): boolean {
    if (this.lines >= this.limits.recordedLines) return false;
    const base = this.lines * LINE_WORDS;
    this.#lines[base] = id;
    this.#lines[base + 1] = this.#lineStart;
    this.#lines[base + 2] = at + 1;
    this.lines++;
    this.#lineRecorded = true;
    return true;
  }
}

/** The first byte from `from` that a header value can not hold, or `to`. */
function skipValue(buf: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && FIELD_VALUE[buf[i] as number] === 1) i++;
  return i;
}
