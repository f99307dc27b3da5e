// SPDX-License-Identifier: Apache-2.0
import type { FlowEvent, FlowQuery, FlowSource } from '../../core/flow-filter.ts';
import { endLabel } from './peer-label.ts';

/** A request that stands for those of its bucket. */
export interface Exemplar {
  readonly traceId: string;
  /** Seconds. */
  readonly value: number;
  /** Seconds since 1970. */
  readonly time: number;
}

type FlowOfStore = Extract<FlowEvent, { type: 'flow' }>;

/** Sampled requests that are looked at for one scrape: the newest. */
const LOOKED_AT = 1000;
/** How far back, ns: beyond, a trace is no example of what happens. */
const MAX_AGE_NS = 600_000_000_000n;

/** Requests of one series, by names of labels. */
function seriesOf({ flow: { source, destination, path }, here }: FlowOfStore): string {
  const isProxied = path === 'proxied';
  const from = endLabel(source, here?.source === true, isProxied);
  return [from, endLabel(destination, here?.destination === true, isProxied), path].join('\n');
}

/** Examples by series and duration. */
export class Exemplars {
  /** Newest first. */
  readonly #bySeries = new Map<string, Exemplar[]>();

  add(event: FlowOfStore): void {
    const { flow } = event;
    if (flow.trace === undefined) return;
    const series = seriesOf(event);
    const exemplar = {
      traceId: flow.trace.id,
      value: flow.duration / 1e9,
      time: Number(flow.time / 1000n) / 1e6,
    };
    const known = this.#bySeries.get(series);
    if (known === undefined) this.#bySeries.set(series, [exemplar]);
    else known.unshift(exemplar);
  }

  /** The newest of a series that took longer than `from` and at most `to` seconds. */
  find(labels: Readonly<Record<string, string>>, from: number, to: number): Exemplar | undefined {
    const { source_workload: source, destination_workload: destination, path_mode: mode } = labels;
    const candidates = this.#bySeries.get([source, destination, mode].join('\n'));
    return candidates?.find(({ value }) => value > from && value <= to);
  }
}

/** Looks for requests with a sampled trace in the store. It is done for who asks: nothing is kept for it. */
export async function readExemplars(flows: FlowSource, now: bigint): Promise<Exemplars> {
  const found = new Exemplars();
  const query: FlowQuery = {
    include: [{ kinds: ['request'], sampledShare: 0 }],
    exclude: [],
    ...{ end: 'newest', limit: LOOKED_AT, since: now - MAX_AGE_NS, follow: false },
  };
  for await (const event of flows.query(query, new AbortController().signal))
    if (event.type === 'flow') found.add(event);
  return found;
}
