// SPDX-License-Identifier: Apache-2.0
import { flowPath } from '../core/abi/flow.ts';
import type { OpenConnection } from '../core/abi/sweep.ts';
import type { DesiredState, DesiredWorkload } from '../core/state/desired.ts';
import { type BoostNamespace, BoostPath } from './boost/boost-path.ts';
import { type Enrolled, Enrolment, type NotCaptured } from './enrolment.ts';
import { InlinePath } from './inline/inline-path.ts';
import { type Hook, type PinLayout, hooks, hooksFor, serves } from './layout.ts';
import {
  type LoadReport,
  type LoadedObjects,
  type LoaderOptions,
  attachHooks,
  attachLookup,
  closeObjects,
  detachHook,
  detachLookup,
  loadHooks,
  loadPrograms,
  programPins,
} from './loader.ts';
import { type Maps, closeMaps, openMaps } from './maps.ts';
import { neededHooks } from './needs.ts';
import { PendingPods } from './pending-pods.ts';
import type { ReconcileReport, ReconcileSteps } from './reconcile.ts';
import { StaleRequestCounts } from './request-counts.ts';
import { removeStale } from './stale.ts';
import { StateWriter } from './state-writer.ts';
import { type SweepReport, type SweepRound, sweepConnections } from './sweep.ts';
import { OpenWalk } from './open-walk.ts';
import { SocketWalk } from './walk.ts';

/** The kernel's side of one node. */
export class Datapath {
  readonly #options: LoaderOptions;
  readonly loaded: LoadReport;
  readonly inline: InlinePath;
  readonly boost: BoostPath;
  readonly maps: Maps;
  readonly requestCounts: StaleRequestCounts;
  readonly pending: PendingPods;
  readonly #enrolment: Enrolment;
  readonly #walk: SocketWalk;
  readonly #openWalk: OpenWalk;
  readonly #writer: StateWriter;
  /** Namespaces whose hook this process has attached or replaced. */
  readonly #lookups = new Set<bigint>();
  /** Hooks on demand that are attached. */
  readonly #onDemand: Set<Hook>;
  /** As applied last, with what went inline. */
  #state: DesiredState | undefined;
  /** Verdicts have changed, or may have, since open inline connections were told to ask again. */
  #owesEpoch = false;
  /** Programs of such hooks that are loaded already, so that attaching them takes no time. */
  #loaded: LoadedObjects = new Map();

  private constructor(options: LoaderOptions, loaded: LoadReport) {
    this.#options = options;
    this.loaded = loaded;
    const there = new Set([...loaded.kept, ...loaded.attached, ...loaded.replaced]);
    this.#onDemand = new Set(hooks.filter(({ needs, program }) => needs !== undefined && there.has(program)));
    this.maps = openMaps(options.native.BpfMap, options.layout);
    this.requestCounts = new StaleRequestCounts(this.maps);
    this.pending = new PendingPods(options.native, this.maps);
    this.#writer = new StateWriter(this.maps);
    this.#enrolment = new Enrolment(options, this.maps);
    this.#walk = SocketWalk.load(options);
    this.#openWalk = OpenWalk.load(options);
    const { native, layout } = options;
    const inlineHooks = hooksFor('inline');
    const load = (): void => this.#prepare(inlineHooks);
    const attach = (): void => this.#attach(inlineHooks);
    const netnsFd = (cookie: bigint): number | undefined =>
      this.#enrolment.namespaces.find(({ kernelId }) => kernelId === cookie)?.netnsFd;
    this.inline = new InlinePath(
      { native, layout, maps: this.maps, load, attach, netnsFd },
      options.inlineOff,
    );
    const namespaces = (): BoostNamespace[] =>
      this.#enrolment.namespaces.map(({ netnsFd, workload: { id, boost } }) => ({
        netnsFd,
        workload: id,
        boost,
      }));
    this.boost = new BoostPath({ ...options, maps: this.maps, namespaces }, options.boostOff);
  }

  /** Loads the hooks, or takes over those of an earlier agent: as they are where they are of this build. */
  static load(asked: LoaderOptions): Datapath {
    const options = { ...asked, programs: programPins(asked) };
    return new Datapath(options, loadHooks(options));
  }

  get layout(): PinLayout {
    return this.#options.layout;
  }

  /** What is captured now. */
  get enrolled(): readonly Enrolled[] {
    return this.#enrolment.entries;
  }

  /** The first step of a change: finds what is to be governed, and changes nothing in the kernel. */
  capture(workloads: readonly DesiredWorkload[]): readonly NotCaptured[] {
    return this.#enrolment.capture(workloads);
  }

  /** Whether a namespace that was governed for the processes left in it is empty by now. */
  hasEmptied(): boolean {
    return this.#enrolment.hasEmptied();
  }

  /** Closes connections that the policy in force forbids. Call after `apply`. */
  sweep(round: SweepRound): SweepReport {
    const { native } = this.#options;
    const report = this.#enrolment.withNamespaces((namespaces) =>
      sweepConnections({ native, walk: this.#walk, namespaces }, round),
    );
    if (round === 'rest') this.#letGo();
    return report;
  }

  #demand(state: DesiredState): ReturnType<typeof neededHooks> {
    return neededHooks(state, { names: this.#options.dnsNames === 'on' });
  }

  /**
   * Readers of requests stay until what they no longer decide has been closed, and what shows the addresses of proxied
   * connections while one is open.
   */
  #letGo(): void {
    if (this.#state === undefined) return;
    this.inline.narrow(this.#state);
    const idle = this.#demand(this.#state).idle.filter((hook) => this.#onDemand.has(hook));
    const proxied =
      idle.some((hook) => serves(hook, 'proxied')) &&
      this.connections().some((connection) => connection.path === flowPath.proxied);
    this.#detach(idle.filter((hook) => !serves(hook, 'proxied') || !proxied));
  }

  /** The governed ends of open connections. */
  connections(): OpenConnection[] {
    return this.#enrolment.withNamespaces((namespaces) =>
      namespaces.flatMap((netnsFd) => [
        ...this.#walk.run('list_tcp', netnsFd),
        ...this.#walk.run('list_udp', netnsFd),
      ]),
    );
  }

  /**
   * Records of the TCP connections that are open and that this node records, struct flow_record: of one namespace after
   * the other, for each of which the kernel goes through all sockets of the node.
   */
  *openFlows(): Generator<Buffer, void> {
    for (const netnsFd of this.#enrolment.eachNamespace()) yield this.#openWalk.run(netnsFd);
  }

  /** Removes entries between two hooks whose socket is gone. */
  removeStale(): number {
    return removeStale(this.maps, this.#walk);
  }

  /**
   * Brings maps and hooks to the desired state. Call after `capture` of the same workloads. What is attached on
   * demand is there before a map asks for it, and goes after.
   */
  apply(desired: DesiredState): ReconcileReport {
    const state = this.inline.place(desired);
    const { entries, namespaces } = this.#enrolment;
    const wanted = new Set(namespaces.map((entry) => entry.kernelId));
    const demand = this.#demand(state);
    this.#attach(demand.wanted);
    const steps = this.#steps(namespaces, wanted);
    const report = this.#changing(() => this.#writer.write(state, kernelIdsOf(entries), steps));
    this.#state = state;
    this.#detach(demand.idle.filter((hook) => serves(hook, 'datagrams')));
    this.#settle(state);
    this.inline.forget(wanted);
    this.boost.settle();
    return report;
  }

  /** Now and then, not while a change waits: whether the kernel still holds what was written. */
  audit(): ReconcileReport | undefined {
    const report = this.#changing(() => this.#writer.audit());
    if (this.#state !== undefined) this.#settle(this.#state);
    return report;
  }

  /** An attempt that fails may have written some of it, and the next finds no difference there. */
  #changing<R extends ReconcileReport | undefined>(write: () => R): R {
    const owed = this.#owesEpoch;
    this.#owesEpoch = true;
    const report = write();
    this.#owesEpoch = owed || report?.rowsChanged === true || report?.addressesChanged === true;
    return report;
  }

  #settle(state: DesiredState): void {
    this.inline.settle(state, this.#owesEpoch);
    this.#owesEpoch = false;
  }

  /** Has what policy may ask for verified before some policy waits for it; no packet meets it yet. */
  prepare(): void {
    this.#prepare([...new Set([...hooksFor('proxied'), ...hooksFor('services')])]);
    this.inline.prepare();
  }

  #prepare(chosen: readonly Hook[]): void {
    if (chosen.every((hook) => this.#onDemand.has(hook))) return;
    this.#loaded = new Map([...this.#loaded, ...loadPrograms(this.#options, chosen)]);
  }

  #attach(wanted: readonly Hook[]): void {
    const fresh = wanted.filter((hook) => !this.#onDemand.has(hook));
    if (fresh.length === 0) return;
    attachHooks(this.#options, fresh, this.#loaded);
    for (const hook of fresh) this.#onDemand.add(hook);
  }

  #detach(idle: readonly Hook[]): void {
    for (const hook of idle) if (this.#onDemand.delete(hook)) detachHook(this.#options, hook);
  }

  #steps(namespaces: readonly Enrolled[], wanted: ReadonlySet<bigint>): ReconcileSteps {
    return {
      enrol: () => {
        for (const { kernelId, netnsFd } of namespaces) {
          if (this.#lookups.has(kernelId)) continue;
          attachLookup(this.#options, netnsFd, kernelId);
          this.#lookups.add(kernelId);
        }
      },
      withdraw: () => {
        // Also those that an earlier agent left.
        for (const cookie of this.#enrolment.lookups()) {
          if (wanted.has(cookie)) continue;
          detachLookup(this.#options, cookie);
          this.#lookups.delete(cookie);
        }
      },
    };
  }

  /** Lets go of the descriptors; what is pinned goes on enforcing. */
  close(): void {
    this.#enrolment.close();
    this.#walk.close();
    this.#openWalk.close();
    this.inline.close();
    this.boost.close();
    closeObjects(this.#loaded);
    closeMaps(this.maps);
  }
}

function kernelIdsOf(entries: readonly Enrolled[]): ReadonlyMap<number, readonly bigint[]> {
  const ids = new Map<number, bigint[]>();
  for (const { workload, kernelId } of entries) {
    const known = ids.get(workload.id);
    if (known === undefined) ids.set(workload.id, [kernelId]);
    else known.push(kernelId);
  }
  return ids;
}
