// SPDX-License-Identifier: Apache-2.0
import { type RequestCountKey, httpMethodNames, requestCountKey } from '../core/abi/http.ts';
import type { DesiredState } from '../core/state/desired.ts';
import { INLINE_LATENCY_BOUNDS } from '../core/http/latency.ts';
import type { Maps } from './maps.ts';
import { keyBytes, keyText } from './typed-map.ts';

/** Requests of inline connections with one key, since it was made. */
export interface RequestCount extends Pick<
  RequestCountKey,
  'sourceIdentity' | 'sourceWorkload' | 'workload' | 'status'
> {
  /** `GET`, or `other`. */
  readonly method: string;
  readonly count: number;
  readonly seconds: number;
  /** One for each of INLINE_LATENCY_BOUNDS and one beyond, not cumulative. */
  readonly buckets: readonly number[];
}

/** Words of u64 in struct request_count: the count, the sum of durations in ns, the buckets. */
const WORDS = 2 + INLINE_LATENCY_BOUNDS.length + 1;

/** The kernel's counts of what it decided itself. The key of zeroes holds what found the map full. */
export function readRequestCounts({ request_counts: map }: Pick<Maps, 'request_counts'>): RequestCount[] {
  const { keys, values, count } = map.dump();
  const width = map.entrySize;
  return Array.from({ length: count }, (_, index) => {
    const { method, sourceIdentity, sourceWorkload, workload, status } = requestCountKey.decode(
      keys,
      index * requestCountKey.size,
    );
    const [total = 0, nanoseconds = 0, ...buckets] = sumWords(values, index * width, width);
    const name = httpMethodNames[method] ?? 'other';
    return {
      ...{ sourceIdentity, sourceWorkload, workload, status, buckets },
      method: name === 'other' ? name : name.toUpperCase(),
      count: total,
      seconds: nanoseconds / 1e9,
    };
  });
}

/** Adds up the copies of all processors. Doubles: exact up to 2^53. */
function sumWords(values: Buffer, from: number, width: number): number[] {
  const sums = new Array<number>(WORDS).fill(0);
  for (let at = 0; at + 8 <= width; at += 8) {
    const word = (at / 8) % WORDS;
    const low = values.readUInt32LE(from + at);
    sums[word] = (sums[word] ?? 0) + low + values.readUInt32LE(from + at + 4) * 2 ** 32;
  }
  return sums;
}

/**
 * Removes counts of peers that are gone: the map is of fixed size. They go the second time they are found stale,
 * so that whoever scrapes between the two sees the last of them.
 */
export class StaleRequestCounts {
  readonly #map: Maps['request_counts'];
  #suspects: ReadonlySet<string> = new Set();

  constructor({ request_counts }: Pick<Maps, 'request_counts'>) {
    this.#map = request_counts;
  }

  /** Returns how many went. */
  remove(desired: DesiredState): number {
    const { keys, count } = this.#map.dump();
    if (count === 0) return 0;
    const known = knownPeers(desired);
    const stale = new Set<string>();
    let removed = 0;
    for (let index = 0; index < count; index += 1) {
      const bytes = keys.subarray(index * requestCountKey.size, (index + 1) * requestCountKey.size);
      if (isKnown(requestCountKey.decode(bytes), known)) continue;
      const text = keyText(bytes);
      if (!this.#suspects.has(text)) stale.add(text);
      else if (this.#map.delete(keyBytes(text))) removed += 1;
    }
    this.#suspects = stale;
    return removed;
  }
}

/** The numbers that still mean something. */
interface KnownPeers {
  readonly workloads: ReadonlySet<number>;
  readonly identities: ReadonlySet<number>;
}

function knownPeers({ workloads, ipcache, policy }: DesiredState): KnownPeers {
  const identities = new Set(Array.from(ipcache.values(), ({ identity }) => identity));
  const lists = new Set(policy.map(({ rows }) => rows));
  for (const rows of lists) for (const { identity } of rows) identities.add(identity);
  return { workloads: new Set(workloads.map(({ id }) => id)), identities };
}

function isKnown(
  { workload, sourceWorkload, sourceIdentity }: RequestCountKey,
  { workloads, identities }: KnownPeers,
): boolean {
  if (workload === 0) return true; // what found no room
  if (!workloads.has(workload)) return false;
  return sourceWorkload === 0
    ? sourceIdentity === 0 || identities.has(sourceIdentity)
    : workloads.has(sourceWorkload);
}
