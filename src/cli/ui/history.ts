// SPDX-License-Identifier: Apache-2.0
import type { Flow, FlowPath, FlowRule } from '../../core/flow.ts';
import { reasons } from '../../core/reasons.ts';
import { carriedBytes } from '../carried-bytes.ts';
import { decidingRule } from '../printers/flow-line.ts';
import type { UiEdge, UiMap, UiRefusal, UiRule } from './model.ts';
import { windows } from './model.ts';

/** Flows are added up over so long, ms. */
const BUCKET_MS = 5000;
const KEPT_MS = Math.max(...windows) * 1000;
/** Edges and refusals of a bucket that are told apart; more share one name. */
const MAX_KEYS = 2000;
const OTHERS = 'others';
/** Latencies of one edge and bucket that are kept for percentiles: the first ones. */
const MAX_LATENCIES = 20;

interface EdgeCounts {
  readonly source: string;
  readonly destination: string;
  requests: number;
  connections: number;
  errors: number;
  denied: number;
  audited: number;
  bytes: number;
  readonly paths: Record<FlowPath, number>;
  readonly latencies: number[];
}

interface RefusalCounts {
  readonly source: string;
  readonly destination: string;
  readonly reason: Flow['reason'];
  readonly rule: FlowRule | undefined;
  count: number;
  last: number;
}

interface Bucket {
  readonly edges: Map<string, EdgeCounts>;
  readonly refusals: Map<string, RefusalCounts>;
}

/** `shop/web`, or the address with what it is. Not escaped: the page shows text as text. */
export function peerName({ namespace, workload, address, entity }: Flow['source']): string {
  if (workload !== undefined) return `${namespace ?? ''}/${workload}`;
  return entity === undefined ? address : `${address} (${entity})`;
}

export function uiRule({ namespace, policy, rule, direction, file, line }: FlowRule): UiRule {
  const place = file === undefined ? undefined : `${file}${line === undefined ? '' : `:${String(line)}`}`;
  return {
    ...{ policy: `${namespace}/${policy}`, rule, direction },
    ...(place === undefined ? {} : { place }),
  };
}

function noCounts(source: string, destination: string): EdgeCounts {
  const paths = { direct: 0, inline: 0, proxied: 0 };
  const counts = { requests: 0, connections: 0, errors: 0, denied: 0, audited: 0, bytes: 0 };
  return { source, destination, ...counts, paths, latencies: [] };
}

function add(counts: EdgeCounts, flow: Flow): void {
  const { kind, verdict, http, duration } = flow;
  counts.paths[flow.path] += 1;
  if (verdict === 'denied') counts.denied += 1;
  else if (verdict === 'error' || (http?.status ?? 0) >= 500) counts.errors += 1;
  if (verdict === 'audited') counts.audited += 1;
  if (kind === 'verdict' && verdict !== 'denied') counts.connections += 1;
  counts.bytes += carriedBytes(flow);
  if (kind !== 'request') return;
  counts.requests += 1;
  if (verdict !== 'denied' && counts.latencies.length < MAX_LATENCIES) counts.latencies.push(duration);
}

function merge(sum: EdgeCounts, counts: EdgeCounts): void {
  for (const key of ['requests', 'connections', 'errors', 'denied', 'audited', 'bytes'] as const)
    sum[key] += counts[key];
  for (const path of ['direct', 'inline', 'proxied'] as const) sum.paths[path] += counts.paths[path];
  sum.latencies.push(...counts.latencies);
}

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}

/** The value of a key, in a map that does not grow beyond its bound. */
function roomFor<Value>(map: Map<string, Value>, key: string, create: (full: boolean) => Value): Value {
  const isFull = !map.has(key) && map.size >= MAX_KEYS;
  const place = isFull ? OTHERS : key;
  let value = map.get(place);
  if (value === undefined) map.set(place, (value = create(isFull)));
  return value;
}

function refusalOf({ source, destination, reason, rule, count, last }: RefusalCounts): UiRefusal {
  const { summary: meaning, action } = reasons[reason];
  return {
    ...{ source, destination, reason, meaning, action, count, last },
    ...(rule === undefined ? {} : { rule: uiRule(rule) }),
  };
}

/** Traffic of the last quarter of an hour by the time of its flows. Its memory is bounded, whatever comes. */
export class History {
  readonly #buckets = new Map<number, Bucket>();
  /** Flows that the agent said were lost, or overwritten before they could be read. */
  missed = 0;
  #first = Number.POSITIVE_INFINITY;

  add(flow: Flow, now: number): void {
    if (flow.kind === 'open') return; // what it has carried is counted when it ends
    const time = Number(flow.time / 1_000_000n);
    if (time < now - KEPT_MS || time > now + BUCKET_MS) return;
    this.#first = Math.min(this.#first, time);
    const number = Math.floor(time / BUCKET_MS);
    let bucket = this.#buckets.get(number);
    if (bucket === undefined) {
      this.#buckets.set(number, (bucket = { edges: new Map(), refusals: new Map() }));
      this.#forget(now);
    }
    const source = peerName(flow.source);
    const destination = peerName(flow.destination);
    const edge = JSON.stringify([source, destination]);
    add(
      roomFor(bucket.edges, edge, (full) =>
        full ? noCounts(OTHERS, OTHERS) : noCounts(source, destination),
      ),
      flow,
    );
    if (flow.verdict !== 'denied') return;
    const rule = decidingRule(flow);
    const key = JSON.stringify([source, destination, flow.reason, rule]);
    const refusal = roomFor(bucket.refusals, key, (full): RefusalCounts => {
      const ends = full ? { source: OTHERS, destination: OTHERS } : { source, destination };
      return { ...ends, reason: flow.reason, rule: full ? undefined : rule, count: 0, last: 0 };
    });
    refusal.count += 1;
    refusal.last = Math.max(refusal.last, time);
  }

  /** What happened in the last `seconds` before `now`, ms. */
  view(seconds: number, now: number): Pick<UiMap, 'edges' | 'refusals' | 'seconds'> {
    const from = Math.floor((now - seconds * 1000) / BUCKET_MS) + 1;
    const edges = new Map<string, EdgeCounts>();
    const refusals = new Map<string, RefusalCounts>();
    for (const [number, bucket] of this.#buckets) {
      if (number < from) continue;
      for (const [key, counts] of bucket.edges) {
        const { source, destination } = counts;
        merge(
          roomFor(edges, key, (full) => (full ? noCounts(OTHERS, OTHERS) : noCounts(source, destination))),
          counts,
        );
      }
      for (const [key, counts] of bucket.refusals) {
        const sum = roomFor(refusals, key, () => ({ ...counts, count: 0 }));
        sum.count += counts.count;
        sum.last = Math.max(sum.last, counts.last);
      }
    }
    const known = Math.max(1, (now - Math.max(from * BUCKET_MS, this.#first)) / 1000);
    return {
      seconds: Math.min(seconds, known),
      edges: [...edges.values()].map(edgeOf),
      refusals: [...refusals.values()].map(refusalOf).toSorted((a, b) => b.count - a.count),
    };
  }

  #forget(now: number): void {
    const oldest = Math.floor((now - KEPT_MS) / BUCKET_MS);
    for (const number of this.#buckets.keys()) if (number < oldest) this.#buckets.delete(number);
  }
}

function edgeOf({ latencies, ...counts }: EdgeCounts): UiEdge {
  if (latencies.length === 0) return counts;
  const sorted = latencies.toSorted((a, b) => a - b);
  return { ...counts, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}
