// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/flow.h by tools/generate-abi.ts. Do not edit.

/** enum flow_kind. */
export const flowKind = { verdict: 1, close: 2, request: 3, opaque: 4, open: 5 } as const;
export type FlowKindName = keyof typeof flowKind;
export type FlowKind = (typeof flowKind)[FlowKindName];
export const flowKindNames: Readonly<Record<number, FlowKindName>> = {
  1: 'verdict',
  2: 'close',
  3: 'request',
  4: 'opaque',
  5: 'open',
};

/** enum flow_path. */
export const flowPath = { direct: 1, inline: 2, proxied: 3 } as const;
export type FlowPathName = keyof typeof flowPath;
export type FlowPath = (typeof flowPath)[FlowPathName];
export const flowPathNames: Readonly<Record<number, FlowPathName>> = {
  1: 'direct',
  2: 'inline',
  3: 'proxied',
};

/** enum flow_closer. */
export const flowCloser = {
  unknown: 0,
  client: 1,
  server: 2,
  'client-reset': 3,
  'server-reset': 4,
  timeout: 5,
  abort: 6,
} as const;
export type FlowCloserName = keyof typeof flowCloser;
export type FlowCloser = (typeof flowCloser)[FlowCloserName];
export const flowCloserNames: Readonly<Record<number, FlowCloserName>> = {
  0: 'unknown',
  1: 'client',
  2: 'server',
  3: 'client-reset',
  4: 'server-reset',
  5: 'timeout',
  6: 'abort',
};

export interface FlowRecord {
  readonly time: bigint;
  readonly connection: bigint;
  readonly duration: bigint;
  readonly bytesSent: bigint;
  readonly bytesReceived: bigint;
  readonly reference: bigint;
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly sourceWorkload: number;
  readonly destinationWorkload: number;
  readonly egressRule: number;
  readonly ingressRule: number;
  readonly rtt: number;
  readonly retransmits: number;
  readonly service: number;
  readonly boosted: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly status: number;
  readonly reason: number;
  readonly kind: number;
  readonly verdict: number;
  readonly direction: number;
  readonly path: number;
  readonly protocol: number;
  readonly family: number;
  readonly methodLength: number;
  readonly closer: number;
  readonly pathLength: number;
  readonly hostLength: number;
  readonly detailLength: number;
}

/** struct flow_record: 144 bytes. */
export const flowRecord = {
  size: 144,
  offset: {
    time: 0,
    connection: 8,
    duration: 16,
    bytesSent: 24,
    bytesReceived: 32,
    reference: 40,
    sourceAddress: 48,
    destinationAddress: 64,
    sourceIdentity: 80,
    destinationIdentity: 84,
    sourceWorkload: 88,
    destinationWorkload: 92,
    egressRule: 96,
    ingressRule: 100,
    rtt: 104,
    retransmits: 108,
    service: 112,
    boosted: 116,
    sourcePort: 120,
    destinationPort: 122,
    status: 124,
    reason: 126,
    kind: 128,
    verdict: 129,
    direction: 130,
    path: 131,
    protocol: 132,
    family: 133,
    methodLength: 134,
    closer: 135,
    pathLength: 136,
    hostLength: 138,
    detailLength: 140,
  },
  encode(value: FlowRecord, bytes: Uint8Array = new Uint8Array(144), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.time, true);
    view.setBigUint64(at + 8, value.connection, true);
    view.setBigUint64(at + 16, value.duration, true);
    view.setBigUint64(at + 24, value.bytesSent, true);
    view.setBigUint64(at + 32, value.bytesReceived, true);
    view.setBigUint64(at + 40, value.reference, true);
    bytes.set(value.sourceAddress.subarray(0, 16), at + 48);
    bytes.set(value.destinationAddress.subarray(0, 16), at + 64);
    view.setUint32(at + 80, value.sourceIdentity, true);
    view.setUint32(at + 84, value.destinationIdentity, true);
    view.setUint32(at + 88, value.sourceWorkload, true);
    view.setUint32(at + 92, value.destinationWorkload, true);
    view.setUint32(at + 96, value.egressRule, true);
    view.setUint32(at + 100, value.ingressRule, true);
    view.setUint32(at + 104, value.rtt, true);
    view.setUint32(at + 108, value.retransmits, true);
    view.setUint32(at + 112, value.service, true);
    view.setUint32(at + 116, value.boosted, true);
    view.setUint16(at + 120, value.sourcePort, true);
    view.setUint16(at + 122, value.destinationPort, true);
    view.setUint16(at + 124, value.status, true);
    view.setUint16(at + 126, value.reason, true);
    view.setUint8(at + 128, value.kind);
    view.setUint8(at + 129, value.verdict);
    view.setUint8(at + 130, value.direction);
    view.setUint8(at + 131, value.path);
    view.setUint8(at + 132, value.protocol);
    view.setUint8(at + 133, value.family);
    view.setUint8(at + 134, value.methodLength);
    view.setUint8(at + 135, value.closer);
    view.setUint16(at + 136, value.pathLength, true);
    view.setUint16(at + 138, value.hostLength, true);
    view.setUint16(at + 140, value.detailLength, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): FlowRecord {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      time: view.getBigUint64(at + 0, true),
      connection: view.getBigUint64(at + 8, true),
      duration: view.getBigUint64(at + 16, true),
      bytesSent: view.getBigUint64(at + 24, true),
      bytesReceived: view.getBigUint64(at + 32, true),
      reference: view.getBigUint64(at + 40, true),
      sourceAddress: Uint8Array.prototype.slice.call(bytes, at + 48, at + 64),
      destinationAddress: Uint8Array.prototype.slice.call(bytes, at + 64, at + 80),
      sourceIdentity: view.getUint32(at + 80, true),
      destinationIdentity: view.getUint32(at + 84, true),
      sourceWorkload: view.getUint32(at + 88, true),
      destinationWorkload: view.getUint32(at + 92, true),
      egressRule: view.getUint32(at + 96, true),
      ingressRule: view.getUint32(at + 100, true),
      rtt: view.getUint32(at + 104, true),
      retransmits: view.getUint32(at + 108, true),
      service: view.getUint32(at + 112, true),
      boosted: view.getUint32(at + 116, true),
      sourcePort: view.getUint16(at + 120, true),
      destinationPort: view.getUint16(at + 122, true),
      status: view.getUint16(at + 124, true),
      reason: view.getUint16(at + 126, true),
      kind: view.getUint8(at + 128),
      verdict: view.getUint8(at + 129),
      direction: view.getUint8(at + 130),
      path: view.getUint8(at + 131),
      protocol: view.getUint8(at + 132),
      family: view.getUint8(at + 133),
      methodLength: view.getUint8(at + 134),
      closer: view.getUint8(at + 135),
      pathLength: view.getUint16(at + 136, true),
      hostLength: view.getUint16(at + 138, true),
      detailLength: view.getUint16(at + 140, true),
    };
  },
} as const;

export interface FlowDetail {
  readonly requestTime: number;
  readonly serverTime: number;
  readonly traceId: Uint8Array;
  readonly parentId: Uint8Array;
  readonly traceFlags: number;
  readonly httpVersion: number;
  readonly grpcStatus: number;
}

/** struct flow_detail: 36 bytes. */
export const flowDetail = {
  size: 36,
  offset: {
    requestTime: 0,
    serverTime: 4,
    traceId: 8,
    parentId: 24,
    traceFlags: 32,
    httpVersion: 33,
    grpcStatus: 34,
  },
  encode(value: FlowDetail, bytes: Uint8Array = new Uint8Array(36), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.requestTime, true);
    view.setUint32(at + 4, value.serverTime, true);
    bytes.set(value.traceId.subarray(0, 16), at + 8);
    bytes.set(value.parentId.subarray(0, 8), at + 24);
    view.setUint8(at + 32, value.traceFlags);
    view.setUint8(at + 33, value.httpVersion);
    view.setUint8(at + 34, value.grpcStatus);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): FlowDetail {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      requestTime: view.getUint32(at + 0, true),
      serverTime: view.getUint32(at + 4, true),
      traceId: Uint8Array.prototype.slice.call(bytes, at + 8, at + 24),
      parentId: Uint8Array.prototype.slice.call(bytes, at + 24, at + 32),
      traceFlags: view.getUint8(at + 32),
      httpVersion: view.getUint8(at + 33),
      grpcStatus: view.getUint8(at + 34),
    };
  },
} as const;

/** enum ring. */
export const ring = { flows: 0, denials: 1, refusals: 2 } as const;
export type RingName = keyof typeof ring;
export type Ring = (typeof ring)[RingName];
export const ringNames: Readonly<Record<number, RingName>> = { 0: 'flows', 1: 'denials', 2: 'refusals' };
