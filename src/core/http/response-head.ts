// SPDX-License-Identifier: Apache-2.0
import { Framing } from '../automaton/executor.ts';
import { Flag } from '../automaton/format.ts';
import { HeadMachine } from '../automaton/head-machine.ts';
import { Reject, type RejectReason } from './reasons.ts';

/**
 * One response head; the table comes from `responseTable()`. Before each head `reset`, then say with `expect`
 * which request it answers. Interim (1xx) responses are heads of their own: after one, `reset` and `expect` again.
 */
export class ResponseHead extends HeadMachine {
  #headRequest = false;
  #connectRequest = false;

  /** Says what was asked, because framing depends on it (RFC 9112 6.3). */
  expect(request: { readonly isHead: boolean; readonly isConnect: boolean }): void {
    this.#headRequest = request.isHead;
    this.#connectRequest = request.isConnect;
  }

  get minor(): 0 | 1 {
    return (this.flags & Flag.Http10) !== 0 ? 0 : 1;
  }

  /** A 1xx response other than 101: the final one is still to come. */
  get interim(): boolean {
    return this.statusCode < 200 && this.statusCode !== 101;
  }

  /** Tunnel: after 101, or 2xx to CONNECT, the connection is opaque. */
  get framing(): Framing {
    const { statusCode, flags } = this;
    if (statusCode === 101) return Framing.Tunnel;
    if (this.#connectRequest && statusCode >= 200 && statusCode < 300) return Framing.Tunnel;
    if (this.#headRequest || statusCode < 200 || statusCode === 204 || statusCode === 304)
      return Framing.None;
    if ((flags & Flag.TransferEncoding) !== 0) return Framing.Chunked;
    if ((flags & Flag.Length) === 0) return Framing.UntilClose;
    return this.contentLength > 0 ? Framing.Length : Framing.None;
  }

  /** The server will go on using the connection. */
  get keepAlive(): boolean {
    if ((this.flags & Flag.Close) !== 0) return false;
    const { framing } = this;
    if (framing === Framing.UntilClose || framing === Framing.Tunnel) return false;
    return (this.flags & Flag.Http10) === 0 || (this.flags & Flag.KeepAlive) !== 0;
  }

  get nominates(): boolean {
    return (this.flags & Flag.Nominates) !== 0;
  }

  protected override finish(): RejectReason {
    const { flags, statusCode } = this;
    if ((flags & Flag.TransferEncoding) !== 0) {
      if ((flags & Flag.Length) !== 0) return Reject.LengthAndTransferEncoding;
      if ((flags & Flag.Http10) !== 0) return Reject.TransferEncodingInHttp10;
      if (statusCode < 200 || statusCode === 204) return Reject.BodylessTransferEncoding;
    }
    return Reject.None;
  }
}
