// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlowEvent, FlowQuery, FlowSource } from '../../core/flow-filter.ts';
import type { Delivery } from './delivery.ts';

/** Items of one request at most. */
const BATCH = 512;
/** How long the first item of a batch waits for others, ms. */
const LINGER_MS = 500;
/** What the last batch may take when the agent ends, ms. */
const LAST_MS = 1000;

export interface FollowerOptions<Item> {
  readonly flows: FlowSource;
  readonly query: FlowQuery;
  readonly delivery: Delivery<Item>;
  /** Items at most. */
  readonly perSecond: number;
  /** What a flow becomes. */
  readonly itemsOf: (flow: Extract<FlowEvent, { type: 'flow' }>) => readonly Item[];
}

/**
 * Sends what comes into the store, a batch at a time. The store is the queue: nothing is read while a batch is under
 * way or its rate is exceeded, and what is overwritten meanwhile counts as missed. So a collector that is slow or away costs one batch of memory.
 */
export class Follower<Item> {
  readonly #options: FollowerOptions<Item>;
  /** The next event, which a batch that was complete before may have left. */
  #next: Promise<IteratorResult<FlowEvent, void>> | undefined;

  constructor(options: FollowerOptions<Item>) {
    this.#options = options;
  }

  /** Goes on until the signal; resolves after a last attempt to send what was read. */
  async run(signal: AbortSignal): Promise<void> {
    const { flows, query, delivery, perSecond } = this.#options;
    const events = flows.query(query, signal)[Symbol.asyncIterator]() as AsyncIterator<FlowEvent, void>;
    for (let isOver = false; !isOver;) {
      const items: Item[] = [];
      const started = performance.now();
      isOver = await this.#fill(items, events);
      if (items.length === 0) continue;
      const isSent = await delivery.deliver(items, signal);
      if (!isSent) await delivery.once(items, items.length, AbortSignal.timeout(LAST_MS));
      await pause(started + (items.length / perSecond) * 1000 - performance.now(), signal);
    }
  }

  /** Waits for an item, and then for those that come with it. Returns whether there are no more events. */
  async #fill(items: Item[], events: AsyncIterator<FlowEvent, void>): Promise<boolean> {
    const timer = new AbortController();
    let due: Promise<undefined> | undefined;
    try {
      while (items.length < BATCH) {
        this.#next ??= events.next();
        const result = await (due === undefined ? this.#next : Promise.race([this.#next, due]));
        if (result === undefined) break;
        this.#next = undefined;
        if (result.done === true) return true;
        this.#add(result.value, items);
        if (items.length > 0) due ??= elapsed(timer.signal);
      }
      return false;
    } finally {
      timer.abort();
    }
  }

  #add(event: FlowEvent, items: Item[]): void {
    const { delivery, itemsOf } = this.#options;
    if (event.type === 'flow') items.push(...itemsOf(event));
    else if (event.source === 'store') delivery.counts.missed += event.count;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 1) await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function elapsed(signal: AbortSignal): Promise<undefined> {
  return sleep(LINGER_MS, undefined, { signal }).catch(() => undefined);
}
