// SPDX-License-Identifier: Apache-2.0

/** Bits that a share of traces is chosen by, the last of an id (W3C Trace Context 2, `random`). */
const RANDOM_BITS = 56;
const LOW_BITS = 32;

/** The last 7 bytes of a trace id. */
export interface TraceRandom {
  /** 24 bits. */
  readonly high: number;
  /** 32 bits. */
  readonly low: number;
}

/** MurmurHash3's last step: each bit of the value moves each of the result. */
function mixed(value: number): number {
  let bits = value ^ (value >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/**
 * Random bits for the trace of a request that came without one: the same for the same record, wherever it is read. Wants the
 * halves of the record's time and connection.
 */
export function traceRandom(
  timeLow: number,
  timeHigh: number,
  connectionLow: number,
  connectionHigh: number,
): TraceRandom {
  const low = mixed(mixed(mixed(mixed(timeLow) ^ timeHigh) ^ connectionLow) ^ connectionHigh);
  const high = mixed(low ^ mixed(timeLow ^ mixed(connectionLow))) >>> (64 - RANDOM_BITS);
  return { high, low };
}

/** The same, of numbers that are whole. */
export function traceRandomOf(time: bigint, connection: bigint): TraceRandom {
  const halves = (value: bigint): [number, number] => [
    Number(value & 0xffff_ffffn),
    Number((value >> 32n) & 0xffff_ffffn),
  ];
  return traceRandom(...halves(time), ...halves(connection));
}

/** Whether a trace is of the share, 0 to 1, as samplers of OpenTelemetry that are told the same choose it: by a threshold. */
export function isInShare({ high, low }: TraceRandom, share: number): boolean {
  return high * 2 ** LOW_BITS + low >= (1 - share) * 2 ** RANDOM_BITS;
}

/** 14 hex digits. */
export function randomDigits({ high, low }: TraceRandom): string {
  return high.toString(16).padStart(6, '0') + low.toString(16).padStart(8, '0');
}
