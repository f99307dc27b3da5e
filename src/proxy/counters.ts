// SPDX-License-Identifier: Apache-2.0
import { grpcStatusNames } from '../core/http/grpc.ts';

/** Upper bounds of the latency histogram, seconds. */
export const LATENCY_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30,
];

/** Label values: the methods of RFC 9110 and PATCH; anything else is `other`. */
export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'other',
] as const;
export const OTHER_METHOD = METHODS.length - 1;
export const HEAD_METHOD = 1;
/** RFC 9110 9.2.2: repeating them does no more than doing them once. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);
const idempotent = METHODS.map((name) => IDEMPOTENT.has(name));

export function isIdempotent(method: number): boolean {
  return idempotent[method] === true;
}

/** Index in METHODS of the method in `bytes[start, end)`. */
export function methodIndex(bytes: Uint8Array, start: number, end: number): number {
  for (let index = 0; index < OTHER_METHOD; index++) {
    const name = METHODS[index] as string;
    if (name.length !== end - start) continue;
    let i = 0;
    while (i < name.length && bytes[start + i] === name.charCodeAt(i)) i++;
    if (i === name.length) return index;
  }
  return OTHER_METHOD;
}

const STATUS_SPAN = 1000;
/** Pairs of workloads that are counted apart, and of one pair methods with statuses: servers choose those. */
const MAX_METERS = 2000;
const MAX_KEYS = 64;
/** Stands for what does not fit, as in the agent's metrics. */
const OVERFLOW = 'overflow';
const OVERFLOW_KEY = -1;

/** Requests from one workload to another. */
class Meter {
  readonly source: string;
  readonly destination: string;
  /** Keys are method × 1000 + status. */
  readonly keys: number[] = [];
  counts = new Float64Array(8);
  readonly latency = new Float64Array(LATENCY_BUCKETS.length + 1);
  latencySumNs = 0;
  /** gRPC calls by status, the last those without one; most pairs have none. */
  grpc: Float64Array | null = null;
  private last = 0;

  constructor(source: string, destination: string) {
    this.source = source;
    this.destination = destination;
  }

  count(key: number): void {
    if (this.keys[this.last] !== key) this.last = this.indexOf(key);
    this.counts[this.last] = (this.counts[this.last] as number) + 1;
  }

  private indexOf(key: number): number {
    const found = this.keys.indexOf(key);
    if (found >= 0) return found;
    if (this.keys.length > MAX_KEYS) return MAX_KEYS;
    this.keys.push(this.keys.length < MAX_KEYS ? key : OVERFLOW_KEY);
    if (this.keys.length > this.counts.length) {
      const grown = new Float64Array(this.counts.length * 2);
      grown.set(this.counts);
      this.counts = grown;
    }
    return this.keys.length - 1;
  }
}

/** What a worker hands over when metrics are asked for; plain data, crosses threads. */
export interface CounterSnapshot {
  readonly drops: Float64Array;
  readonly meters: readonly MeterSnapshot[];
}

export interface MeterSnapshot {
  readonly source: string;
  readonly destination: string;
  readonly requests: readonly {
    readonly method: string;
    readonly status: number | string;
    readonly count: number;
  }[];
  /** Per bucket of LATENCY_BUCKETS, not cumulative; the last is +Inf. */
  readonly latency: Float64Array;
  readonly latencySumNs: number;
  readonly calls: readonly { readonly status: string; readonly count: number }[];
}

/** Counters of one worker. A request costs a few typed-array increments; names are only put together on a scrape. */
export class Counters {
  private readonly drops = new Float64Array(64);
  private readonly meters: Meter[] = [];
  private readonly indices = new Map<string, number>();

  drop(reason: number): void {
    this.drops[reason] = (this.drops[reason] as number) + 1;
  }

  /** Index of the meter between two workloads. */
  meter(source: string, destination: string): number {
    const key = `${source}>${destination}`;
    let index = this.indices.get(key);
    if (index === undefined) {
      if (this.meters.length > MAX_METERS) return MAX_METERS;
      if (this.meters.length === MAX_METERS) return this.meters.push(new Meter(OVERFLOW, OVERFLOW)) - 1;
      index = this.meters.push(new Meter(source, destination)) - 1;
      this.indices.set(key, index);
    }
    return index;
  }

  request(meter: number, method: number, status: number, durationNs: number): void {
    const row = this.meters[meter];
    if (row === undefined) return;
    row.count(method * STATUS_SPAN + status);
    const seconds = durationNs / 1e9;
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS.length && seconds > (LATENCY_BUCKETS[bucket] as number)) bucket++;
    row.latency[bucket] = (row.latency[bucket] as number) + 1;
    row.latencySumNs += durationNs;
  }

  /** The request was a call. @param status of gRPC, -1: it ended without one */
  call(meter: number, status: number): void {
    const row = this.meters[meter];
    if (row === undefined) return;
    row.grpc ??= new Float64Array(grpcStatusNames.length + 1);
    const at = status === -1 ? grpcStatusNames.length : status;
    row.grpc[at] = (row.grpc[at] as number) + 1;
  }

  snapshot(): CounterSnapshot {
    return {
      drops: this.drops.slice(),
      meters: this.meters.map((row) => ({
        source: row.source,
        destination: row.destination,
        requests: row.keys.map((key, index) => ({
          method: key === OVERFLOW_KEY ? OVERFLOW : (METHODS[Math.floor(key / STATUS_SPAN)] ?? 'other'),
          status: key === OVERFLOW_KEY ? OVERFLOW : key % STATUS_SPAN,
          count: row.counts[index] ?? 0,
        })),
        latency: row.latency.slice(),
        latencySumNs: row.latencySumNs,
        calls: callsOf(row),
      })),
    };
  }
}

function callsOf({ grpc }: Meter): MeterSnapshot['calls'] {
  return [...(grpc ?? [])].flatMap((count, status) =>
    count === 0 ? [] : [{ status: grpcStatusNames[status] ?? 'none', count }],
  );
}
