// SPDX-License-Identifier: Apache-2.0
import { Framing, type RequestHead } from '../core/automaton/executor.ts';
import type { Arrays } from './arrays.ts';
import { copyBytes } from './bytes.ts';
import { isIdempotent, methodIndex, OTHER_METHOD } from './counters.ts';
import type { FlowFacts } from './flows.ts';
import type { Gate } from './gate.ts';
import type { HeadPieces } from './head-pieces.ts';
import { findTraceParent } from './trace-parent.ts';

/** Heads up to this length are kept whole, so that they can be sent again; of longer ones, the beginning. */
const KEPT_BYTES = 8192;

/** The request that an exchange is about: what its response, its record and a second attempt need to know. */
export class CurrentRequest {
  isHead = false;
  isConnect = false;
  /** The upgrade that was asked for and allowed may happen. */
  isUpgrade = false;
  /** The client can use the connection for another request. */
  keepAlive = false;
  minor = 1;
  /** It came over HTTP/2. */
  isHttp2 = false;
  isGrpc = false;
  /** Of its response, -1: none. */
  grpcStatus = -1;
  method = 0;
  /** Of its response, 0: none yet. */
  status = 0;
  egressRule = 0;
  ingressRule = 0;
  /** The side whose rules refuse it, or would, enum direction; 0: none does. */
  refusingSide = 0;
  /** Allowed, and a policy in Audit mode would refuse it. */
  audited = false;
  startNs = 0;
  /** When all of it had been passed on, and when its response began; 0: not yet. */
  sentNs = 0;
  answeredNs = 0;
  bytesSent = 0;
  bytesReceived = 0;
  /** The head as it was forwarded, or its first bytes. */
  kept: Uint8Array = nothing;
  keptLength = 0;
  /** No body, the head is kept whole, and doing it twice does no harm. */
  canRepeat = false;
  /** Where the request's text lies. */
  private text: Uint8Array = nothing;
  private textStart = 0;
  private textLength = 0;
  private methodEnd = 0;
  private pathStart = 0;
  private pathEnd = 0;
  private hostStart = 0;
  private hostEnd = 0;
  private readonly heads: Arrays;

  /** @param heads where short heads are kept */
  constructor(heads: Arrays) {
    this.heads = heads;
  }

  /** Takes the facts of a head that is about to be forwarded in these pieces. */
  take(gate: Gate, bytes: Uint8Array, start: number, pieces: HeadPieces): void {
    const { head } = gate;
    this.judged(gate, bytes, start);
    this.minor = head.minor;
    this.isUpgrade = head.upgrade;
    this.keepAlive = head.keepAlive && head.minor === 1;
    this.makeRoom(Math.min(pieces.length, KEPT_BYTES));
    pieces.copy(bytes, start, this.kept, this.keptLength);
    this.text = this.kept;
    this.textStart = 0;
    this.textLength = this.keptLength;
    this.canRepeat =
      head.framing === Framing.None &&
      pieces.length <= KEPT_BYTES &&
      !head.upgrade &&
      isIdempotent(this.method);
    const shift = this.hostStart - pieces.moved(this.hostStart);
    this.hostStart -= shift;
    this.hostEnd -= shift;
  }

  /** Takes the facts of a head that passes as it is. */
  watch(gate: Gate, bytes: Uint8Array, start: number): void {
    this.judged(gate, bytes, start);
    this.makeRoom(Math.min(gate.head.length, KEPT_BYTES));
    copyBytes(bytes, start, start + this.keptLength, this.kept, 0);
    this.text = this.kept;
    this.textStart = 0;
    this.textLength = this.keptLength;
  }

  /** Takes what the record of a refused request needs; good for this turn only. */
  judged(gate: Gate, bytes: Uint8Array, start: number): void {
    const { head } = gate;
    this.text = bytes;
    this.textStart = start;
    this.textLength = head.length;
    this.status = this.sentNs = this.answeredNs = 0;
    this.bytesSent = head.length;
    this.bytesReceived = 0;
    this.isHead = head.isHead;
    this.isConnect = head.isConnect;
    this.egressRule = gate.egressRule;
    this.ingressRule = gate.ingressRule;
    this.refusingSide = gate.refusingSide;
    this.audited = gate.audited;
    this.method = methodIndex(bytes, start, start + head.methodEnd);
    this.spans(head, bytes, start);
  }

  /** Gives the memory back. */
  release(): void {
    this.heads.giveBack(this.kept);
    this.kept = this.text = nothing;
  }

  /** Nothing is known of the request: its head couldn't be read. */
  forget(): void {
    this.text = nothing;
    this.textStart = this.textLength = 0;
    this.method = OTHER_METHOD;
    this.isHead = this.isConnect = this.audited = false;
    this.refusingSide = 0;
    this.sentNs = this.answeredNs = 0;
    this.status = this.egressRule = this.ingressRule = this.bytesSent = this.bytesReceived = 0;
  }

  /** Fills a record's text. */
  describe(facts: FlowFacts): void {
    const { textStart: start, textLength: length } = this;
    facts.text = this.text;
    facts.methodStart = start;
    facts.methodEnd = start + Math.min(this.methodEnd, length);
    facts.pathStart = start + Math.min(this.pathStart, length);
    facts.pathEnd = start + Math.min(this.pathEnd, length);
    facts.hostStart = start + Math.min(this.hostStart, length);
    facts.hostEnd = start + Math.min(this.hostEnd, length);
    facts.traceStart = findTraceParent(this.text, start, length);
    facts.isHttp2 = this.isHttp2;
    facts.grpcStatus = this.grpcStatus;
    if (this.answeredNs === 0) return;
    // A server may answer before it has heard all.
    const sentNs = this.sentNs === 0 ? this.answeredNs : Math.min(this.sentNs, this.answeredNs);
    facts.requestNs = sentNs - this.startNs;
    facts.serverNs = this.answeredNs - sentNs;
  }

  private makeRoom(length: number): void {
    this.keptLength = length;
    if (this.kept.length >= length) return;
    this.release();
    const fits = length <= this.heads.length;
    this.kept = fits ? this.heads.take() : new Uint8Array(2 ** Math.ceil(Math.log2(length)));
  }

  private spans(head: RequestHead, bytes: Uint8Array, start: number): void {
    this.methodEnd = head.methodEnd;
    this.pathStart = head.targetStart;
    this.pathEnd = head.pathEnd;
    this.hostStart = this.hostEnd = 0;
    const line = head.hostLine;
    if (line < 0) return;
    let from = start + head.lineValue(line);
    let to = start + head.lineEnd(line) - 2;
    while (from < to && isSpace(bytes[from])) from++;
    while (to > from && isSpace(bytes[to - 1])) to--;
    this.hostStart = from - start;
    this.hostEnd = to - start;
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09;
}

const nothing = new Uint8Array(0);
