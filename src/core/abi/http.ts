// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/http.h by tools/generate-abi.ts. Do not edit.

export interface Refusal {
  readonly reference: bigint;
  readonly cookie: bigint;
  readonly netns: bigint;
  readonly time: bigint;
  readonly remote: Uint8Array;
  readonly local: Uint8Array;
  readonly sequence: number;
  readonly acknowledge: number;
  readonly workload: number;
  readonly remotePort: number;
  readonly localPort: number;
  readonly reason: number;
  readonly rejected: number;
  readonly family: number;
  readonly answer: number;
  readonly headMethod: number;
}

/** struct refusal: 88 bytes. */
export const refusal = {
  size: 88,
  offset: {
    reference: 0,
    cookie: 8,
    netns: 16,
    time: 24,
    remote: 32,
    local: 48,
    sequence: 64,
    acknowledge: 68,
    workload: 72,
    remotePort: 76,
    localPort: 78,
    reason: 80,
    rejected: 82,
    family: 84,
    answer: 85,
    headMethod: 86,
  },
  encode(value: Refusal, bytes: Uint8Array = new Uint8Array(88), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.reference, true);
    view.setBigUint64(at + 8, value.cookie, true);
    view.setBigUint64(at + 16, value.netns, true);
    view.setBigUint64(at + 24, value.time, true);
    bytes.set(value.remote.subarray(0, 16), at + 32);
    bytes.set(value.local.subarray(0, 16), at + 48);
    view.setUint32(at + 64, value.sequence, true);
    view.setUint32(at + 68, value.acknowledge, true);
    view.setUint32(at + 72, value.workload, true);
    view.setUint16(at + 76, value.remotePort, true);
    view.setUint16(at + 78, value.localPort, true);
    view.setUint16(at + 80, value.reason, true);
    view.setUint16(at + 82, value.rejected, true);
    view.setUint8(at + 84, value.family);
    view.setUint8(at + 85, value.answer);
    view.setUint8(at + 86, value.headMethod);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Refusal {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      reference: view.getBigUint64(at + 0, true),
      cookie: view.getBigUint64(at + 8, true),
      netns: view.getBigUint64(at + 16, true),
      time: view.getBigUint64(at + 24, true),
      remote: Uint8Array.prototype.slice.call(bytes, at + 32, at + 48),
      local: Uint8Array.prototype.slice.call(bytes, at + 48, at + 64),
      sequence: view.getUint32(at + 64, true),
      acknowledge: view.getUint32(at + 68, true),
      workload: view.getUint32(at + 72, true),
      remotePort: view.getUint16(at + 76, true),
      localPort: view.getUint16(at + 78, true),
      reason: view.getUint16(at + 80, true),
      rejected: view.getUint16(at + 82, true),
      family: view.getUint8(at + 84),
      answer: view.getUint8(at + 85),
      headMethod: view.getUint8(at + 86),
    };
  },
} as const;

export interface InlineSettings {
  readonly epoch: bigint;
  readonly missing: number;
}

/** struct inline_settings: 16 bytes. */
export const inlineSettings = {
  size: 16,
  offset: { epoch: 0, missing: 8 },
  encode(value: InlineSettings, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.epoch, true);
    view.setUint32(at + 8, value.missing, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): InlineSettings {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { epoch: view.getBigUint64(at + 0, true), missing: view.getUint32(at + 8, true) };
  },
} as const;

export interface RequestCountKey {
  readonly sourceIdentity: number;
  readonly sourceWorkload: number;
  readonly workload: number;
  readonly status: number;
  readonly method: number;
  readonly verdict: number;
}

/** struct request_count_key: 16 bytes. */
export const requestCountKey = {
  size: 16,
  offset: { sourceIdentity: 0, sourceWorkload: 4, workload: 8, status: 12, method: 14, verdict: 15 },
  encode(value: RequestCountKey, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.sourceIdentity, true);
    view.setUint32(at + 4, value.sourceWorkload, true);
    view.setUint32(at + 8, value.workload, true);
    view.setUint16(at + 12, value.status, true);
    view.setUint8(at + 14, value.method);
    view.setUint8(at + 15, value.verdict);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): RequestCountKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      sourceIdentity: view.getUint32(at + 0, true),
      sourceWorkload: view.getUint32(at + 4, true),
      workload: view.getUint32(at + 8, true),
      status: view.getUint16(at + 12, true),
      method: view.getUint8(at + 14),
      verdict: view.getUint8(at + 15),
    };
  },
} as const;

/** enum http_method. */
export const httpMethod = {
  other: 0,
  get: 1,
  head: 2,
  post: 3,
  put: 4,
  delete: 5,
  patch: 6,
  options: 7,
} as const;
export type HttpMethodName = keyof typeof httpMethod;
export type HttpMethod = (typeof httpMethod)[HttpMethodName];
export const httpMethodNames: Readonly<Record<number, HttpMethodName>> = {
  0: 'other',
  1: 'get',
  2: 'head',
  3: 'post',
  4: 'put',
  5: 'delete',
  6: 'patch',
  7: 'options',
};
