// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/boost.h by tools/generate-abi.ts. Do not edit.

/** enum boost_outcome. */
export const boostOutcome = {
  entered: 0,
  left: 1,
  blocking: 2,
  splice: 3,
  'upper-protocol': 4,
  multipath: 5,
  'socket-taken': 6,
  zerocopy: 7,
  'low-water': 8,
  'not-accepted': 9,
  'map-full': 10,
  gone: 11,
  'splice-stuck': 12,
  'unknown-waiter': 13,
  outrun: 14,
  'stream-lost': 15,
  redirected: 16,
  'in-flight': 17,
  unread: 18,
  'queue-full': 19,
  'many-small': 20,
  'first-bytes': 21,
  'peer-gone': 22,
  unattended: 23,
  'not-whole': 25,
  'stream-busy': 26,
  reminded: 24,
} as const;
export type BoostOutcomeName = keyof typeof boostOutcome;
export type BoostOutcome = (typeof boostOutcome)[BoostOutcomeName];
export const boostOutcomeNames: Readonly<Record<number, BoostOutcomeName>> = {
  0: 'entered',
  1: 'left',
  2: 'blocking',
  3: 'splice',
  4: 'upper-protocol',
  5: 'multipath',
  6: 'socket-taken',
  7: 'zerocopy',
  8: 'low-water',
  9: 'not-accepted',
  10: 'map-full',
  11: 'gone',
  12: 'splice-stuck',
  13: 'unknown-waiter',
  14: 'outrun',
  15: 'stream-lost',
  16: 'redirected',
  17: 'in-flight',
  18: 'unread',
  19: 'queue-full',
  20: 'many-small',
  21: 'first-bytes',
  22: 'peer-gone',
  23: 'unattended',
  25: 'not-whole',
  26: 'stream-busy',
  24: 'reminded',
};

/** enum boost_look. */
export const boostLook = { 'no-more': 0, again: 1, soon: 2 } as const;
export type BoostLookName = keyof typeof boostLook;
export type BoostLook = (typeof boostLook)[BoostLookName];
export const boostLookNames: Readonly<Record<number, BoostLookName>> = {
  0: 'no-more',
  1: 'again',
  2: 'soon',
};

export interface BoostSettings {
  readonly enabled: number;
  readonly attended: bigint;
}

/** struct boost_settings: 16 bytes. */
export const boostSettings = {
  size: 16,
  offset: { enabled: 0, attended: 8 },
  encode(value: BoostSettings, bytes: Uint8Array = new Uint8Array(16), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.enabled, true);
    view.setBigUint64(at + 8, value.attended, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): BoostSettings {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { enabled: view.getUint32(at + 0, true), attended: view.getBigUint64(at + 8, true) };
  },
} as const;

export interface BoostRefusalKey {
  readonly workload: number;
  readonly outcome: number;
}

/** struct boost_refusal_key: 8 bytes. */
export const boostRefusalKey = {
  size: 8,
  offset: { workload: 0, outcome: 4 },
  encode(value: BoostRefusalKey, bytes: Uint8Array = new Uint8Array(8), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(at + 0, value.workload, true);
    view.setUint32(at + 4, value.outcome, true);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): BoostRefusalKey {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { workload: view.getUint32(at + 0, true), outcome: view.getUint32(at + 4, true) };
  },
} as const;
