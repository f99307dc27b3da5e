// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/connection.h by tools/generate-abi.ts. Do not edit.

export interface TupleKey {
  readonly netns: bigint;
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** struct tuple_key: 48 bytes. */
export const tupleKey = {
  size: 48,
  offset: { netns: 0, sourceAddress: 8, destinationAddress: 24, sourcePort: 40, destinationPort: 42 },
  encode(value: TupleKey, bytes: Uint8Array = new Uint8Array(48), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.netns, true);
    bytes.set(value.sourceAddress.subarray(0, 16), at + 8);
    bytes.set(value.destinationAddress.subarray(0, 16), at + 24);
    view.setUint16(at + 40, value.sourcePort, true);
    view.setUint16(at + 42, value.destinationPort, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): TupleKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      netns: view.getBigUint64(at + 0, true),
      sourceAddress: Uint8Array.prototype.slice.call(bytes, at + 8, at + 24),
      destinationAddress: Uint8Array.prototype.slice.call(bytes, at + 24, at + 40),
      sourcePort: view.getUint16(at + 40, true),
      destinationPort: view.getUint16(at + 42, true),
    };
  },
} as const;

export interface Steering {
  readonly clientCookie: bigint;
  readonly netns: bigint;
  readonly address: Uint8Array;
  readonly port: number;
  readonly family: number;
  readonly service: number;
  readonly sourceWorkload: number;
  readonly sourceIdentity: number;
  readonly destinationWorkload: number;
  readonly destinationIdentity: number;
  readonly egressRule: number;
  readonly ingressRule: number;
}

/** struct steering: 64 bytes. */
export const steering = {
  size: 64,
  offset: {
    clientCookie: 0,
    netns: 8,
    address: 16,
    port: 32,
    family: 34,
    service: 36,
    sourceWorkload: 40,
    sourceIdentity: 44,
    destinationWorkload: 48,
    destinationIdentity: 52,
    egressRule: 56,
    ingressRule: 60,
  },
  encode(value: Steering, bytes: Uint8Array = new Uint8Array(64), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.clientCookie, true);
    view.setBigUint64(at + 8, value.netns, true);
    bytes.set(value.address.subarray(0, 16), at + 16);
    view.setUint16(at + 32, value.port, true);
    view.setUint8(at + 34, value.family);
    view.setUint32(at + 36, value.service, true);
    view.setUint32(at + 40, value.sourceWorkload, true);
    view.setUint32(at + 44, value.sourceIdentity, true);
    view.setUint32(at + 48, value.destinationWorkload, true);
    view.setUint32(at + 52, value.destinationIdentity, true);
    view.setUint32(at + 56, value.egressRule, true);
    view.setUint32(at + 60, value.ingressRule, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Steering {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      clientCookie: view.getBigUint64(at + 0, true),
      netns: view.getBigUint64(at + 8, true),
      address: Uint8Array.prototype.slice.call(bytes, at + 16, at + 32),
      port: view.getUint16(at + 32, true),
      family: view.getUint8(at + 34),
      service: view.getUint32(at + 36, true),
      sourceWorkload: view.getUint32(at + 40, true),
      sourceIdentity: view.getUint32(at + 44, true),
      destinationWorkload: view.getUint32(at + 48, true),
      destinationIdentity: view.getUint32(at + 52, true),
      egressRule: view.getUint32(at + 56, true),
      ingressRule: view.getUint32(at + 60, true),
    };
  },
} as const;

export interface Announcement {
  readonly clientAddress: Uint8Array;
  readonly clientPort: number;
  readonly clientIdentity: number;
  readonly proxyCookie: bigint;
}

/** struct announcement: 32 bytes. */
export const announcement = {
  size: 32,
  offset: { clientAddress: 0, clientPort: 16, clientIdentity: 20, proxyCookie: 24 },
  encode(value: Announcement, bytes: Uint8Array = new Uint8Array(32), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes.set(value.clientAddress.subarray(0, 16), at + 0);
    view.setUint16(at + 16, value.clientPort, true);
    view.setUint32(at + 20, value.clientIdentity, true);
    view.setBigUint64(at + 24, value.proxyCookie, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Announcement {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      clientAddress: Uint8Array.prototype.slice.call(bytes, at + 0, at + 16),
      clientPort: view.getUint16(at + 16, true),
      clientIdentity: view.getUint32(at + 20, true),
      proxyCookie: view.getBigUint64(at + 24, true),
    };
  },
} as const;

export interface Ending {
  readonly egressRule: number;
  readonly ingressRule: number;
  readonly reason: number;
  readonly verdict: number;
}

/** struct ending: 12 bytes. */
export const ending = {
  size: 12,
  offset: { egressRule: 0, ingressRule: 4, reason: 8, verdict: 10 },
  encode(value: Ending, bytes: Uint8Array = new Uint8Array(12), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.egressRule, true);
    view.setUint32(at + 4, value.ingressRule, true);
    view.setUint16(at + 8, value.reason, true);
    view.setUint8(at + 10, value.verdict);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Ending {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      egressRule: view.getUint32(at + 0, true),
      ingressRule: view.getUint32(at + 4, true),
      reason: view.getUint16(at + 8, true),
      verdict: view.getUint8(at + 10),
    };
  },
} as const;

export interface ListenerKey {
  readonly netns: bigint;
  readonly family: number;
  readonly direction: number;
}

/** struct listener_key: 16 bytes. */
export const listenerKey = {
  size: 16,
  offset: { netns: 0, family: 8, direction: 12 },
  encode(value: ListenerKey, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.netns, true);
    view.setUint32(at + 8, value.family, true);
    view.setUint32(at + 12, value.direction, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): ListenerKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      netns: view.getBigUint64(at + 0, true),
      family: view.getUint32(at + 8, true),
      direction: view.getUint32(at + 12, true),
    };
  },
} as const;
