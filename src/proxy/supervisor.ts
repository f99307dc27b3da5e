// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http';
import type { RuleSet } from '../core/automaton/rules.ts';
import type { ProxyConfig, ProxyWorkload } from '../core/proxy/config.ts';
import type { ProxyStatus, ProxyWorkloadStatus } from '../core/proxy/control.ts';
import { parseConfig } from './config-check.ts';
import type { ControlTarget } from './control-server.ts';
import { exposition } from './exposition.ts';
import type { FlowStream } from './flow-stream.ts';
import {
  inboundPort,
  listenerOf,
  type ListenerSet,
  outboundPort,
  type NetnsListeners,
} from './listener-set.ts';
import type { Publisher } from './publisher.ts';
import type { StateFile } from './state-file.ts';
import type { TableStore } from './table-store.ts';
import type { WorkerPool } from './worker-pool.ts';
import type { WorkerConfig, WorkerScrape } from './worker-protocol.ts';
import { messageOf } from '../lib/errors.ts';

/** The part of pino that is used here. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface SupervisorParts {
  readonly version: string;
  readonly workers: WorkerPool;
  readonly listeners: ListenerSet;
  /** Opens the maps below a root. */
  readonly publisherOf: (mapsRoot: string) => Publisher;
  readonly tables: TableStore;
  readonly state: StateFile;
  readonly flows: FlowStream;
  readonly log: Log;
  /** Open connections get this long, ms. */
  readonly drainMs: number;
  /** Sockets that each worker may have beside the listeners of so many workloads. */
  readonly socketsBeside: (workloads: number) => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** The proxy has ended. */
  readonly onEnd: () => void;
}

/** Connections that found the listener before the kernel's maps changed still arrive; ms. */
const GRACE_MS = 1000;
const POLL_MS = 100;

/** The proxy's main thread: configurations in, listeners and workers kept in step with them. */
export class Supervisor implements ControlTarget {
  private readonly parts: SupervisorParts;
  private readonly startedAt = new Date();
  private readonly open = new Map<string, NetnsListeners>();
  /** Why a namespace has no listeners. */
  private readonly errors = new Map<string, string>();
  private readonly retired: NetnsListeners[] = [];
  private config: ProxyConfig | undefined;
  private publisher: Publisher | undefined;
  private isDraining = false;
  /** Configurations take effect one after another. */
  private queue: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.parts = parts;
  }

  /**
   * Puts a configuration in force: all of it, or a fault and nothing has changed. Returns the digests of tables that
   * it names and nobody has sent; then nothing has changed either.
   */
  configure(json: unknown): Promise<readonly string[]> {
    const next = this.queue.then(async () => {
      const config = parseConfig(json);
      const used = new Set(config.automata.map(({ table }) => table));
      const missing = [...used].filter((digest) => this.parts.tables.get(digest) === undefined);
      if (missing.length === 0) await this.apply(config);
      return missing;
    });
    // Whoever waits for it to be in force need not wait for the disk.
    this.queue = next.then(
      (missing) => (missing.length === 0 ? this.save() : undefined),
      () => undefined,
    );
    return next;
  }

  addTable(digest: string, bytes: Uint8Array): void {
    this.parts.tables.add(digest, bytes);
  }

  private async save(): Promise<void> {
    const { log, state } = this.parts;
    try {
      if (this.config !== undefined) await state.write(this.config);
    } catch (error) {
      log.warn(
        { error },
        'the configuration could not be saved: a proxy that starts now waits for the agent',
      );
    }
  }

  /** Puts the last accepted configuration in force again. */
  async restore(): Promise<void> {
    try {
      const config = await this.parts.state.read();
      if (config !== undefined) await this.apply(config);
    } catch (error) {
      this.parts.log.warn({ error }, 'the last configuration is not in force; waiting for the agent');
    }
  }

  async status(): Promise<ProxyStatus> {
    const scrapes = await this.parts.workers.scrape();
    return {
      pid: process.pid,
      version: this.parts.version,
      revision: this.config?.revision ?? -1,
      startedAt: this.startedAt.toISOString(),
      draining: this.isDraining,
      workers: this.parts.workers.size,
      connections: scrapes.reduce((sum, { connections }) => sum + connections, 0),
      rssBytes: process.memoryUsage.rss(),
      workloads: (this.config?.workloads ?? []).map((workload) => this.workloadStatus(workload, scrapes)),
    };
  }

  async metrics(): Promise<string> {
    return exposition({
      workers: await this.parts.workers.scrape(),
      rssBytes: process.memoryUsage.rss(),
      revision: this.config?.revision ?? -1,
    });
  }

  subscribe(response: ServerResponse): void {
    this.parts.flows.subscribe(response);
  }

  drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    this.parts.log.info({ drainMs: this.parts.drainMs }, 'draining');
    void this.drainToTheEnd();
  }

  private async apply(config: ProxyConfig): Promise<void> {
    const publisher = this.publisherOf(config);
    const isSettled = this.publisher === publisher;
    const sockets = this.parts.socketsBeside(config.workloads.length);
    const { tables } = this.parts;
    await this.parts.workers.tell({ kind: 'configure', config: workerConfig(config, sockets, tables) });
    tables.retain(new Set(config.automata.map(({ table }) => table)));
    this.config = config;
    this.publisher = publisher;
    const wanted = new Map([...config.workloads].reverse().map((workload) => [netnsKey(workload), workload]));
    const gone = [...this.open].filter(([key]) => !wanted.has(key));
    const fresh = [...wanted].filter(([key, workload]) => !isSettled || !this.listensFor(key, workload));
    this.errors.clear();
    for (const [key, workload] of fresh) await this.ensure(key, workload, publisher);
    for (const [key, listeners] of gone) this.retire(key, listeners, publisher);
    this.parts.log.info({ revision: config.revision, workloads: wanted.size }, 'configuration in force');
  }

  /** Whether its listeners are up, and everyone knows of them what is true now. */
  private listensFor(key: string, workload: ProxyWorkload): boolean {
    const open = this.open.get(key);
    return !this.errors.has(key) && JSON.stringify(open?.workload) === JSON.stringify(workload);
  }

  private publisherOf(config: ProxyConfig): Publisher {
    if (this.publisher !== undefined && this.config?.mapsRoot === config.mapsRoot) return this.publisher;
    return this.parts.publisherOf(config.mapsRoot);
  }

  /** A workload whose listeners can't be had doesn't hold up the others. */
  private async ensure(key: string, workload: ProxyWorkload, publisher: Publisher): Promise<void> {
    const { listeners, log, workers } = this.parts;
    try {
      const open = { ...(this.open.get(key) ?? listeners.open(workload)), workload };
      this.open.set(key, open);
      for (const { fd } of open.outbound) {
        await workers.tell({ kind: 'listen', fd, listener: listenerOf(open, 'outbound') });
      }
      for (const { fd } of open.inbound) {
        await workers.tell({ kind: 'listen', fd, listener: listenerOf(open, 'inbound') });
      }
      if (!this.isDraining) listeners.publish(open, publisher);
    } catch (error) {
      this.errors.set(key, messageOf(error));
      log.warn({ error, workload: `${workload.namespace}/${workload.name}` }, 'no listeners for a workload');
    }
  }

  private retire(key: string, open: NetnsListeners, publisher: Publisher): void {
    this.open.delete(key);
    void this.closeAfterGrace(open, publisher).then(() => {
      this.retired.push(open);
    });
  }

  private async closeAfterGrace(open: NetnsListeners, publisher: Publisher): Promise<void> {
    const { listeners, sleep, workers } = this.parts;
    publisher.withdraw(open.netnsCookie, outboundPort(open));
    await sleep(GRACE_MS);
    for (const { fd } of [...open.outbound, ...open.inbound]) await workers.tell({ kind: 'unlisten', fd });
    listeners.close(open);
  }

  /** Closes namespaces that no connection needs any more. To be called now and then. */
  async collect(): Promise<void> {
    if (this.retired.length === 0) return;
    const scrapes = await this.parts.workers.scrape();
    const used = new Set(scrapes.flatMap(({ netnsInUse }) => netnsInUse));
    for (const entry of this.retired.splice(0)) {
      if (used.has(entry.netnsFd)) this.retired.push(entry);
      else this.parts.listeners.closeNetns(entry.netnsFd);
    }
  }

  private async drainToTheEnd(): Promise<void> {
    const { drainMs, flows, log, onEnd, sleep, workers } = this.parts;
    const end = performance.now() + drainMs;
    await workers.tell({ kind: 'drain' });
    const { publisher } = this;
    if (publisher !== undefined) {
      await Promise.all([...this.open.values()].map((open) => this.closeAfterGrace(open, publisher)));
    }
    let connections = Infinity;
    while (connections > 0 && performance.now() < end) {
      await sleep(POLL_MS);
      connections = (await workers.scrape()).reduce((sum, scrape) => sum + scrape.connections, 0);
    }
    if (connections > 0) {
      log.info({ connections }, 'drain time is over');
      await workers.tell({ kind: 'terminate' });
      await sleep(POLL_MS);
    }
    flows.end();
    onEnd();
  }

  private workloadStatus(workload: ProxyWorkload, scrapes: readonly WorkerScrape[]): ProxyWorkloadStatus {
    const key = netnsKey(workload);
    const open = this.open.get(key);
    const error = this.errors.get(key);
    const connections = scrapes
      .flatMap(({ byWorkload }) => byWorkload)
      .reduce((sum, [id, count]) => (id === workload.id ? sum + count : sum), 0);
    return {
      id: workload.id,
      outboundPort: open === undefined ? 0 : outboundPort(open),
      inboundPort: open === undefined ? 0 : inboundPort(open),
      connections,
      ...(error === undefined ? {} : { error }),
    };
  }
}

/** Another namespace, or another file, is another place to listen. */
function netnsKey(workload: ProxyWorkload): string {
  return `${workload.netnsCookie}/${workload.netns}`;
}

function workerConfig(config: ProxyConfig, sockets: number, tables: TableStore): WorkerConfig {
  return {
    mapsRoot: config.mapsRoot,
    limits: config.limits,
    verdicts: config.verdicts,
    rules: config.automata.map(({ table: digest, ...rest }) => ({
      ...rest,
      rules: rest.rules as RuleSet | undefined,
      digest,
      table: tables.get(digest) as SharedArrayBuffer,
    })),
    workloads: config.workloads.map(
      ({ id, identity, identities = [identity], name, namespace, netnsCookie }) => [
        id,
        { name: `${namespace}/${name}`, netnsCookie: BigInt(netnsCookie), identity, identities },
      ],
    ),
    pooling: true,
    requestFlows: config.requestFlows ?? 'all',
    sockets,
  };
}
