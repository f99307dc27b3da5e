// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../../lib/errors.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number | undefined {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+)(ms|s|m|h|d)/g)].reduce(
    (sum, [, digits = '0', unit = 's']) => sum + Number(digits) * (unitMs[unit] ?? 0),
    0,
  );
}

/** A point in time as people write it: `5m` (ago), `2026-11-23T13:05:01Z`. In ns since 1970. */
export function parseTime(text: string, flag: string, now: number): bigint {
  const ago = durationMs(text);
  const point = ago === undefined ? Date.parse(text) : now - ago;
  if (!Number.isNaN(point)) return BigInt(Math.round(point)) * 1_000_000n;
  throw new PerigeeError('ERR_USAGE', `${flag}: not a time: ${JSON.stringify(text)}`, {
    hint: 'Write how long ago (30s, 5m, 1h30m, 2d) or a date (2026-11-23T13:05:01Z)',
  });
}
