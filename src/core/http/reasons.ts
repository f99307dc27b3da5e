// SPDX-License-Identifier: Apache-2.0

/** Why a head or a chunked body was rejected, with the status that answers a request rejected for it. */
interface RejectInfo {
  readonly name: string;
  readonly status: number;
  readonly text: string;
}

/**
 * Numbers are part of the table format and of flow records: never reuse or renumber, only append.
 * 0 means "not rejected".
 */
export const Reject = {
  None: 0,
  BadMethod: 1,
  BadTarget: 2,
  BadVersion: 3,
  Http09: 4,
  Http2: 5,
  BareLf: 6,
  BareCr: 7,
  ObsFold: 8,
  EmptyName: 9,
  BadName: 10,
  SpaceBeforeColon: 11,
  BadValue: 12,
  LeadingEmptyLine: 13,
  AbsoluteForm: 14,
  AsteriskForm: 15,
  Fragment: 16,
  BadEscape: 17,
  EncodedSlash: 18,
  EncodedControl: 19,
  EncodedUnreserved: 20,
  DoubleSlash: 21,
  DotSegment: 22,
  Backslash: 23,
  BadLength: 24,
  LengthTooLarge: 25,
  RepeatedLength: 26,
  BadTransferEncoding: 27,
  RepeatedTransferEncoding: 28,
  LengthAndTransferEncoding: 29,
  TransferEncodingInHttp10: 30,
  MissingHost: 31,
  RepeatedHost: 32,
  BadHost: 33,
  HostMismatch: 34,
  BadConnection: 35,
  GuardedNomination: 36,
  AmbiguousName: 37,
  Expectation: 38,
  BodyOnConnect: 39,
  HeadTooLarge: 40,
  TooManyHeaders: 41,
  BadStatusLine: 42,
  BadChunkSize: 43,
  ChunkSizeTooLarge: 44,
  ChunkExtension: 45,
  BadChunkEnd: 46,
  BadTrailer: 47,
  ForbiddenTrailer: 48,
  TrailersTooLarge: 49,
  EncodedBackslash: 50,
  BodylessTransferEncoding: 51,
  PolicyTrailer: 52,
} as const;

export type RejectReason = (typeof Reject)[keyof typeof Reject];

const TEXTS: Readonly<Record<RejectReason, readonly [status: number, text: string]>> = {
  [Reject.None]: [200, 'not rejected'],
  [Reject.BadMethod]: [400, 'the method is not a token'],
  [Reject.BadTarget]: [400, 'a byte that a request target can not hold'],
  [Reject.BadVersion]: [505, 'the version is neither HTTP/1.0 nor HTTP/1.1'],
  [Reject.Http09]: [400, 'a request line without a version (HTTP/0.9)'],
  [Reject.Http2]: [505, 'HTTP/2 on an HTTP/1 port'],
  [Reject.BareLf]: [400, 'a line feed without carriage return'],
  [Reject.BareCr]: [400, 'a carriage return without line feed'],
  [Reject.ObsFold]: [400, 'a line that begins with white space (obsolete folding)'],
  [Reject.EmptyName]: [400, 'an empty header name'],
  [Reject.BadName]: [400, 'a byte that a header name can not hold'],
  [Reject.SpaceBeforeColon]: [400, 'white space before the colon'],
  [Reject.BadValue]: [400, 'a control character in a header value'],
  [Reject.LeadingEmptyLine]: [400, 'an empty line before the request line'],
  [Reject.AbsoluteForm]: [400, 'a target in absolute form'],
  [Reject.AsteriskForm]: [400, 'target * without method OPTIONS'],
  [Reject.Fragment]: [400, 'a fragment in the target'],
  [Reject.BadEscape]: [400, 'a percent sign without two hexadecimal digits'],
  [Reject.EncodedSlash]: [400, 'an encoded slash in the path'],
  [Reject.EncodedControl]: [400, 'an encoded control character in the path'],
  [Reject.EncodedUnreserved]: [400, 'an encoded unreserved character in the path'],
  [Reject.DoubleSlash]: [400, 'an empty segment in the path'],
  [Reject.DotSegment]: [400, 'a dot segment in the path'],
  [Reject.Backslash]: [400, 'a backslash in the path'],
  [Reject.BadLength]: [400, 'Content-Length is not a number'],
  [Reject.LengthTooLarge]: [413, 'Content-Length exceeds 2^53 - 1'],
  [Reject.RepeatedLength]: [400, 'Content-Length repeated'],
  [Reject.BadTransferEncoding]: [501, 'Transfer-Encoding is not exactly chunked'],
  [Reject.RepeatedTransferEncoding]: [400, 'Transfer-Encoding repeated'],
  [Reject.LengthAndTransferEncoding]: [400, 'Content-Length with Transfer-Encoding'],
  [Reject.TransferEncodingInHttp10]: [400, 'Transfer-Encoding in HTTP/1.0'],
  [Reject.MissingHost]: [400, 'no Host in HTTP/1.1'],
  [Reject.RepeatedHost]: [400, 'Host repeated'],
  [Reject.BadHost]: [400, 'Host is not a host with an optional port'],
  [Reject.HostMismatch]: [400, 'the target and Host name different hosts'],
  [Reject.BadConnection]: [400, 'Connection is not a list of tokens'],
  [Reject.GuardedNomination]: [400, 'Connection names a header that framing or policy reads'],
  [Reject.AmbiguousName]: [400, 'an underscore in place of a dash in a header that framing or policy reads'],
  [Reject.Expectation]: [417, 'Expect is not 100-continue'],
  [Reject.BodyOnConnect]: [400, 'a body announced on CONNECT'],
  [Reject.HeadTooLarge]: [431, 'the head exceeds its limit'],
  [Reject.TooManyHeaders]: [431, 'more header lines than the limit'],
  [Reject.BadStatusLine]: [502, 'not an HTTP/1 status line'],
  [Reject.BadChunkSize]: [400, 'a chunk size that is not hexadecimal'],
  [Reject.ChunkSizeTooLarge]: [413, 'a chunk larger than 2^53 - 1'],
  [Reject.ChunkExtension]: [400, 'a chunk extension that is refused or too long'],
  [Reject.BadChunkEnd]: [400, 'chunk data not followed by CRLF'],
  [Reject.BadTrailer]: [400, 'a malformed trailer line'],
  [Reject.ForbiddenTrailer]: [400, 'a trailer that framing would read as a header'],
  [Reject.TrailersTooLarge]: [431, 'the trailer section exceeds its limit'],
  [Reject.EncodedBackslash]: [400, 'an encoded backslash in the path'],
  [Reject.BodylessTransferEncoding]: [502, 'Transfer-Encoding in a response that has no body'],
  [Reject.PolicyTrailer]: [400, 'a header that policy reads, sent as a trailer'],
};

const NAMES = new Map<number, string>(Object.entries(Reject).map(([name, code]) => [code, name]));

/** Name, answering status and sentence of a reason. A response rejected for it is answered with 502. */
export function describeReject(reason: RejectReason): RejectInfo {
  const [status, text] = TEXTS[reason];
  return { name: NAMES.get(reason) ?? 'Unknown', status, text };
}
