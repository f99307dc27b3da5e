// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { type Compiled, compile } from '../control/compile/compile.ts';
import type { Names } from '../control/compile/names.ts';
import { type World, buildWorld } from '../core/policy/world.ts';
import type { ProxyConfig } from '../core/proxy/config.ts';
import type { Resource } from '../core/resources/kinds.ts';
import type { DesiredWorkload } from '../core/state/desired.ts';
import type { Attachment } from '../core/workload/workload.ts';
import { PolicyIndex } from '../core/state/policy-index.ts';
import type { Datapath, NotCaptured } from '../datapath/datapath.ts';
import { writeNames } from '../datapath/name-store.ts';
import type { Native } from '../datapath/native.ts';
import { type Closed, sweepConnections } from '../datapath/sweep.ts';
import { type Seen, look } from './addresses.ts';
import { hostAddresses, socketInodes } from './host.ts';
import { proxyConfigOf } from './proxy-config.ts';
import type { Settings } from './settings.ts';

export interface ReconcilerOptions {
  readonly native: Native;
  readonly datapath: Datapath;
  readonly names: Names;
  readonly settings: Settings;
  readonly log: Logger;
  /** Tells the proxy; resolves to its pid once the configuration is in force there, undefined when it is away. */
  readonly pushConfig: (config: ProxyConfig) => Promise<number | undefined>;
  readonly onClosed: (closed: readonly Closed[], index: PolicyIndex) => unknown;
}

/** What is in force. */
export interface Applied {
  readonly revision: number;
  readonly world: World;
  readonly compiled: Compiled;
  readonly notCaptured: readonly NotCaptured[];
  readonly at: Date;
  readonly durationMs: number;
}

/** From resources to the kernel: the one path for a start, a change, and a namespace that came or went. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #resources: readonly Resource[] | undefined;
  #seen: Seen = { addresses: new Map(), fingerprint: '' };
  #applied: Applied | undefined;
  #config: ProxyConfig | undefined;
  #running: Promise<void> | undefined;
  #again = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  get applied(): Applied | undefined {
    return this.#applied;
  }

  /** The configuration that the proxy should have. */
  get config(): ProxyConfig | undefined {
    return this.#config;
  }

  /** Takes a new set of resources. Resolves when it, or a later one, is in force. */
  async take(resources: readonly Resource[]): Promise<void> {
    this.#resources = resources;
    await this.run();
  }

  /** Looks whether namespaces came, went or changed their addresses. */
  async refresh(): Promise<void> {
    const world = this.#applied?.world;
    if (world === undefined) return;
    const seen = look(this.#options.native, attachmentsOf(world));
    if (seen.fingerprint !== this.#seen.fingerprint) await this.run();
  }

  /** One at a time; what arrives meanwhile is done in one more round. */
  async run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      if (this.#resources !== undefined) await this.#reconcile(this.#resources);
    }
  }

  async #reconcile(resources: readonly Resource[]): Promise<void> {
    const { native, datapath, names, log } = this.#options;
    const started = performance.now();
    const nodeAddresses = hostAddresses();
    const named = buildWorld({ resources, nodeAddresses });
    this.#seen = look(native, attachmentsOf(named));
    const world = buildWorld({ resources, nodeAddresses, addresses: this.#seen.addresses });
    const compiled = compile(world, names);
    const notCaptured = datapath.capture(compiled.desired.workloads);
    writeNames(datapath.maps, names.assignments());
    const revision = (this.#applied?.revision ?? 0) + 1;
    this.#config = this.#proxyConfig(revision, compiled);
    const proxyPid = await this.#options.pushConfig(this.#config);
    const report = datapath.apply(compiled.desired);
    if (report.policyChanged) this.#sweep(compiled, proxyPid);
    const durationMs = performance.now() - started;
    this.#applied = { revision, world, compiled, notCaptured, at: new Date(), durationMs };
    log.info(
      {
        revision,
        workloads: compiled.desired.workloads.length,
        upserted: report.upserted,
        removed: report.removed,
        ms: Math.round(durationMs * 10) / 10,
      },
      'reconciled',
    );
    for (const { workload, error } of notCaptured) {
      const { code, message: reason } = error;
      log.warn({ object: workload.key, code, reason }, 'workload is not captured: its traffic is not governed');
    }
    for (const problem of compiled.problems) log.error({ problem }, 'rule cannot be enforced as written');
  }

  #proxyConfig(revision: number, compiled: Compiled): ProxyConfig {
    const { datapath, settings } = this.#options;
    const { native } = this.#options;
    const selfFd = native.netns.selfFd();
    const self = { path: '/proc/self/ns/net', cookie: native.netns.cookie(selfFd) };
    native.sockets.close(selfFd);
    const netnsOf = (workload: DesiredWorkload): { path: string; cookie: bigint } | undefined => {
      const cookie = datapath.netnsCookie(workload.id);
      if (workload.attachment === 'cgroup') return self;
      return cookie === undefined ? undefined : { path: workload.path, cookie };
    };
    const { limits } = settings;
    return proxyConfigOf({ revision, mapsRoot: datapath.layout.maps, compiled, limits, netnsOf });
  }

  /** Only after the maps: a connection that is closed here must not come back under the old policy. */
  #sweep(compiled: Compiled, proxyPid: number | undefined): void {
    const { native, datapath, log } = this.#options;
    const index = new PolicyIndex(compiled.desired);
    const closed = sweepConnections({
      native,
      index,
      workloads: datapath.enrolled.filter((entry) => entry.netnsFd !== -1),
      proxyInodes: proxyPid === undefined ? new Set() : socketInodes(proxyPid),
    });
    if (closed.length === 0) return;
    log.info({ closed: closed.length }, 'closed connections that policy forbids now');
    this.#options.onClosed(closed, index);
  }
}

function attachmentsOf(world: World): Map<string, Attachment> {
  return new Map([...world.workloads].map(([key, workload]) => [key, workload.attachment]));
}
