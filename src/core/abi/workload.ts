// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/workload.h by tools/generate-abi.ts. Do not edit.

/** enum workload_kind. */
export const workloadKind = { netns: 1, cgroup: 2 } as const;
export type WorkloadKindName = keyof typeof workloadKind;
export type WorkloadKind = (typeof workloadKind)[WorkloadKindName];
export const workloadKindNames: Readonly<Record<number, WorkloadKindName>> = { 1: 'netns', 2: 'cgroup' };

/** enum workload_flag. */
export const workloadFlag = {
  'egress-selected': 1,
  'ingress-selected': 2,
  boost: 4,
  visible: 8,
  services: 16,
} as const;
export type WorkloadFlagName = keyof typeof workloadFlag;
export type WorkloadFlag = (typeof workloadFlag)[WorkloadFlagName];
export const workloadFlagNames: Readonly<Record<number, WorkloadFlagName>> = {
  1: 'egress-selected',
  2: 'ingress-selected',
  4: 'boost',
  8: 'visible',
  16: 'services',
};

export interface WorkloadKey {
  readonly id: bigint;
  readonly kind: number;
}

/** struct workload_key: 16 bytes. */
export const workloadKey = {
  size: 16,
  offset: { id: 0, kind: 8 },
  encode(value: WorkloadKey, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.id, true);
    view.setUint32(at + 8, value.kind, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): WorkloadKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { id: view.getBigUint64(at + 0, true), kind: view.getUint32(at + 8, true) };
  },
} as const;

export interface Workload {
  readonly id: number;
  readonly identity: number;
  readonly flags: number;
  readonly kind: number;
  readonly kernelId: bigint;
  readonly address4: Uint8Array;
  readonly address6: Uint8Array;
}

/** struct workload: 56 bytes. */
export const workload = {
  size: 56,
  offset: { id: 0, identity: 4, flags: 8, kind: 12, kernelId: 16, address4: 24, address6: 40 },
  encode(value: Workload, bytes: Uint8Array = new Uint8Array(56), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.id, true);
    view.setUint32(at + 4, value.identity, true);
    view.setUint32(at + 8, value.flags, true);
    view.setUint32(at + 12, value.kind, true);
    view.setBigUint64(at + 16, value.kernelId, true);
    bytes.set(value.address4.subarray(0, 16), at + 24);
    bytes.set(value.address6.subarray(0, 16), at + 40);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Workload {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      id: view.getUint32(at + 0, true),
      identity: view.getUint32(at + 4, true),
      flags: view.getUint32(at + 8, true),
      kind: view.getUint32(at + 12, true),
      kernelId: view.getBigUint64(at + 16, true),
      address4: Uint8Array.prototype.slice.call(bytes, at + 24, at + 40),
      address6: Uint8Array.prototype.slice.call(bytes, at + 40, at + 56),
    };
  },
} as const;

export interface Name {
  readonly digest: Uint8Array;
}

/** struct name: 16 bytes. */
export const name = {
  size: 16,
  offset: { digest: 0 },
  encode(value: Name, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    bytes.set(value.digest.subarray(0, 16), at + 0);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): Name {
    return { digest: Uint8Array.prototype.slice.call(bytes, at + 0, at + 16) };
  },
} as const;

export interface DatapathSettings {
  readonly cgroupWorkloads: number;
}

/** struct datapath_settings: 8 bytes. */
export const datapathSettings = {
  size: 8,
  offset: { cgroupWorkloads: 0 },
  encode(value: DatapathSettings, bytes: Uint8Array = new Uint8Array(8), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.cgroupWorkloads, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): DatapathSettings {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { cgroupWorkloads: view.getUint32(at + 0, true) };
  },
} as const;

export interface PendingSettings {
  readonly podsCgroup: bigint;
  readonly nodeNetns: bigint;
  readonly refuses: number;
}

/** struct pending_settings: 24 bytes. */
export const pendingSettings = {
  size: 24,
  offset: { podsCgroup: 0, nodeNetns: 8, refuses: 16 },
  encode(value: PendingSettings, bytes: Uint8Array = new Uint8Array(24), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.podsCgroup, true);
    view.setBigUint64(at + 8, value.nodeNetns, true);
    view.setUint32(at + 16, value.refuses, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): PendingSettings {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      podsCgroup: view.getBigUint64(at + 0, true),
      nodeNetns: view.getBigUint64(at + 8, true),
      refuses: view.getUint32(at + 16, true),
    };
  },
} as const;
