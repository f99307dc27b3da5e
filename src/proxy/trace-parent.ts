// SPDX-License-Identifier: Apache-2.0
// W3C trace context, read from heads that pass untouched (https://www.w3.org/TR/trace-context/).

/** Places within the value: `00-<32 hex digits>-<16>-<2>`. */
export const TraceParent = { version: 0, traceId: 3, parentId: 36, flags: 53, length: 55 } as const;

const PATTERN = Buffer.from('\ntraceparent:');
const LAST = PATTERN.length - 1;
const CR = 0x0d;
const DASH = 0x2d;
const LOWER = 0x20;
const COLON = 0x3a;

/** By a byte: how far on the pattern may end if this byte is where it would (Horspool); either case is one letter. */
const skips = new Uint8Array(256).map((_, byte) => {
  const letter = byte >= 0x41 && byte <= 0x5a ? byte | LOWER : byte;
  const at = PATTERN.lastIndexOf(letter, LAST - 1);
  return at === -1 ? PATTERN.length : LAST - at;
});

/**
 * Where the value of the head's traceparent begins; -1 if there is none, it is not valid, or there are several, which
 * tells of no trace either.
 */
export function findTraceParent(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let found = -1;
  for (let at = start + LAST; at < end; at += skips[bytes[at] as number] as number) {
    if (bytes[at] !== COLON || !isNamed(bytes, at - LAST)) continue;
    if (found !== -1) return -1;
    found = valueAt(bytes, at + 1, end);
    if (found === -1) return -1;
  }
  return found;
}

/** A line begins with the name at `at`; its last byte has been looked at. */
function isNamed(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== PATTERN[0]) return false;
  for (let index = 1; index < LAST; index += 1)
    if (((bytes[at + index] as number) | LOWER) !== PATTERN[index]) return false;
  return true;
}

/** The value between white space, if it is a valid one. */
function valueAt(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(bytes[at])) at += 1;
  if (at + TraceParent.length > end) return -1;
  for (const dash of [TraceParent.traceId - 1, TraceParent.parentId - 1, TraceParent.flags - 1])
    if (bytes[at + dash] !== DASH) return -1;
  const isWhole =
    isHex(bytes, at, 2) &&
    isId(bytes, at + TraceParent.traceId, 32) &&
    isId(bytes, at + TraceParent.parentId, 16) &&
    isHex(bytes, at + TraceParent.flags, 2);
  // Version ff is none.
  if (!isWhole || (bytes[at] === 0x66 && bytes[at + 1] === 0x66)) return -1;
  let after = at + TraceParent.length;
  // Later versions may go on behind a dash.
  const goesOn = bytes[after] === DASH && (bytes[at] !== 0x30 || bytes[at + 1] !== 0x30);
  if (goesOn) return at;
  while (after < end && isSpace(bytes[after])) after += 1;
  return after >= end || bytes[after] === CR ? at : -1;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09;
}

/** Lower-case digits, as the format has them. */
function isHex(bytes: Uint8Array, start: number, length: number): boolean {
  for (let at = start; at < start + length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (!(byte >= 0x30 && byte <= 0x39) && !(byte >= 0x61 && byte <= 0x66)) return false;
  }
  return true;
}

/** Digits that are not all zero. */
function isId(bytes: Uint8Array, start: number, length: number): boolean {
  if (!isHex(bytes, start, length)) return false;
  for (let at = start; at < start + length; at += 1) if (bytes[at] !== 0x30) return true;
  return false;
}

/** Decodes lower-case hex digits into `length` bytes. */
export function hexInto(from: Uint8Array, at: number, into: Uint8Array, to: number, length: number): void {
  for (let index = 0; index < length; index += 1) {
    const high = digit(from[at + index * 2] ?? 0);
    into[to + index] = (high << 4) | digit(from[at + index * 2 + 1] ?? 0);
  }
}

function digit(byte: number): number {
  return byte <= 0x39 ? byte - 0x30 : byte - 0x57;
}
