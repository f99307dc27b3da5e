// SPDX-License-Identifier: Apache-2.0
import type { ProxyWorkload } from '../core/proxy/config.ts';
import { messageOf } from '../lib/errors.ts';
import {
  inboundPort,
  listenerOf,
  type ListenerSet,
  type NetnsListeners,
  outboundPort,
} from './listener-set.ts';
import type { Publisher } from './publisher.ts';
import type { WorkerPool } from './worker-pool.ts';

/** The part of pino that is used here. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface NamespacesParts {
  readonly workers: WorkerPool;
  readonly listeners: ListenerSet;
  readonly log: Log;
  readonly sleep: (ms: number) => Promise<void>;
}

/** Connections that found the listener before the kernel's maps changed still arrive; ms. */
const GRACE_MS = 1000;
/** What a new namespace lacked has come by then, if it was only being set up; ms. */
const SET_UP_MS = 20;

/** Rounds of `tend` that a namespace which lacks a listener is left alone at most; it begins with one. */
const PATIENCE = 30;

/** The namespaces that the proxy listens in, kept in step with the configuration. Callers take turns. */
export class Namespaces {
  private readonly parts: NamespacesParts;
  /** The first workload of each namespace. */
  private wanted: ReadonlyMap<string, ProxyWorkload> = new Map();
  private publisher: Publisher | undefined;
  private readonly open = new Map<string, NetnsListeners>();
  /** Why a namespace has no listeners. */
  private readonly errors = new Map<string, string>();
  private readonly retired: NetnsListeners[] = [];
  /** Namespaces that lack a listener: when to try again, and how long to wait the next time, rounds. */
  private readonly lacks = new Map<string, { readonly due: number; readonly wait: number }>();
  private round = 0;
  private hasEnded = false;

  constructor(parts: NamespacesParts) {
    this.parts = parts;
  }

  async update(workloads: readonly ProxyWorkload[], publisher: Publisher): Promise<void> {
    if (this.hasEnded) return;
    const isSettled = this.publisher === publisher;
    this.publisher = publisher;
    this.wanted = new Map([...workloads].reverse().map((workload) => [netnsKey(workload), workload]));
    const gone = [...this.open].filter(([key]) => !this.wanted.has(key));
    const fresh = [...this.wanted].filter(([key, workload]) => !isSettled || !this.listensFor(key, workload));
    for (const map of [this.errors, this.lacks])
      for (const key of map.keys()) if (!this.wanted.has(key)) map.delete(key);
    for (const [key, workload] of fresh) {
      this.lacks.delete(key);
      await this.ensure(key, workload, publisher);
    }
    for (const [key, listeners] of gone) this.retire(key, listeners, publisher);
    if (fresh.some(([key]) => this.lacksListeners(key))) {
      await this.parts.sleep(SET_UP_MS);
      await this.mend();
    }
  }

  /** Opens what listeners are missing and closes namespaces that no connection needs. To be called now and then. */
  async tend(): Promise<void> {
    this.round++;
    await this.mend();
    await this.collect();
  }

  /** Stops to listen, for good. */
  async end(): Promise<void> {
    const { publisher } = this;
    this.hasEnded = true;
    if (publisher === undefined) return;
    await Promise.all([...this.open.values()].map((open) => this.closeAfterGrace(open, publisher)));
  }

  statusOf(workload: ProxyWorkload): { outboundPort: number; inboundPort: number; error?: string } {
    const key = netnsKey(workload);
    const open = this.open.get(key);
    const error = this.errors.get(key);
    return {
      outboundPort: open === undefined ? 0 : outboundPort(open),
      inboundPort: open === undefined ? 0 : inboundPort(open),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Whether its listeners are up, and everyone knows of them what is true now. */
  private listensFor(key: string, workload: ProxyWorkload): boolean {
    const open = this.open.get(key);
    return !this.errors.has(key) && JSON.stringify(open?.workload) === JSON.stringify(workload);
  }

  /**
   * A workload whose listeners can't be had doesn't hold up the others.
   * @param lack why some of them aren't there
   */
  private async ensure(
    key: string,
    workload: ProxyWorkload,
    publisher: Publisher,
    lack?: unknown,
  ): Promise<void> {
    const { listeners, workers } = this.parts;
    try {
      const open = { ...(this.open.get(key) ?? listeners.open(workload)), workload };
      this.open.set(key, open);
      for (const { fd } of open.outbound) {
        await workers.tell({ kind: 'listen', fd, listener: listenerOf(open, 'outbound') });
      }
      for (const { fd } of open.inbound) {
        await workers.tell({ kind: 'listen', fd, listener: listenerOf(open, 'inbound') });
      }
      listeners.publish(open, publisher);
      if (lack === undefined) this.errors.delete(key);
      else this.fail(key, workload, lack);
    } catch (error) {
      this.fail(key, workload, error);
    }
  }

  private fail(key: string, workload: ProxyWorkload, error: unknown): void {
    const isKnown = this.errors.get(key) === messageOf(error);
    this.errors.set(key, messageOf(error));
    if (isKnown) return;
    const name = `${workload.namespace}/${workload.name}`;
    this.parts.log.warn({ error, workload: name }, 'no listeners for a workload');
  }

  private lacksListeners(key: string): boolean {
    const open = this.open.get(key);
    return this.errors.has(key) || (open !== undefined && this.parts.listeners.isPartial(open));
  }

  /** Namespaces without a listener, or without one of a family, are tried again: their loopback may have come up. */
  private async mend(): Promise<void> {
    const { publisher } = this;
    if (publisher === undefined || this.hasEnded) return;
    for (const [key, workload] of this.wanted) {
      const { due, wait } = this.lacks.get(key) ?? { due: 0, wait: 1 };
      if (!this.lacksListeners(key)) this.lacks.delete(key);
      else if (due <= this.round) {
        this.lacks.set(key, { due: this.round + wait, wait: Math.min(2 * wait, PATIENCE) });
        await this.mendOne(key, workload, publisher);
      }
    }
  }

  private async mendOne(key: string, workload: ProxyWorkload, publisher: Publisher): Promise<void> {
    const { listeners } = this.parts;
    const open = this.open.get(key);
    let complete: NetnsListeners | undefined;
    let lack: unknown;
    try {
      if (open !== undefined && listeners.isPartial(open)) complete = listeners.complete(open);
    } catch (error) {
      lack = error;
      this.fail(key, workload, error);
    }
    if (complete !== undefined) this.open.set(key, complete);
    if (complete !== undefined || this.errors.has(key)) await this.ensure(key, workload, publisher, lack);
  }

  private retire(key: string, open: NetnsListeners, publisher: Publisher): void {
    this.open.delete(key);
    const closed = this.closeAfterGrace(open, publisher).catch((error: unknown) => {
      this.parts.log.warn({ error }, 'the listeners of a namespace could not be closed');
    });
    void closed.then(() => this.retired.push(open));
  }

  private async closeAfterGrace(open: NetnsListeners, publisher: Publisher): Promise<void> {
    const { listeners, sleep, workers } = this.parts;
    try {
      publisher.withdraw(open.netnsCookie, outboundPort(open));
      await sleep(GRACE_MS);
      for (const { fd } of [...open.outbound, ...open.inbound]) await workers.tell({ kind: 'unlisten', fd });
    } finally {
      listeners.close(open);
    }
  }

  private async collect(): Promise<void> {
    if (this.retired.length === 0) return;
    const scrapes = await this.parts.workers.scrape();
    const used = new Set(scrapes.flatMap(({ netnsInUse }) => netnsInUse));
    for (const entry of this.retired.splice(0)) {
      if (used.has(entry.netnsFd)) this.retired.push(entry);
      else this.parts.listeners.closeNetns(entry.netnsFd);
    }
  }
}

/** Another namespace, or another file, is another place to listen. */
function netnsKey(workload: ProxyWorkload): string {
  return `${workload.netnsCookie}/${workload.netns}`;
}
