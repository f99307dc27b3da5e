// SPDX-License-Identifier: Apache-2.0

/** Byte classes of RFC 9110, RFC 9112 and RFC 3986, as 256-entry tables of 0 and 1. */
export type ByteSet = Uint8Array;

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;

const ALPHA = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const DIGIT = '0123456789';

/** The set of the bytes of an ASCII string, plus inclusive ranges. */
export function byteSet(chars: string, ...ranges: readonly (readonly [number, number])[]): ByteSet {
  const set = new Uint8Array(256);
  for (let i = 0; i < chars.length; i++) set[chars.charCodeAt(i)] = 1;
  for (const [from, to] of ranges) set.fill(1, from, to + 1);
  return set;
}

/** RFC 9110 5.6.2: what methods, header names and connection options are made of. */
export const TOKEN = byteSet(`!#$%&'*+-.^_\`|~${DIGIT}${ALPHA}`);
/** RFC 9110 5.5: field-vchar with obs-text, space and tab. */
export const FIELD_VALUE = byteSet('\t ', [0x21, 0x7e], [0x80, 0xff]);
/** RFC 3986 2.3. */
export const UNRESERVED = byteSet(`-._~${DIGIT}${ALPHA}`);
/** RFC 3986 pchar and "/", plus "[", "]" and "|", which clients send bare; "%" is judged apart. */
export const PATH = byteSet(`/:@!$&'()*+,;=-._~[]|${DIGIT}${ALPHA}`);
/** What URL parsers leave bare in a query (WHATWG URL): visible ASCII but `"`, `#`, `<`, `>`. */
export const QUERY = byteSet('!', [0x24, 0x3b], [0x3d, 0x3d], [0x3f, 0x7e]);
/** Host names and IPv4 addresses; underscores occur in service names. */
export const HOST_NAME = byteSet(`-._${DIGIT}${ALPHA}`);
/** Inside the brackets of an IPv6 literal; no zone ids. */
export const IPV6 = byteSet(`:.abcdefABCDEF${DIGIT}`);
export const DIGITS = byteSet(DIGIT);
export const LETTERS = byteSet(ALPHA);

/** The value of a hexadecimal digit, or -1. */
export function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** ASCII lower case of one byte. */
export function lowerByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Header lines that concern one hop only and are not forwarded (RFC 9110 7.6.1), beside those nominated. */
export const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
];

/** Names that can not be nominated by Connection, nor appear as trailers: framing, routing, credentials. */
export const GUARDED: readonly string[] = [
  'authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'proxy-authorization',
  'set-cookie',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** First byte of the value between `from` and `to` that is not OWS; `to` for an empty value. */
export function valueStart(buf: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && (buf[at] === SP || buf[at] === HTAB)) at++;
  return at;
}

/** One past the last byte of the value between `from` and `to` that is not OWS. */
export function valueEnd(buf: Uint8Array, from: number, to: number): number {
  let at = to;
  while (at > from && (buf[at - 1] === SP || buf[at - 1] === HTAB)) at--;
  return at;
}
