// SPDX-License-Identifier: Apache-2.0

/**
 * Numbers of the table format, shared by every executor of it. The layout is described byte by byte in
 * docs/design/automaton.md. All integers are little endian and fixed width.
 */

/** "PGHT" read as a little-endian u32. */
export const MAGIC = 0x54484750;
export const FORMAT_VERSION = 2;
export const HEADER_BYTES = 128;

/** Word (u32) numbers in the table header. */
export const HeaderWord = {
  Magic: 0,
  Version: 1,
  TotalBytes: 2,
  Flags: 3,
  States: 4,
  Classes: 5,
  StrideShift: 6,
  StartState: 7,
  SkipState: 8,
  Registers: 9,
  RequestLineRegisters: 10,
  PathRegisters: 11,
  ClassMapOffset: 12,
  AcceptOffset: 13,
  AliveOffset: 14,
  ActionsOffset: 15,
  Actions: 16,
  RegistersOffset: 17,
  SetsOffset: 18,
  SetsCount: 19,
  DecisionOffset: 20,
  DecisionWords: 21,
  DecisionRoot: 22,
  VerdictsOffset: 23,
  Verdicts: 24,
  NextOffset: 25,
  AuditRoot: 26,
} as const;

/** A transition with this bit names an action (low 15 bits) instead of a state. */
export const ACTION_BIT = 0x8000;
export const MAX_STATES = 0x8000;
/** A decision word with this bit is final: the low bits number a verdict. */
export const FINAL_BIT = 0x80000000;
/** AuditRoot of a table that reports nothing. */
export const NO_AUDIT = 0xffffffff;
/** In a decision node's first word: some path from here ends in Allow. */
export const CAN_ALLOW_BIT = 0x100;

export const ACTION_BYTES = 16;
export const REGISTER_BYTES = 16;

/** What a transition does beside changing state. */
export const Op = {
  /** Stop; the reason is in `reject`. */
  Reject: 0,
  /** Nothing but flags, marks and opening a field. */
  Step: 1,
  /** The field of `register` ends before this byte: its class is the accept id of the state that was left. */
  Value: 2,
  /** The field of `register` is present and empty (a query parameter without "="). */
  Empty: 3,
  /** The colon after a header name of interest; `id` is the header's number. */
  Header: 4,
  /** The colon after any other header name: its value may be skipped by searching for the CR; `id` as of Header, where it has one. */
  Skip: 5,
  /** A digit (`register`) of Content-Length (`id` 0) or of the status code (`id` 1). */
  Digit: 6,
  /** The LF that ends a line. */
  Line: 7,
  /** The LF that ends the head. */
  End: 8,
  /** The field of `register` goes on, but its class is certain: `value`. */
  Set: 9,
  /** As Value, for a field whose first lane was Set before: only further lanes end here. */
  Lanes: 10,
} as const;

/** Facts gathered on the way. Method, Path and Target also mark the position of the byte that set them. */
export const Flag = {
  Http10: 1 << 0,
  Method: 1 << 1,
  Path: 1 << 2,
  Target: 1 << 3,
  HeadMethod: 1 << 4,
  ConnectMethod: 1 << 5,
  Host: 1 << 6,
  Length: 1 << 7,
  TransferEncoding: 1 << 8,
  Close: 1 << 9,
  KeepAlive: 1 << 10,
  UpgradeToken: 1 << 11,
  Nominates: 1 << 12,
  Upgrade: 1 << 13,
  Continue: 1 << 14,
} as const;

/** Word 3 of the header. */
export const TableFlag = {
  /** The grammar is the table's, the verdict is not: evaluate the rules over the head's text instead. */
  Undecided: 1 << 0,
  /** A response grammar. */
  Response: 1 << 1,
  /** What would be refused is not the table's to tell: evaluate the rules in Audit mode over the text instead. */
  AuditUndecided: 1 << 2,
} as const;

/** Numbers of the header lines that executors record, beside those asked for at compile time. */
export const HeaderId = {
  Host: 1,
  ContentLength: 2,
  TransferEncoding: 3,
  Connection: 4,
  KeepAlive: 5,
  ProxyConnection: 6,
  Te: 7,
  Upgrade: 8,
  Expect: 9,
  Trailer: 10,
  /** Of Skip and Step: executors that record where the value is, do so by it. */
  TraceParent: 11,
  /** The first number given to names from `CompileOptions.record`, in their order. */
  FirstRecorded: 16,
} as const;

/** More digits than this before the next one and Content-Length could pass 2^53 - 1. */
export const LENGTH_BOUND = 900719925474098;
