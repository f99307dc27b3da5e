// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Compiled } from '../control/compile/compile.ts';
import type { Names } from '../control/compile/names.ts';
import type { WorldInput } from '../core/policy/world.ts';
import type { Resource } from '../core/resources/kinds.ts';
import type { ServiceSet } from '../core/service/service.ts';
import type { PersistentMap } from '../lib/persistent-map.ts';
import type { DesiredState, DesiredWorkload } from '../core/state/desired.ts';
import { LocalAttachments } from '../core/workload/local-attachments.ts';
import type { Datapath } from '../datapath/datapath.ts';
import type { NotCaptured } from '../datapath/enrolment.ts';
import { NameStore } from '../datapath/name-store.ts';
import type { Native } from '../datapath/native.ts';
import { AddressWatch, type Seen } from './addresses.ts';
import { Compilation, type WorldInTerms } from './compilation.ts';
import { RepeatFilter, warnRepeated } from './log.ts';
import { inlineOffText, wantsInline } from './inline-state.ts';
import { firstRuleText } from './names-view.ts';
import { type NetnsPlace, placeOf, type ProxyPush, proxyPushOf } from './proxy-config.ts';
import type { Settings } from './settings.ts';
import { Sweeps } from './sweeps.ts';

export interface ReconcilerOptions {
  readonly native: Native;
  readonly datapath: Datapath;
  readonly names: Names;
  readonly settings: Settings;
  readonly log: Logger;
  /** Tells the proxy; resolves once the configuration is in force there, or it did not take it. */
  readonly pushConfig: (push: ProxyPush) => Promise<unknown>;
  /** What the first state in force waits for. */
  readonly awaitProxy: () => Promise<void>;
  /** Root of the governed cgroups. */
  readonly cgroupRoot: string;
  /** Of this node as of now, text. */
  readonly hostAddresses: () => readonly string[];
  readonly onApplied: (applied: Applied) => void;
  /** Now and then, while open connections are as the state in force wants them. */
  readonly onSettled: () => void;
}

/** What is in force. */
export interface Applied extends WorldInTerms {
  readonly revision: number;
  readonly notCaptured: readonly NotCaptured[];
  readonly at: Date;
  readonly durationMs: number;
}

/** What is around the workloads. */
export interface Surroundings extends Pick<WorldInput, 'otherNodeAddresses' | 'apiServerAddresses'> {
  /** Absent: addresses of Services are resolved by somebody else. */
  readonly services?: ServiceSet;
}

/** How long the kernel's maps wait for the proxy to take its part first, ms. */
const PUSH_MS = 250;
/** After a failure the next attempt comes no sooner, ms. */
const RETRY_MS = 1000;
/** Between two looks for entries whose sockets are gone, ms. */
const TIDY_MS = 30_000;

/** From resources to the kernel: the one path for a start, a change, and a namespace that came or went. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #resources: PersistentMap<Resource> | undefined;
  #surroundings: Surroundings = {};
  #seen: Seen = { nodeAddresses: [], addresses: new Map(), fingerprint: '' };
  #applied: Applied | undefined;
  #push: ProxyPush | undefined;
  readonly #attachments = new LocalAttachments();
  readonly #watch: AddressWatch;
  readonly #compilation: Compilation;
  readonly #names: NameStore;
  readonly #repeats = new RepeatFilter();
  /** Why the last attempt failed; undefined after a success. */
  #failure: Error | undefined;
  #failedAt = 0;
  readonly #sweeps: Sweeps;
  #tidyAt = 0;
  /** What was said last of HTTP policy that goes to the proxy. */
  #inlineOff: string | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  /** Told of every attempt: the time that it took, ms; undefined: it failed. */
  onAttempt: (durationMs: number | undefined) => void = () => undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#watch = new AddressWatch(options.native, options.cgroupRoot, options.hostAddresses);
    this.#compilation = new Compilation(options.names);
    this.#names = new NameStore(options.datapath.maps);
    this.#sweeps = new Sweeps({ ...options, onFailed: () => this.onAttempt(undefined) });
  }

  /** Why the desired state is not in force; it is tried again. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Why open connections that the state in force forbids may still be open; it is tried again. */
  get sweepFailure(): Error | undefined {
    return this.#sweeps.failure;
  }

  get applied(): Applied | undefined {
    return this.#applied;
  }

  /** The configuration that the proxy should have. */
  get push(): ProxyPush | undefined {
    return this.#push;
  }

  /** Takes a new set of resources, by `resourceKey`. Resolves when it, or a later one, is in force. */
  async take(resources: PersistentMap<Resource>, surroundings: Surroundings = {}): Promise<void> {
    this.#resources = resources;
    this.#surroundings = surroundings;
    await this.run();
  }

  /** Looks whether namespaces came, went or changed their addresses, or the node did, and tries again what failed. */
  async refresh(): Promise<void> {
    if (this.#applied !== undefined) this.#lookAfter();
    if (this.#failure !== undefined) {
      if (performance.now() - this.#failedAt >= RETRY_MS) await this.run();
      return;
    }
    if (this.#applied === undefined) return;
    const seen = this.#watch.lookAgain();
    if (seen.fingerprint !== this.#seen.fingerprint || this.#options.datapath.hasEmptied()) await this.run();
    else this.#audit();
  }

  /** One at a time; what arrives meanwhile is done in one more round. */
  async run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** Before the datapath is let go of: what is in force is owed to open connections, too. */
  async end(): Promise<void> {
    await this.#running;
    if (this.#applied !== undefined) this.#sweeps.look(false);
  }

  async #loop(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      if (this.#resources === undefined) continue;
      try {
        await this.#reconcile(this.#resources);
        this.#failure = undefined;
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  async #reconcile(resources: PersistentMap<Resource>): Promise<void> {
    const { datapath, names, log } = this.#options;
    const started = performance.now();
    this.#seen = this.#watch.look(this.#attachments.take(resources));
    const { addresses, nodeAddresses } = this.#seen;
    const around = { ...this.#surroundings, addresses, nodeAddresses };
    const { world, compiled } = this.#compilation.of({ resources, ...around }, around.services);
    const notCaptured = datapath.capture(compiled.desired.workloads);
    this.#names.write(names);
    const revision = (this.#applied?.revision ?? 0) + 1;
    const push = this.#proxyPush(revision, compiled);
    // Not for its number alone.
    if (push.config.digest !== this.#push?.config.digest) {
      this.#push = push;
      // Answers before those who ask; but a proxy that hangs must not hold up what the kernel alone refuses.
      await Promise.race([this.#options.pushConfig(push), sleep(PUSH_MS)]);
    }
    if (this.#applied === undefined) await this.#options.awaitProxy();
    const report = datapath.apply(compiled.desired);
    this.#sayInline(compiled.desired);
    // What an agent that died, or an attempt that failed, left undone can't be told from the maps.
    const isSure = this.#failure === undefined && this.#applied !== undefined;
    // A walk takes tens of milliseconds, which changes that are on their way should not wait for with every pod.
    if (!isSure || report.rowsChanged || report.backendsGone) this.#sweeps.first();
    else if (report.addressesChanged) this.#sweeps.owe();
    const durationMs = performance.now() - started;
    this.#applied = { revision, world, compiled, notCaptured, at: new Date(), durationMs };
    this.#options.onApplied(this.#applied);
    this.onAttempt(durationMs);
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
    for (const { workload, error, kept } of notCaptured) {
      const message = kept
        ? 'the path of the workload is gone; the processes in its namespace stay governed'
        : 'workload is not captured: its traffic is not governed';
      warnRepeated(log, this.#repeats, `${workload.key}: ${error.message}`, message);
    }
    for (const { rules, undecidable, auditUndecidable } of compiled.proxy.automata) {
      const why = undecidable ?? auditUndecidable;
      if (why === undefined) continue;
      const message = 'rules fit no table: the proxy evaluates them one by one, request by request';
      warnRepeated(log, this.#repeats, `${firstRuleText(names, rules)}: ${why}`, message);
    }
  }

  /** Falling back to the proxy is no fault of policy, but costs what the kernel would save. */
  #sayInline(desired: DesiredState): void {
    const { datapath, log } = this.#options;
    const off = wantsInline(desired) ? datapath.inline.off : undefined;
    if (off?.message === this.#inlineOff) return;
    this.#inlineOff = off?.message;
    if (off === undefined) log.info('HTTP policy is decided in the kernel where it can be');
    else if (off.reason === 'Setting') log.info({ reason: off.reason }, inlineOffText(off));
    else log.warn({ reason: off.reason }, inlineOffText(off));
  }

  #proxyPush(revision: number, compiled: Compiled): ProxyPush {
    const { datapath, settings, native } = this.#options;
    const selfFd = native.netns.selfFd();
    const self = { path: '/proc/self/ns/net', cookie: native.netns.cookie(selfFd) };
    native.sockets.close(selfFd);
    const enrolled = Map.groupBy(datapath.enrolled, (entry) => entry.workload.id);
    const netnsOf = (workload: DesiredWorkload): readonly NetnsPlace[] => {
      if (workload.attachment === 'cgroup') return [self];
      return (enrolled.get(workload.id) ?? []).map(placeOf);
    };
    const { limits, requestFlows } = settings;
    return proxyPushOf({
      revision,
      mapsRoot: datapath.layout.maps,
      compiled,
      limits,
      requestFlows,
      netnsOf,
    });
  }

  #audit(): void {
    const { datapath, log } = this.#options;
    try {
      const report = datapath.audit();
      if (report === undefined) return;
      const { upserted, removed, rowsChanged, addressesChanged, backendsGone } = report;
      if (!rowsChanged && !addressesChanged && !backendsGone) return;
      log.warn({ upserted, removed }, 'the kernel held other entries than were written: put right');
      this.#sweeps.first();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#failedAt = performance.now();
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.onAttempt(undefined);
    const { log } = this.#options;
    warnRepeated(log, this.#repeats, 'reconcile', 'reconcile failed and will be tried again', error);
  }

  /** What a change, or a process that was killed, leaves to be done later. */
  #lookAfter(): void {
    const { datapath, log, onSettled } = this.#options;
    const isInForce = this.#failure === undefined;
    if (this.#sweeps.look(isInForce)) onSettled();
    try {
      datapath.inline.sweepLost();
      const failure = datapath.inline.takeFailure();
      if (failure !== undefined)
        warnRepeated(log, this.#repeats, 'answer', 'a refused client got no answer', failure);
      if (isInForce) this.#tidy();
    } catch (error) {
      warnRepeated(log, this.#repeats, 'tidy', 'could not look after what others left; tried again', error);
    }
  }

  #tidy(): void {
    if (performance.now() < this.#tidyAt) return;
    this.#tidyAt = performance.now() + TIDY_MS;
    const { datapath, log } = this.#options;
    const removed = datapath.removeStale();
    if (removed > 0) log.info({ removed }, 'removed entries whose sockets are gone');
    const desired = this.#applied?.compiled.desired;
    if (desired !== undefined) datapath.requestCounts.remove(desired);
  }
}
