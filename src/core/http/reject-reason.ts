// SPDX-License-Identifier: Apache-2.0
import { reason } from '../abi/reason.ts';
import { describeReject, Reject, type RejectReason } from './reasons.ts';

const framing = new Set<RejectReason>([
  Reject.BareLf,
  Reject.BareCr,
  Reject.ObsFold,
  Reject.SpaceBeforeColon,
  Reject.BadLength,
  Reject.LengthTooLarge,
  Reject.RepeatedLength,
  Reject.BadTransferEncoding,
  Reject.RepeatedTransferEncoding,
  Reject.LengthAndTransferEncoding,
  Reject.TransferEncodingInHttp10,
  Reject.BodyOnConnect,
  Reject.BadChunkSize,
  Reject.ChunkSizeTooLarge,
  Reject.ChunkExtension,
  Reject.BadChunkEnd,
  Reject.BadTrailer,
  Reject.ForbiddenTrailer,
  Reject.TrailersTooLarge,
]);

const target = new Set<RejectReason>([
  Reject.AbsoluteForm,
  Reject.AsteriskForm,
  Reject.Fragment,
  Reject.BadEscape,
  Reject.EncodedSlash,
  Reject.EncodedControl,
  Reject.EncodedUnreserved,
  Reject.DoubleSlash,
  Reject.DotSegment,
  Reject.Backslash,
  Reject.EncodedBackslash,
  Reject.HostMismatch,
]);

/** The reason under which a rejected request is counted and recorded. */
export function rejectReason(rejected: RejectReason): number {
  if (rejected === Reject.HeadTooLarge) return reason['http-head-too-large'];
  if (rejected === Reject.TooManyHeaders) return reason['http-too-many-headers'];
  if (rejected === Reject.PolicyTrailer) return reason['http-trailer'];
  if (framing.has(rejected)) return reason['http-framing'];
  return target.has(rejected) ? reason['http-target-ambiguous'] : reason['http-malformed'];
}

/** The answering status. A coding that isn't exactly `chunked` is ambiguous before it is unknown: 400, not 501. */
export function rejectStatus(rejected: RejectReason): number {
  return rejected === Reject.BadTransferEncoding ? 400 : describeReject(rejected).status;
}
