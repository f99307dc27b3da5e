// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/grant.h by tools/generate-abi.ts. Do not edit.

export interface SocketGrantKey {
  readonly process: number;
  readonly pidNamespace: number;
}

/** struct socket_grant_key: 8 bytes. */
export const socketGrantKey = {
  size: 8,
  offset: { process: 0, pidNamespace: 4 },
  encode(value: SocketGrantKey, bytes: Uint8Array = new Uint8Array(8), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.process, true);
    view.setUint32(at + 4, value.pidNamespace, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): SocketGrantKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { process: view.getUint32(at + 0, true), pidNamespace: view.getUint32(at + 4, true) };
  },
} as const;
