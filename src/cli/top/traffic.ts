// SPDX-License-Identifier: Apache-2.0
import type { Flow } from '../../core/flow.ts';
import { carriedBytes } from '../carried-bytes.ts';
import { decidingRule, endpointText, ruleText } from '../printers/flow-line.ts';

/** What went from one workload to another, or was to. */
export interface EdgeCounts {
  requests: number;
  connections: number;
  errors: number;
  denied: number;
  bytes: number;
  /** ns of the requests that were answered. */
  latencies: number[];
}

export interface Edge extends Readonly<EdgeCounts> {
  readonly source: string;
  readonly destination: string;
}

/** What was refused, by whom and why. */
export interface Refusal {
  readonly source: string;
  readonly destination: string;
  readonly reason: string;
  /** Empty: no rule. */
  readonly rule: string;
  readonly count: number;
}

/** Edges and refusals told apart; more share one name. */
const MAX_KEYS = 500;
const OTHERS = 'others';
/** Latencies of one edge and second that are kept for percentiles: the first ones. */
const MAX_LATENCIES = 100;
const SEPARATOR = '\n';

interface Second {
  readonly edges: Map<string, EdgeCounts>;
  readonly refusals: Map<string, number>;
}

function noCounts(): EdgeCounts {
  return { requests: 0, connections: 0, errors: 0, denied: 0, bytes: 0, latencies: [] };
}

/** Without its port: connections of one client are one edge. */
function nameOf(end: Flow['source']): string {
  return endpointText({ ...end, port: 0 });
}

function add(counts: EdgeCounts, flow: Flow): void {
  const { kind, verdict, http, duration } = flow;
  if (verdict === 'denied') counts.denied += 1;
  else if (verdict === 'error' || (http?.status ?? 0) >= 500) counts.errors += 1;
  if (kind === 'verdict' && verdict !== 'denied') counts.connections += 1;
  counts.bytes += carriedBytes(flow);
  if (kind !== 'request') return;
  counts.requests += 1;
  if (verdict !== 'denied' && counts.latencies.length < MAX_LATENCIES) counts.latencies.push(duration);
}

/** Traffic of the last seconds, from flows as they come. Its memory is bounded, whatever comes. */
export class Traffic {
  readonly #window: number;
  #seconds: Second[] = [];
  /** Flows that this client was told it missed. */
  missed = 0;

  /** @param window seconds that are shown */
  constructor(window: number) {
    this.#window = window;
    this.tick();
  }

  /** Begins a second. */
  tick(): void {
    this.#seconds.push({ edges: new Map(), refusals: new Map() });
    this.#seconds = this.#seconds.slice(-this.#window);
  }

  /** Seconds that were seen, those of the window at most. */
  get seconds(): number {
    return this.#seconds.length;
  }

  add(flow: Flow): void {
    const second = this.#seconds.at(-1);
    // What an open connection has carried is counted when it ends.
    if (second === undefined || flow.kind === 'open') return;
    const edge = [nameOf(flow.source), nameOf(flow.destination)].join(SEPARATOR);
    const counts = roomFor(second.edges, edge, noCounts);
    add(counts, flow);
    if (flow.verdict !== 'denied') return;
    const rule = decidingRule(flow);
    const refusal = [edge, flow.reason, rule === undefined ? '' : ruleText(rule)].join(SEPARATOR);
    const { refusals } = second;
    const key =
      refusals.has(refusal) || refusals.size < MAX_KEYS ? refusal : [OTHERS, OTHERS, '', ''].join(SEPARATOR);
    refusals.set(key, (refusals.get(key) ?? 0) + 1);
  }

  edges(): readonly Edge[] {
    const sums = new Map<string, EdgeCounts>();
    for (const { edges } of this.#seconds) {
      for (const [key, counts] of edges) {
        const sum = roomFor(sums, key, noCounts);
        sum.requests += counts.requests;
        sum.connections += counts.connections;
        sum.errors += counts.errors;
        sum.denied += counts.denied;
        sum.bytes += counts.bytes;
        sum.latencies.push(...counts.latencies);
      }
    }
    return [...sums].map(([key, counts]) => {
      const [source = '', destination = ''] = key.split(SEPARATOR);
      return { source, destination, ...counts };
    });
  }

  refusals(): readonly Refusal[] {
    const sums = new Map<string, number>();
    for (const { refusals } of this.#seconds)
      for (const [key, count] of refusals) sums.set(key, (sums.get(key) ?? 0) + count);
    return [...sums].map(([key, count]) => {
      const [source = '', destination = '', reason = '', rule = ''] = key.split(SEPARATOR);
      return { source, destination, reason, rule, count };
    });
  }
}

/** The value of a key, in a map that does not grow beyond its bound. */
function roomFor<Value>(map: Map<string, Value>, key: string, create: () => Value): Value {
  const place = map.has(key) || map.size < MAX_KEYS ? key : [OTHERS, OTHERS].join(SEPARATOR);
  let value = map.get(place);
  if (value === undefined) map.set(place, (value = create()));
  return value;
}
