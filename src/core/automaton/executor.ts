// SPDX-License-Identifier: Apache-2.0
import { Reject, type RejectReason } from '../http/reasons.ts';
import { CAN_ALLOW_BIT, FINAL_BIT, Flag, HeaderId, HeaderWord, NO_AUDIT, TableFlag } from './format.ts';
import { HeadMachine } from './head-machine.ts';

export { HeadStatus, type HeadLimits, DEFAULT_HEAD_LIMITS } from './head-machine.ts';
export { HeaderId } from './format.ts';

/** How the end of a message's body is found. */
export const Framing = { None: 0, Length: 1, Chunked: 2, UntilClose: 3, Tunnel: 4 } as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

/**
 * One request head on one connection. Life: construct once per connection, `run` until it isn't NeedMore, read
 * the facts, `reset` (perhaps with a newer table) before the next head.
 *
 *     switch (head.run(buf, start, end)) {
 *       case HeadStatus.NeedMore: if (head.hopeless()) refuse403(); break;   // keep buf[headStart, end)
 *       case HeadStatus.Rejected: answer(describeReject(head.reason)); break; // then close
 *       case HeadStatus.Done: head.allowed ? forward(head) : refuse403(head.rule);
 *     }
 *
 * All positions count from the head's first byte; the caller keeps the head's bytes together.
 */
export class RequestHead extends HeadMachine {
  /** The verdict, once done. False in a table marked undecided: ask `evaluateHttp`. */
  allowed = false;
  /** The rule that decided; 0: nothing matched. */
  rule = 0;
  /** It is allowed, and would not be if rules in Audit mode were enforced. */
  audited = false;
  /** The rule that it is reported under, if `audited`. */
  auditRule = 0;

  get minor(): 0 | 1 {
    return (this.flags & Flag.Http10) !== 0 ? 0 : 1;
  }

  /** The method is [0, methodEnd), the target [targetStart, targetEnd), its path [targetStart, pathEnd). */
  get targetStart(): number {
    return this.methodEnd + 1;
  }

  get isHead(): boolean {
    return (this.flags & Flag.HeadMethod) !== 0;
  }

  get isConnect(): boolean {
    return (this.flags & Flag.ConnectMethod) !== 0;
  }

  get framing(): Framing {
    if ((this.flags & Flag.TransferEncoding) !== 0) return Framing.Chunked;
    return (this.flags & Flag.Length) !== 0 && this.contentLength > 0 ? Framing.Length : Framing.None;
  }

  /** The client will go on using the connection (RFC 9112 9.3). */
  get keepAlive(): boolean {
    if ((this.flags & Flag.Close) !== 0) return false;
    return (this.flags & Flag.Http10) === 0 || (this.flags & Flag.KeepAlive) !== 0;
  }

  /** An upgrade is asked for with both header lines it takes, in HTTP/1.1. */
  get upgrade(): boolean {
    return (
      (this.flags & (Flag.Upgrade | Flag.UpgradeToken | Flag.Http10)) === (Flag.Upgrade | Flag.UpgradeToken)
    );
  }

  get expectContinue(): boolean {
    return (this.flags & (Flag.Continue | Flag.Http10)) === Flag.Continue;
  }

  /** Connection names header lines beyond the well-known ones: see `nominatedLines`. */
  get nominates(): boolean {
    return (this.flags & Flag.Nominates) !== 0;
  }

  /** Index of the recorded Host line, or -1. */
  get hostLine(): number {
    return this.findLine(HeaderId.Host);
  }

  /** Index of the first recorded line with this number, or -1. */
  findLine(id: number): number {
    for (let index = 0; index < this.lines; index++) if (this.lineId(index) === id) return index;
    return -1;
  }

  override reset(table = this.table): void {
    super.reset(table);
    this.allowed = this.audited = false;
    this.rule = this.auditRule = 0;
  }

  /** Between calls of `run`: true if no continuation of this head can be allowed. */
  hopeless(): boolean {
    const { alive, header, decision } = this.table;
    if (((header[HeaderWord.Flags] as number) & TableFlag.Undecided) !== 0) return false;
    const method = this.fields.values[0] as number;
    if (((alive[this.state] as number) & (1 << Math.min(method, 31))) === 0) return true;
    const known =
      (this.flags & Flag.Target) !== 0
        ? (header[HeaderWord.RequestLineRegisters] as number)
        : (this.flags & Flag.Path) !== 0
          ? (header[HeaderWord.PathRegisters] as number)
          : (this.flags & Flag.Method) !== 0
            ? 1 + this.#settledPath()
            : 0;
    const word = this.#follow(header[HeaderWord.DecisionRoot] as number, known);
    if (word >= FINAL_BIT) return this.table.verdicts[(word - FINAL_BIT) * 2 + 1] !== 1;
    return ((decision[word] as number) & CAN_ALLOW_BIT) === 0;
  }

  /** 1 if the path's first register is certain before the path has ended. */
  #settledPath(): number {
    const { header } = this.table;
    return (header[HeaderWord.PathRegisters] as number) > 1 && this.fields.values[1] !== 0 ? 1 : 0;
  }

  protected override finish(): RejectReason {
    const { flags } = this;
    const body = flags & (Flag.Length | Flag.TransferEncoding);
    if (body !== 0) {
      if (body === (Flag.Length | Flag.TransferEncoding)) return Reject.LengthAndTransferEncoding;
      if ((flags & Flag.ConnectMethod) !== 0) return Reject.BodyOnConnect;
      if ((flags & Flag.TransferEncoding) !== 0 && (flags & Flag.Http10) !== 0)
        return Reject.TransferEncodingInHttp10;
    }
    if ((flags & (Flag.Host | Flag.Http10)) === 0) return Reject.MissingHost;
    this.#decide();
    return Reject.None;
  }

  #decide(): void {
    const { header, registers, verdicts } = this.table;
    const verdict = (this.#follow(header[HeaderWord.DecisionRoot] as number, registers) - FINAL_BIT) * 2;
    this.rule = verdicts[verdict] as number;
    this.allowed = verdicts[verdict + 1] === 1;
    const audit = header[HeaderWord.AuditRoot] as number;
    if (audit === NO_AUDIT || !this.allowed) return;
    const would = (this.#follow(audit, registers) - FINAL_BIT) * 2;
    this.audited = verdicts[would + 1] !== 1;
    if (this.audited) this.auditRule = verdicts[would] as number;
  }

  /** Walks a decision diagram over the registers below `known`. Each step passes at least one register. */
  #follow(root: number, known: number): number {
    const { decision, registers } = this.table;
    let word = root;
    for (let steps = 0; word < FINAL_BIT && steps < registers; steps++) {
      const register = (decision[word] as number) & 255;
      if (register >= known) break;
      word = decision[word + 1 + (this.fields.values[register] as number)] as number;
    }
    return word;
  }
}
