// SPDX-License-Identifier: Apache-2.0
import { CR, LETTERS, LF, PATH, UNRESERVED, hexValue } from '../http/grammar.ts';
import { Reject, type RejectReason } from '../http/reasons.ts';

/** Where in the path's grammar. The two escape groups are followed by one state per first digit. */
export const At = { Start: 0, Slash: 1, Dot: 2, DotDot: 3, Segment: 4, Escape: 5, DotEscape: 22 } as const;
export const PLACES = 39;
const SEMICOLON = 0x3b;

/** The grammar's verdict on one byte: a place, and the decoded byte that predicates see (or -1). */
interface PathStep {
  readonly place: number;
  readonly emit: number;
}

/**
 * The grammar of a path that some rule reads. Predicates see it percent-decoded; whatever could mean something
 * else to a server that normalises (or doesn't) is rejected, so nothing ever needs rewriting.
 */
export function pathStep(place: number, byte: number): PathStep | RejectReason {
  if (place >= At.Escape) return escapeStep(place, byte);
  const dots = place === At.Dot || place === At.DotDot;
  switch (byte) {
    case 0x2f:
      if (place === At.Slash) return Reject.DoubleSlash;
      return dots ? Reject.DotSegment : { place: At.Slash, emit: byte };
    case 0x2e:
      if (place === At.Start) return Reject.BadTarget;
      return { place: place === At.Slash ? At.Dot : place === At.Dot ? At.DotDot : At.Segment, emit: byte };
    case 0x25:
      if (place === At.Start) return Reject.BadTarget;
      return { place: dots ? At.DotEscape : At.Escape, emit: -1 };
    case SEMICOLON:
      if (dots) return Reject.DotSegment;
      break;
  }
  if (place === At.Start) return LETTERS[byte] === 1 ? Reject.AbsoluteForm : startReason(byte);
  return PATH[byte] === 1 ? { place: At.Segment, emit: byte } : targetReason(byte);
}

function escapeStep(place: number, byte: number): PathStep | RejectReason {
  const dots = place >= At.DotEscape;
  const base = dots ? At.DotEscape : At.Escape;
  const digit = hexValue(byte);
  if (digit < 0) return Reject.BadEscape;
  if (place === base) return { place: base + 1 + digit, emit: -1 };
  const decoded = (place - base - 1) * 16 + digit;
  if (decoded === 0x2f) return Reject.EncodedSlash;
  if (decoded === 0x5c) return Reject.EncodedBackslash;
  if (decoded < 0x20 || decoded === 0x7f) return Reject.EncodedControl;
  if (UNRESERVED[decoded] === 1) return Reject.EncodedUnreserved;
  if (dots && decoded === SEMICOLON) return Reject.DotSegment;
  return { place: At.Segment, emit: decoded };
}

/** Why a target can not begin with a byte that is no letter. */
export function startReason(byte: number): RejectReason {
  return byte === 0x2a ? Reject.AsteriskForm : targetReason(byte);
}

/** Why a byte can not be in a target. */
export function targetReason(byte: number): RejectReason {
  if (byte === 0x23) return Reject.Fragment;
  if (byte === 0x5c) return Reject.Backslash;
  if (byte === CR) return Reject.Http09;
  return byte === LF ? Reject.BareLf : Reject.BadTarget;
}

/** Whether the path may end here, before "?" or the space. */
export function pathEnd(place: number): RejectReason {
  if (place === At.Start) return Reject.BadTarget;
  if (place >= At.Escape) return Reject.BadEscape;
  return place === At.Dot || place === At.DotDot ? Reject.DotSegment : Reject.None;
}
