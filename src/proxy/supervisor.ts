// SPDX-License-Identifier: Apache-2.0
import type { ServerResponse } from 'node:http';
import type { RuleSet } from '../core/automaton/rules.ts';
import type { ProxyConfig, ProxyWorkload } from '../core/proxy/config.ts';
import type { ProxyStatus, ProxyWorkloadStatus } from '../core/proxy/control.ts';
import { parseConfig } from './config-check.ts';
import type { ControlTarget } from './control-server.ts';
import { exposition } from './exposition.ts';
import type { FlowStream } from './flow-stream.ts';
import type { ListenerSet } from './listener-set.ts';
import { type Log, Namespaces } from './namespaces.ts';
import type { Publisher } from './publisher.ts';
import type { StateFile } from './state-file.ts';
import type { TableStore } from './table-store.ts';
import type { WorkerPool } from './worker-pool.ts';
import type { WorkerConfig, WorkerScrape } from './worker-protocol.ts';

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
  /** A configuration has come into force. */
  readonly onConfigured: () => void;
  /** The proxy has ended. */
  readonly onEnd: () => void;
}

const POLL_MS = 100;

/** The proxy's main thread: configurations in, listeners and workers kept in step with them. */
export class Supervisor implements ControlTarget {
  private readonly parts: SupervisorParts;
  private readonly startedAt = new Date();
  private readonly namespaces: Namespaces;
  private config: ProxyConfig | undefined;
  private publisher: Publisher | undefined;
  private isDraining = false;
  /** Configurations take effect one after another, and whatever else concerns listeners between them. */
  private queue: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.parts = parts;
    this.namespaces = new Namespaces(parts);
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
      await this.inTurn(async () => {
        const config = await this.parts.state.read();
        if (config !== undefined) await this.apply(config);
      });
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
      ...(this.config?.digest === undefined ? {} : { digest: this.config.digest }),
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
    const { drainMs, flows, log, onEnd } = this.parts;
    log.info({ drainMs }, 'draining');
    const drained = this.drainToTheEnd().catch((error: unknown) => {
      log.warn({ error }, 'connections could not be drained');
    });
    void drained.then(() => {
      flows.end();
      onEnd();
    });
  }

  private async apply(config: ProxyConfig): Promise<void> {
    const publisher = this.publisherOf(config);
    const sockets = this.parts.socketsBeside(config.workloads.length);
    const { tables } = this.parts;
    await this.parts.workers.tell({ kind: 'configure', config: workerConfig(config, sockets, tables) });
    tables.retain(new Set(config.automata.map(({ table }) => table)));
    this.config = config;
    this.publisher = publisher;
    await this.namespaces.update(config.workloads, publisher);
    this.parts.onConfigured();
    this.parts.log.info(
      { revision: config.revision, workloads: config.workloads.length },
      'configuration in force',
    );
  }

  private publisherOf(config: ProxyConfig): Publisher {
    if (this.publisher !== undefined && this.config?.mapsRoot === config.mapsRoot) return this.publisher;
    return this.parts.publisherOf(config.mapsRoot);
  }

  /** To be called now and then. */
  tend(): void {
    this.inTurn(() => this.namespaces.tend()).catch((error: unknown) => {
      this.parts.log.warn({ error }, 'the listeners could not be looked after');
    });
  }

  /** Runs behind what is under way, and before what comes next. */
  private inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.queue.then(task);
    this.queue = done.catch(() => undefined);
    return done;
  }

  private async drainToTheEnd(): Promise<void> {
    const { drainMs, log, sleep, workers } = this.parts;
    const end = performance.now() + drainMs;
    await workers.tell({ kind: 'drain' });
    await this.inTurn(() => this.namespaces.end());
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
  }

  private workloadStatus(workload: ProxyWorkload, scrapes: readonly WorkerScrape[]): ProxyWorkloadStatus {
    const connections = scrapes
      .flatMap(({ byWorkload }) => byWorkload)
      .reduce((sum, [id, count]) => (id === workload.id ? sum + count : sum), 0);
    return { id: workload.id, ...this.namespaces.statusOf(workload), connections };
  }
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
