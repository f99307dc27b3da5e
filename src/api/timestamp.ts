// SPDX-License-Identifier: Apache-2.0
import type { WireTimestamp } from './wire.ts';

const SECOND = 1_000_000_000n;

/** From ns since 1970. */
export function toTimestamp(time: bigint): WireTimestamp {
  return { seconds: (time / SECOND).toString(), nanos: Number(time % SECOND) };
}

export function fromTimestamp({ seconds = '0', nanos = 0 }: WireTimestamp): bigint {
  return BigInt(seconds) * SECOND + BigInt(nanos);
}

/** RFC 3339 with nanoseconds, UTC, as protobuf's JSON has it. */
export function formatTimestamp(time: bigint): string {
  const seconds = new Date(Number(time / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(time % SECOND).toString().padStart(9, '0')}Z`;
}

/** RFC 3339 with up to nine decimals, in ns since 1970; undefined: it is none. */
export function parseTimestamp(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/i.exec(text);
  if (match === null) return undefined;
  const [, seconds = '', decimals = '', zone = ''] = match;
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms) || ms < 0) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt(decimals.padEnd(9, '0'));
}
