// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { ApiFailure, type ApiObject, type KubernetesApi, type Query, type WatchEvent } from './api.ts';
import { messageOf } from '../../../lib/errors.ts';
import { PersistentMap } from '../../../lib/persistent-map.ts';

/** Why a collection is listed anew or its watch begun again. The set is closed: it is a label of a metric. */
export const restartReasons = ['ended', 'expired', 'failed', 'forbidden', 'not-served', 'resync'] as const;
export type RestartReason = (typeof restartReasons)[number];

export interface ListWatchOptions<T> {
  readonly api: KubernetesApi;
  /** Of the collection, such as `/api/v1/pods`. */
  readonly path: string;
  /** Selectors. */
  readonly query?: Query;
  /** What is kept of an object; undefined: nothing. Throws nothing. */
  readonly strip: (object: ApiObject) => T | undefined;
  /** Something that is kept has changed, or the state of the watch. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
  /** From 0 to 1, for jitter. */
  readonly random?: () => number;
  /** Resolves after so many ms, or at the signal. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly pageSize?: number;
  /** How often everything is listed although nothing failed, ms. */
  readonly resyncMs?: number;
}

/** How a watch is doing. */
export interface WatchState {
  /** All objects were seen once. */
  readonly synced: boolean;
  /** Since when nothing is heard, by `performance.now()`; undefined: all is well. */
  readonly staleSince?: number;
  /** Why, if something is wrong. */
  readonly reason?: RestartReason;
  /** The same in words. */
  readonly problem?: string;
  readonly objects: number;
}

/** The first wait after a failure and the longest, ms. */
const BACKOFF_MS = { first: 100, longest: 10_000 };
/** A server that ends watches at once must not be asked in a tight loop, ms. */
const SHORTEST_MS = 1000;
const RESYNC_MS = 30 * 60_000;
/** Failures in a row after which a watch is not trusted to go on where it stopped. */
const RELIST_AFTER = 5;
/** How long a watch lasts by our own wish, s; with jitter up to twice that. */
const WATCH_SECONDS = 240;

/**
 * One collection of the API, kept as a map of each moment. Objects are stripped as they arrive. The state stays what it was while the
 * server is away; when it is back, the watch goes on where it stopped, or a list brings everything that changed.
 */
export class ListWatch<T> {
  readonly #options: ListWatchOptions<T>;
  readonly #random: () => number;
  #objects = PersistentMap.empty<T>();
  #synced = false;
  #staleSince: number | undefined;
  #problem: { readonly reason: RestartReason; readonly text: string } | undefined;
  /** Of the last object or bookmark; empty: a list must come first. */
  #version = '';
  #resyncAt = 0;
  #failures = 0;
  readonly restarts: Record<RestartReason, number> = {
    ended: 0,
    expired: 0,
    failed: 0,
    forbidden: 0,
    'not-served': 0,
    resync: 0,
  };

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** By `namespace/name`, or the name alone. */
  get objects(): PersistentMap<T> {
    return this.#objects;
  }

  get state(): WatchState {
    return {
      synced: this.#synced,
      objects: this.#objects.size,
      ...(this.#staleSince === undefined ? {} : { staleSince: this.#staleSince }),
      ...(this.#problem === undefined ? {} : { reason: this.#problem.reason, problem: this.#problem.text }),
    };
  }

  /** Until the signal. Never rejects. */
  async run(): Promise<void> {
    const { signal, wait = pause } = this.#options;
    while (!signal.aborted) {
      const started = performance.now();
      const reason = await this.#once();
      if (this.#stopped()) return;
      this.restarts[reason]++;
      // A server that was restored from a backup may never again know a version that it gave out before.
      if ((reason !== 'ended' && reason !== 'failed') || this.#failures >= RELIST_AFTER) this.#version = '';
      const lasted = performance.now() - started;
      await wait(this.#failures > 0 ? this.#backoff() : Math.max(SHORTEST_MS - lasted, 0), signal);
    }
  }

  #stopped(): boolean {
    return this.#options.signal.aborted;
  }

  /** Lists if need be, then watches until something ends it. */
  async #once(): Promise<RestartReason> {
    try {
      if (this.#version === '') await this.#list();
      return await this.#watch();
    } catch (error) {
      return this.#failed(error);
    }
  }

  /** All pages belong to one moment; if that has become too old meanwhile, the server says so and we begin again. */
  async #list(): Promise<void> {
    const { api, path, query, strip, signal, pageSize = 500, resyncMs = RESYNC_MS } = this.#options;
    const objects = new Map<string, T>();
    let next: string | undefined;
    let version: string;
    do {
      const page = await api.list(
        path,
        { ...query, limit: pageSize, ...(next === undefined ? {} : { continue: next }) },
        signal,
      );
      for (const object of page.items) {
        const kept = strip(object);
        if (kept !== undefined) objects.set(keyOf(object), this.#same(keyOf(object), kept));
      }
      version = page.resourceVersion;
      ({ next } = page);
    } while (next !== undefined);
    // Not before all of it was read: a watch from here would go on over what is missing.
    this.#version = version;
    const before = this.#objects;
    const gone = [...before.keys()].filter((key) => !objects.has(key));
    this.#objects = before.with([...gone.map((key) => [key, undefined] as const), ...objects]);
    const isSame = this.#synced && this.#objects === before;
    this.#synced = true;
    this.#resyncAt = performance.now() + resyncMs * (1 + this.#random());
    this.#heard();
    if (!isSame) this.#options.onChange();
  }

  async #watch(): Promise<RestartReason> {
    const { api, path, query, signal } = this.#options;
    const seconds = Math.round(WATCH_SECONDS * (1 + this.#random()));
    const left = Math.max(Math.round((this.#resyncAt - performance.now()) / 1000), 1);
    const timeoutSeconds = Math.min(seconds, left);
    let failure: ApiFailure | undefined;
    await api.watch(
      path,
      { ...query, resourceVersion: this.#version, allowWatchBookmarks: true, timeoutSeconds },
      (event) => {
        if (event.type === 'ERROR') failure = new ApiFailure(event.code, event.message);
        else this.#take(event);
      },
      signal,
    );
    if (failure !== undefined) throw failure;
    this.#heard();
    return performance.now() >= this.#resyncAt ? 'resync' : 'ended';
  }

  #take({ type, object }: Exclude<WatchEvent, { readonly type: 'ERROR' }>): void {
    this.#version = object.metadata.resourceVersion ?? this.#version;
    this.#heard();
    if (type === 'BOOKMARK') return;
    const key = keyOf(object);
    const stripped = type === 'DELETED' ? undefined : this.#options.strip(object);
    const kept = stripped === undefined ? undefined : this.#same(key, stripped);
    const before = this.#objects;
    this.#objects = before.with([[key, kept]]);
    if (this.#objects !== before) this.#options.onChange();
  }

  /** Most changes of an object are of what is not kept: then it stays the object that it was. */
  #same(key: string, kept: T): T {
    const before = this.#objects.get(key);
    return before !== undefined && isDeepStrictEqual(before, kept) ? before : kept;
  }

  #heard(): void {
    this.#failures = 0;
    if (this.#staleSince === undefined && this.#problem === undefined) return;
    this.#staleSince = undefined;
    this.#problem = undefined;
    this.#options.onChange();
  }

  #failed(error: unknown): RestartReason {
    this.#failures++;
    const status = error instanceof ApiFailure ? error.status : 0;
    const reason: RestartReason =
      status === 410
        ? 'expired'
        : status === 401 || status === 403
          ? 'forbidden'
          : status === 404
            ? 'not-served'
            : 'failed';
    // The server is there and tells us to begin anew: nothing is stale yet.
    if (reason === 'expired' || this.#stopped()) return reason;
    this.#staleSince ??= performance.now();
    const { api, path } = this.#options;
    this.#problem = { reason, text: problemOf(reason, path, api.server, error) };
    this.#options.onChange();
    return reason;
  }

  /** Doubles with each failure in a row. Many agents that lost one server must not come back to it all at once. */
  #backoff(): number {
    const full = Math.min(BACKOFF_MS.first * 2 ** (this.#failures - 1), BACKOFF_MS.longest);
    return full * (0.5 + this.#random() / 2);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function keyOf({ metadata: { namespace, name } }: ApiObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function problemOf(reason: RestartReason, path: string, server: string, error: unknown): string {
  const message = messageOf(error);
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  if (reason === 'forbidden')
    return `${server} does not let this agent read ${path} (${message}); grant get, list and watch to its service account`;
  if (reason === 'not-served')
    return `${server} does not serve ${path}; install the chart perigee-crds if that is a resource of Perigee`;
  return `${path} can't be read from ${server}: ${message}${cause}`;
}
