// SPDX-License-Identifier: Apache-2.0

/** What a run of wrk says of itself. */
export interface WrkReport {
  readonly requests: number;
  /** Longest time from a request to its answer, µs. */
  readonly maxLatencyUs: number;
  /** Requests without an answer, or with one that is neither 2xx nor 3xx. */
  readonly failed: number;
  /** The lines about failures, as printed. */
  readonly complaints: readonly string[];
}

const unitUs: Readonly<Record<string, number>> = { us: 1, ms: 1e3, s: 1e6, m: 6e7 };

/** Reads wrk's own summary; the text is the error when there is none. */
export function parseWrk(text: string): WrkReport {
  const requests = /^\s*(\d+) requests in /m.exec(text)?.[1];
  const [, max = '', unit = ''] = /^\s*Latency\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)\s/m.exec(text) ?? [];
  if (requests === undefined || max === '') throw new Error(`wrk gave no summary:\n${text}`);
  const complaints = text.split('\n').filter((line) => /Socket errors|Non-2xx/.test(line));
  const numbers = complaints.flatMap((line) => line.replace('2xx or 3xx', '').match(/\d+/g) ?? []);
  return {
    requests: Number(requests),
    maxLatencyUs: Number(max) * (unitUs[unit] ?? Number.NaN),
    failed: numbers.filter((digits) => digits !== '').reduce((sum, digits) => sum + Number(digits), 0),
    complaints: complaints.map((line) => line.trim()),
  };
}

/** The command of a load; a late answer is no failure, none at all is. @param flags more of wrk's own */
export function wrkCommand(
  url: string,
  seconds: number,
  connections: number,
  ...flags: string[]
): readonly string[] {
  return [
    'wrk',
    '-t1',
    '--timeout',
    '30s',
    `-c${String(connections)}`,
    `-d${String(seconds)}s`,
    ...flags,
    url,
  ];
}
