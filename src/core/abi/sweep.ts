// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/sweep.h by tools/generate-abi.ts. Do not edit.

/** enum open_state. */
export const openState = { allowed: 1, closed: 2, forbidden: 3 } as const;
export type OpenStateName = keyof typeof openState;
export type OpenState = (typeof openState)[OpenStateName];
export const openStateNames: Readonly<Record<number, OpenStateName>> = {
  1: 'allowed',
  2: 'closed',
  3: 'forbidden',
};

export interface OpenConnection {
  readonly cookie: bigint;
  readonly localAddress: Uint8Array;
  readonly remoteAddress: Uint8Array;
  readonly localPort: number;
  readonly remotePort: number;
  readonly workload: number;
  readonly peer: number;
  readonly rule: number;
  readonly direction: number;
  readonly path: number;
  readonly protocol: number;
  readonly family: number;
  readonly state: number;
}

/** struct open_connection: 64 bytes. */
export const openConnection = {
  size: 64,
  offset: {
    cookie: 0,
    localAddress: 8,
    remoteAddress: 24,
    localPort: 40,
    remotePort: 42,
    workload: 44,
    peer: 48,
    rule: 52,
    direction: 56,
    path: 57,
    protocol: 58,
    family: 59,
    state: 60,
  },
  encode(value: OpenConnection, bytes: Uint8Array = new Uint8Array(64), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.cookie, true);
    bytes.set(value.localAddress.subarray(0, 16), at + 8);
    bytes.set(value.remoteAddress.subarray(0, 16), at + 24);
    view.setUint16(at + 40, value.localPort, true);
    view.setUint16(at + 42, value.remotePort, true);
    view.setUint32(at + 44, value.workload, true);
    view.setUint32(at + 48, value.peer, true);
    view.setUint32(at + 52, value.rule, true);
    view.setUint8(at + 56, value.direction);
    view.setUint8(at + 57, value.path);
    view.setUint8(at + 58, value.protocol);
    view.setUint8(at + 59, value.family);
    view.setUint8(at + 60, value.state);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): OpenConnection {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      cookie: view.getBigUint64(at + 0, true),
      localAddress: Uint8Array.prototype.slice.call(bytes, at + 8, at + 24),
      remoteAddress: Uint8Array.prototype.slice.call(bytes, at + 24, at + 40),
      localPort: view.getUint16(at + 40, true),
      remotePort: view.getUint16(at + 42, true),
      workload: view.getUint32(at + 44, true),
      peer: view.getUint32(at + 48, true),
      rule: view.getUint32(at + 52, true),
      direction: view.getUint8(at + 56),
      path: view.getUint8(at + 57),
      protocol: view.getUint8(at + 58),
      family: view.getUint8(at + 59),
      state: view.getUint8(at + 60),
    };
  },
} as const;
