// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/policy.h by tools/generate-abi.ts. Do not edit.

/** enum direction. */
export const direction = { egress: 1, ingress: 2 } as const;
export type DirectionName = keyof typeof direction;
export type Direction = (typeof direction)[DirectionName];
export const directionNames: Readonly<Record<number, DirectionName>> = { 1: 'egress', 2: 'ingress' };

/** enum policy_action. */
export const policyAction = { allow: 1, deny: 2, proxy: 3, inline: 4, visible: 5 } as const;
export type PolicyActionName = keyof typeof policyAction;
export type PolicyAction = (typeof policyAction)[PolicyActionName];
export const policyActionNames: Readonly<Record<number, PolicyActionName>> = {
  1: 'allow',
  2: 'deny',
  3: 'proxy',
  4: 'inline',
  5: 'visible',
};

/** enum policy_audit. */
export const policyAudit = { none: 0, deny: 1, requests: 2 } as const;
export type PolicyAuditName = keyof typeof policyAudit;
export type PolicyAudit = (typeof policyAudit)[PolicyAuditName];
export const policyAuditNames: Readonly<Record<number, PolicyAuditName>> = {
  0: 'none',
  1: 'deny',
  2: 'requests',
};

export interface PolicyKey {
  readonly prefixLength: number;
  readonly workload: number;
  readonly identity: number;
  readonly direction: number;
  readonly protocol: number;
  readonly port: number;
}

/** struct policy_key: 16 bytes. */
export const policyKey = {
  size: 16,
  offset: { prefixLength: 0, workload: 4, identity: 8, direction: 12, protocol: 13, port: 14 },
  encode(value: PolicyKey, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.prefixLength, true);
    view.setUint32(at + 4, value.workload, true);
    view.setUint32(at + 8, value.identity, true);
    view.setUint8(at + 12, value.direction);
    view.setUint8(at + 13, value.protocol);
    view.setUint16(at + 14, value.port, false);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): PolicyKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      prefixLength: view.getUint32(at + 0, true),
      workload: view.getUint32(at + 4, true),
      identity: view.getUint32(at + 8, true),
      direction: view.getUint8(at + 12),
      protocol: view.getUint8(at + 13),
      port: view.getUint16(at + 14, false),
    };
  },
} as const;

export interface PolicyVerdict {
  readonly action: number;
  readonly audit: number;
  readonly reason: number;
  readonly rule: number;
  readonly table: number;
}

/** struct policy_verdict: 16 bytes. */
export const policyVerdict = {
  size: 16,
  offset: { action: 0, audit: 1, reason: 2, rule: 4, table: 8 },
  encode(value: PolicyVerdict, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint8(at + 0, value.action);
    view.setUint8(at + 1, value.audit);
    view.setUint16(at + 2, value.reason, true);
    view.setUint32(at + 4, value.rule, true);
    view.setUint32(at + 8, value.table, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): PolicyVerdict {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      action: view.getUint8(at + 0),
      audit: view.getUint8(at + 1),
      reason: view.getUint16(at + 2, true),
      rule: view.getUint32(at + 4, true),
      table: view.getUint32(at + 8, true),
    };
  },
} as const;

export interface IpcacheKey {
  readonly prefixLength: number;
  readonly address: Uint8Array;
}

/** struct ipcache_key: 20 bytes. */
export const ipcacheKey = {
  size: 20,
  offset: { prefixLength: 0, address: 4 },
  encode(value: IpcacheKey, bytes: Uint8Array = new Uint8Array(20), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.prefixLength, true);
    bytes.set(value.address.subarray(0, 16), at + 4);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): IpcacheKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      prefixLength: view.getUint32(at + 0, true),
      address: Uint8Array.prototype.slice.call(bytes, at + 4, at + 20),
    };
  },
} as const;

/** enum address_flag. */
export const addressFlag = { taken: 256 } as const;
export type AddressFlagName = keyof typeof addressFlag;
export type AddressFlag = (typeof addressFlag)[AddressFlagName];
export const addressFlagNames: Readonly<Record<number, AddressFlagName>> = { 256: 'taken' };

export interface IpcacheEntry {
  readonly identity: number;
  readonly workload: number;
  readonly flags: number;
}

/** struct ipcache_entry: 12 bytes. */
export const ipcacheEntry = {
  size: 12,
  offset: { identity: 0, workload: 4, flags: 8 },
  encode(value: IpcacheEntry, bytes: Uint8Array = new Uint8Array(12), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.identity, true);
    view.setUint32(at + 4, value.workload, true);
    view.setUint32(at + 8, value.flags, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): IpcacheEntry {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      identity: view.getUint32(at + 0, true),
      workload: view.getUint32(at + 4, true),
      flags: view.getUint32(at + 8, true),
    };
  },
} as const;

/** enum verdict. */
export const verdict = { allowed: 1, denied: 2, audited: 3, error: 4 } as const;
export type VerdictName = keyof typeof verdict;
export type Verdict = (typeof verdict)[VerdictName];
export const verdictNames: Readonly<Record<number, VerdictName>> = {
  1: 'allowed',
  2: 'denied',
  3: 'audited',
  4: 'error',
};

export interface VerdictCountKey {
  readonly rule: number;
  readonly direction: number;
  readonly verdict: number;
}

/** struct verdict_count_key: 8 bytes. */
export const verdictCountKey = {
  size: 8,
  offset: { rule: 0, direction: 4, verdict: 5 },
  encode(value: VerdictCountKey, bytes: Uint8Array = new Uint8Array(8), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.rule, true);
    view.setUint8(at + 4, value.direction);
    view.setUint8(at + 5, value.verdict);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): VerdictCountKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      rule: view.getUint32(at + 0, true),
      direction: view.getUint8(at + 4),
      verdict: view.getUint8(at + 5),
    };
  },
} as const;
