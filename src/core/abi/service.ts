// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/service.h by tools/generate-abi.ts. Do not edit.

export interface ServiceKey {
  readonly address: Uint8Array;
  readonly port: number;
  readonly protocol: number;
}

/** struct service_key: 24 bytes. */
export const serviceKey = {
  size: 24,
  offset: { address: 0, port: 16, protocol: 20 },
  encode(value: ServiceKey, bytes: Uint8Array = new Uint8Array(24), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes.set(value.address.subarray(0, 16), at + 0);
    view.setUint32(at + 16, value.port, true);
    view.setUint32(at + 20, value.protocol, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): ServiceKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      address: Uint8Array.prototype.slice.call(bytes, at + 0, at + 16),
      port: view.getUint32(at + 16, true),
      protocol: view.getUint32(at + 20, true),
    };
  },
} as const;

export interface Service {
  readonly id: number;
  readonly backends: number;
  readonly affinity: number;
}

/** struct service: 16 bytes. */
export const service = {
  size: 16,
  offset: { id: 0, backends: 4, affinity: 8 },
  encode(value: Service, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.id, true);
    view.setUint32(at + 4, value.backends, true);
    view.setUint32(at + 8, value.affinity, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Service {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      id: view.getUint32(at + 0, true),
      backends: view.getUint32(at + 4, true),
      affinity: view.getUint32(at + 8, true),
    };
  },
} as const;

export interface ServiceSlot {
  readonly service: number;
  readonly slot: number;
}

/** struct service_slot: 8 bytes. */
export const serviceSlot = {
  size: 8,
  offset: { service: 0, slot: 4 },
  encode(value: ServiceSlot, bytes: Uint8Array = new Uint8Array(8), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.service, true);
    view.setUint32(at + 4, value.slot, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): ServiceSlot {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { service: view.getUint32(at + 0, true), slot: view.getUint32(at + 4, true) };
  },
} as const;

export interface Backend {
  readonly address: Uint8Array;
  readonly port: number;
}

/** struct backend: 20 bytes. */
export const backend = {
  size: 20,
  offset: { address: 0, port: 16 },
  encode(value: Backend, bytes: Uint8Array = new Uint8Array(20), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes.set(value.address.subarray(0, 16), at + 0);
    view.setUint32(at + 16, value.port, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Backend {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      address: Uint8Array.prototype.slice.call(bytes, at + 0, at + 16),
      port: view.getUint32(at + 16, true),
    };
  },
} as const;

export interface ServiceMember {
  readonly address: Uint8Array;
  readonly port: number;
  readonly service: number;
}

/** struct service_member: 24 bytes. */
export const serviceMember = {
  size: 24,
  offset: { address: 0, port: 16, service: 20 },
  encode(value: ServiceMember, bytes: Uint8Array = new Uint8Array(24), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    bytes.set(value.address.subarray(0, 16), at + 0);
    view.setUint32(at + 16, value.port, true);
    view.setUint32(at + 20, value.service, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): ServiceMember {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      address: Uint8Array.prototype.slice.call(bytes, at + 0, at + 16),
      port: view.getUint32(at + 16, true),
      service: view.getUint32(at + 20, true),
    };
  },
} as const;
