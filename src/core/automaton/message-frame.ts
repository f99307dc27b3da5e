// SPDX-License-Identifier: Apache-2.0
import { FIELD_VALUE, GUARDED, LF } from '../http/grammar.ts';
import { Reject, type RejectReason } from '../http/reasons.ts';
import type { Assembler } from './assembler.ts';
import { Flag, HeaderId, Op } from './format.ts';
import { type NamedHeader, placeHeaderNames, placeTokenList } from './header-names.ts';

/** States that requests and responses share: the header section and the fields that framing needs. */
export interface MessageFrame {
  /** At the first byte of a header line. */
  readonly lineStart: number;
  /** Inside a value that nothing reads. */
  readonly skip: number;
  /** After the CR that ends a line. */
  readonly lineFeed: number;
  readonly headers: NamedHeader[];
}

export function placeFrame(asm: Assembler): MessageFrame {
  const lineStart = asm.state(Reject.BadName);
  const lineFeed = asm.state(Reject.BareCr);
  asm.on(lineFeed, LF, asm.action({ op: Op.Line, next: lineStart }));
  const skip = asm.state(Reject.BadValue);
  asm.on(skip, FIELD_VALUE, skip);
  asm.onLineEnd(skip, lineFeed);
  return { lineStart, lineFeed, skip, headers: [] };
}

/** Header names that rules read. */
export interface ReadNames {
  readonly guarded: readonly string[];
  /** Only rules in Audit mode do: naming one in Connection sets register `ambiguous`. */
  readonly soft: readonly string[];
  readonly ambiguous: number;
}

/** Content-Length, Transfer-Encoding, Connection, and the hop-by-hop names that are only recorded. */
export function placeFraming(asm: Assembler, frame: MessageFrame, read: ReadNames): void {
  const { headers, lineFeed, skip } = frame;
  const folded = asm.rejection(Reject.AmbiguousName);
  const header = (id: number, next: number, flags = 0, reject: RejectReason = Reject.None): number =>
    asm.action({ op: Op.Header, id, next, flags, reject });
  headers.push(
    {
      name: 'content-length',
      entry: header(HeaderId.ContentLength, placeLength(asm, lineFeed), Flag.Length, Reject.RepeatedLength),
      folded,
    },
    {
      name: 'transfer-encoding',
      entry: header(
        HeaderId.TransferEncoding,
        asm.keyword('chunked', Reject.BadTransferEncoding, lineFeed),
        Flag.TransferEncoding,
        Reject.RepeatedTransferEncoding,
      ),
      folded,
    },
    {
      name: 'connection',
      entry: header(HeaderId.Connection, placeConnection(asm, lineFeed, read)),
      folded,
    },
    { name: 'keep-alive', entry: header(HeaderId.KeepAlive, skip) },
    { name: 'proxy-connection', entry: header(HeaderId.ProxyConnection, skip) },
    { name: 'te', entry: header(HeaderId.Te, skip) },
    { name: 'trailer', entry: header(HeaderId.Trailer, skip) },
  );
}

/** Completes the header section once all names of interest are known. */
export function closeFrame(asm: Assembler, frame: MessageFrame): void {
  const end = asm.state(Reject.BareCr);
  asm.on(end, LF, asm.action({ op: Op.End }));
  placeHeaderNames(asm, frame.lineStart, frame.headers, asm.action({ op: Op.Skip, next: frame.skip }), end);
}

function placeLength(asm: Assembler, lineFeed: number): number {
  const lead = asm.state(Reject.BadLength);
  const digits = asm.state(Reject.BadLength);
  const trail = asm.state(Reject.BadLength);
  asm.onSpace(lead, lead);
  asm.on(lead, LF, asm.rejection(Reject.BareLf));
  for (let digit = 0; digit < 10; digit++) {
    const entry = asm.action({ op: Op.Digit, register: digit, next: digits });
    asm.on(lead, 0x30 + digit, entry);
    asm.on(digits, 0x30 + digit, entry);
  }
  for (const state of [digits, trail]) {
    asm.onSpace(state, trail);
    asm.onLineEnd(state, lineFeed);
  }
  return lead;
}

function placeConnection(asm: Assembler, lineFeed: number, read: ReadNames): number {
  const flagsOf = new Map<string, number>([
    ['close', Flag.Close],
    ['keep-alive', Flag.KeepAlive],
    ['upgrade', Flag.UpgradeToken],
    ['te', 0],
    ['proxy-connection', 0],
  ]);
  const guarded = new Set([...GUARDED, ...read.guarded].filter((name) => !flagsOf.has(name)));
  const soft = new Set(read.soft.filter((name) => !flagsOf.has(name) && !guarded.has(name)));
  const { ambiguous } = read;
  return placeTokenList(asm, { flagsOf, guarded, soft, ambiguous, otherFlags: Flag.Nominates }, lineFeed);
}

/** `HTTP/1.0` or `HTTP/1.1` from the state returned; then `after` is entered, with the flag set for 1.0. */
export function placeVersion(asm: Assembler, after: number, reason: RejectReason): number {
  const text = 'HTTP/1.';
  const start = asm.state(reason);
  let state = start;
  for (let i = 0; i < text.length; i++) {
    const next = asm.state(reason);
    asm.on(state, text.charCodeAt(i), next);
    if (text[i] === '1') asm.on(state, 0x32, asm.rejection(Reject.Http2));
    state = next;
  }
  asm.on(state, 0x30, asm.action({ op: Op.Step, flags: Flag.Http10, next: after }));
  asm.on(state, 0x31, after);
  return start;
}
