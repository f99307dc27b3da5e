// SPDX-License-Identifier: Apache-2.0
import { flowDetail, flowKind, flowPath, flowRecord } from '../core/abi/flow.ts';
import { verdict } from '../core/abi/policy.ts';
import type { RequestFlows } from '../core/proxy/config.ts';
import { copyBytes } from './bytes.ts';
import type { FlowRing } from './flow-ring.ts';
import { hexInto, TraceParent } from './trace-parent.ts';

/** Path bytes kept at most in a record. */
export const FLOW_PATH_BYTES = 1024;
const FLOW_METHOD_BYTES = 32;
const FLOW_HOST_BYTES = 255;
const TWO32 = 0x100000000;

/** The constant part of a connection's records: struct flow_record with everything variable at zero. */
export interface FlowTemplateFields {
  readonly cookieLow: number;
  readonly cookieHigh: number;
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly sourceWorkload: number;
  readonly destinationWorkload: number;
  readonly direction: number;
  readonly family: number;
  /** Numeric name of the Service that the client asked for, 0: none. */
  readonly service: number;
}

const { offset } = flowRecord;
const IPPROTO_TCP = 6;

/** Fills `bytes`, a record's length of whatever. */
export function flowTemplate(fields: FlowTemplateFields, bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes.fill(0);
  view.setUint32(offset.connection, fields.cookieLow, true);
  view.setUint32(offset.connection + 4, fields.cookieHigh, true);
  bytes.set(fields.sourceAddress, offset.sourceAddress);
  bytes.set(fields.destinationAddress, offset.destinationAddress);
  view.setUint32(offset.sourceIdentity, fields.sourceIdentity, true);
  view.setUint32(offset.destinationIdentity, fields.destinationIdentity, true);
  view.setUint32(offset.sourceWorkload, fields.sourceWorkload, true);
  view.setUint32(offset.destinationWorkload, fields.destinationWorkload, true);
  view.setUint32(offset.service, fields.service, true);
  view.setUint16(offset.sourcePort, fields.sourcePort, true);
  view.setUint16(offset.destinationPort, fields.destinationPort, true);
  bytes[offset.direction] = fields.direction;
  bytes[offset.path] = flowPath.proxied;
  bytes[offset.protocol] = IPPROTO_TCP;
  bytes[offset.family] = fields.family;
  return bytes;
}

/** The connection's number in records: 8 bytes of its template. */
export function connectionOf(template: Uint8Array): Uint8Array {
  return template.subarray(offset.connection, offset.connection + 8);
}

/** What varies from record to record. One object is reused for all. */
export class FlowFacts {
  kind: number = flowKind.request;
  verdict: number = verdict.allowed;
  reason = 0;
  status = 0;
  egressRule = 0;
  ingressRule = 0;
  /** enum direction: the side that refused; 0: as in the connection's template. */
  direction = 0;
  referenceLow = 0;
  referenceHigh = 0;
  durationNs = 0;
  bytesSent = 0;
  bytesReceived = 0;
  /** Method, path without query and host lie here; equal ends: none. */
  text: Uint8Array = noText;
  methodStart = 0;
  methodEnd = 0;
  pathStart = 0;
  pathEnd = 0;
  hostStart = 0;
  hostEnd = 0;
  /** Parts of `durationNs`; 0: it did not come to that. */
  requestNs = 0;
  serverNs = 0;
  /** Where the value of a valid traceparent begins, -1: there is none. */
  traceStart = -1;
  isHttp2 = false;
  /** -1: none. */
  grpcStatus = -1;
}

const noText = new Uint8Array(0);

/** Writes records of this worker to its ring. */
export class FlowWriter {
  readonly facts = new FlowFacts();
  /** Which requests are recorded. */
  requests: RequestFlows = 'all';
  private readonly ring: FlowRing;

  constructor(ring: FlowRing) {
    this.ring = ring;
  }

  /** Facts as of a connection that nothing is known about yet. */
  begin(kind: number): FlowFacts {
    const facts = this.facts;
    facts.kind = kind;
    facts.verdict = verdict.allowed;
    facts.reason = facts.status = facts.egressRule = facts.ingressRule = 0;
    facts.direction = facts.referenceLow = facts.referenceHigh = facts.durationNs = 0;
    facts.bytesSent = facts.bytesReceived = 0;
    facts.requestNs = facts.serverNs = 0;
    facts.traceStart = facts.grpcStatus = -1;
    facts.isHttp2 = false;
    facts.text = noText;
    facts.methodStart =
      facts.methodEnd =
      facts.pathStart =
      facts.pathEnd =
      facts.hostStart =
      facts.hostEnd =
        0;
    return facts;
  }

  write(template: Uint8Array, nowNs: number): void {
    const facts = this.facts;
    if (this.requests === 'refused' && facts.kind === flowKind.request && facts.verdict === verdict.allowed)
      return;
    const methodLength = Math.min(facts.methodEnd - facts.methodStart, FLOW_METHOD_BYTES);
    const pathLength = Math.min(facts.pathEnd - facts.pathStart, FLOW_PATH_BYTES);
    const hostLength = Math.min(facts.hostEnd - facts.hostStart, FLOW_HOST_BYTES);
    const detailLength = detailLengthOf(facts);
    const at = this.ring.begin(flowRecord.size + methodLength + pathLength + hostLength + detailLength);
    if (at < 0) return;
    const { bytes, view } = this.ring;
    bytes.set(template, at);
    setU64(view, at + offset.time, nowNs);
    setU64(view, at + offset.duration, facts.durationNs);
    setU64(view, at + offset.bytesSent, facts.bytesSent);
    setU64(view, at + offset.bytesReceived, facts.bytesReceived);
    view.setUint32(at + offset.reference, facts.referenceLow, true);
    view.setUint32(at + offset.reference + 4, facts.referenceHigh, true);
    view.setUint32(at + offset.egressRule, facts.egressRule, true);
    view.setUint32(at + offset.ingressRule, facts.ingressRule, true);
    view.setUint16(at + offset.status, facts.status, true);
    view.setUint16(at + offset.reason, facts.reason, true);
    bytes[at + offset.kind] = facts.kind;
    bytes[at + offset.verdict] = facts.verdict;
    if (facts.direction !== 0) bytes[at + offset.direction] = facts.direction;
    bytes[at + offset.methodLength] = methodLength;
    view.setUint16(at + offset.pathLength, pathLength, true);
    view.setUint16(at + offset.hostLength, hostLength, true);
    let tail = at + flowRecord.size;
    copyBytes(facts.text, facts.methodStart, facts.methodStart + methodLength, bytes, tail);
    tail += methodLength;
    copyBytes(facts.text, facts.pathStart, facts.pathStart + pathLength, bytes, tail);
    tail += pathLength;
    copyBytes(facts.text, facts.hostStart, facts.hostStart + hostLength, bytes, tail);
    view.setUint16(at + offset.detailLength, detailLength, true);
    if (detailLength > 0) writeDetail(facts, bytes, view, tail + hostLength);
    this.ring.commit();
  }

  publish(): void {
    this.ring.publish();
  }
}

/** Of requests alone; of HTTP/1 without a trace, the times. */
function detailLengthOf({ kind, isHttp2, traceStart }: FlowFacts): number {
  if (kind !== flowKind.request) return 0;
  return isHttp2 || traceStart >= 0 ? flowDetail.size : flowDetail.offset.traceId;
}

function writeDetail(facts: FlowFacts, bytes: Uint8Array, view: DataView, at: number): void {
  view.setUint32(at + flowDetail.offset.requestTime, microseconds(facts.requestNs), true);
  view.setUint32(at + flowDetail.offset.serverTime, microseconds(facts.serverNs), true);
  const { text, isHttp2, grpcStatus, traceStart } = facts;
  if (!isHttp2 && traceStart < 0) return;
  bytes.fill(0, at + flowDetail.offset.traceId, at + flowDetail.size);
  bytes[at + flowDetail.offset.httpVersion] = isHttp2 ? 2 : 0;
  bytes[at + flowDetail.offset.grpcStatus] = grpcStatus + 1;
  if (traceStart < 0) return;
  hexInto(text, traceStart + TraceParent.traceId, bytes, at + flowDetail.offset.traceId, 16);
  hexInto(text, traceStart + TraceParent.parentId, bytes, at + flowDetail.offset.parentId, 8);
  hexInto(text, traceStart + TraceParent.flags, bytes, at + flowDetail.offset.traceFlags, 1);
}

function microseconds(ns: number): number {
  return Math.min(0xffffffff, Math.round(ns / 1000));
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % TWO32, true);
  view.setUint32(at + 4, value / TWO32, true);
}
