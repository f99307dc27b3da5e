// SPDX-License-Identifier: Apache-2.0
// Generated from bpf/abi/dns.h by tools/generate-abi.ts. Do not edit.

export interface DnsAnswer {
  readonly time: bigint;
  readonly workload: number;
  readonly length: number;
  readonly message: Uint8Array;
}

/** struct dns_answer: 1488 bytes. */
export const dnsAnswer = {
  size: 1488,
  offset: { time: 0, workload: 8, length: 12, message: 16 },
  encode(value: DnsAnswer, bytes: Uint8Array = new Uint8Array(1488), at = 0): Uint8Array {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setBigUint64(at + 0, value.time, true);
    view.setUint32(at + 8, value.workload, true);
    view.setUint16(at + 12, value.length, true);
    bytes.set(value.message.subarray(0, 1472), at + 16);
    return bytes;
  },
  decode(bytes: Uint8Array, at = 0): DnsAnswer {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return {
      time: view.getBigUint64(at + 0, true),
      workload: view.getUint32(at + 8, true),
      length: view.getUint16(at + 12, true),
      message: Uint8Array.prototype.slice.call(bytes, at + 16, at + 1488),
    };
  },
} as const;

/** enum dns_outcome. */
export const dnsOutcome = { taken: 0, limited: 1, lost: 2 } as const;
export type DnsOutcomeName = keyof typeof dnsOutcome;
export type DnsOutcome = (typeof dnsOutcome)[DnsOutcomeName];
export const dnsOutcomeNames: Readonly<Record<number, DnsOutcomeName>> = {
  0: 'taken',
  1: 'limited',
  2: 'lost',
};
