// SPDX-License-Identifier: Apache-2.0
import { closeSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { PerigeeError } from '../lib/errors.ts';
import type { DesiredState, DesiredWorkload } from '../core/state/desired.ts';
import { type Hook, type PinLayout, hooks } from './layout.ts';
import {
  type LoadReport,
  type LoaderOptions,
  attachHooks,
  attachLookup,
  detachHook,
  detachLookup,
  loadHooks,
} from './loader.ts';
import { type Maps, closeMaps, openMaps } from './maps.ts';
import { neededHooks } from './needs.ts';
import type { ReconcileReport, ReconcileSteps } from './reconcile.ts';
import { StateWriter } from './state-writer.ts';

/** A workload whose namespace or cgroup is there. */
export interface Enrolled {
  readonly workload: DesiredWorkload;
  readonly kernelId: bigint;
  /** -1 for a cgroup. */
  readonly netnsFd: number;
}

/** A workload that can't be captured, and why. */
export interface NotCaptured {
  readonly workload: DesiredWorkload;
  readonly error: PerigeeError;
  /** Its path is gone, but processes live in its namespace: they stay governed. */
  readonly kept: boolean;
}

/** Whether any process is in the network namespace. */
function hasProcesses(inode: bigint): boolean {
  const link = `net:[${String(inode)}]`;
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readlinkSync(`/proc/${name}/ns/net`) === link;
    } catch {
      return false; // ended meanwhile
    }
  });
}

/** The kernel's side of one node. */
export class Datapath {
  readonly #options: LoaderOptions;
  readonly loaded: LoadReport;
  readonly maps: Maps;
  #enrolled = new Map<number, Enrolled>();
  readonly #writer: StateWriter;
  /** Namespaces whose hook this process has attached or replaced. */
  readonly #lookups = new Set<bigint>();
  /** Hooks on demand that are attached. */
  readonly #onDemand: Set<Hook>;

  private constructor(options: LoaderOptions, loaded: LoadReport) {
    this.#options = options;
    this.loaded = loaded;
    const there = new Set([...loaded.attached, ...loaded.replaced]);
    this.#onDemand = new Set(hooks.filter(({ need, program }) => need !== undefined && there.has(program)));
    this.maps = openMaps(options.native.BpfMap, options.layout);
    this.#writer = new StateWriter(this.maps);
  }

  /** Loads the hooks, or replaces those of an earlier agent. */
  static load(options: LoaderOptions): Datapath {
    return new Datapath(options, loadHooks(options));
  }

  get layout(): PinLayout {
    return this.#options.layout;
  }

  /** Workloads that are captured now. */
  get enrolled(): readonly Enrolled[] {
    return [...this.#enrolled.values()];
  }

  /** Cookie of a workload's namespace; undefined while it isn't there. */
  netnsCookie(workload: number): bigint | undefined {
    const entry = this.#enrolled.get(workload);
    return entry === undefined || entry.netnsFd === -1 ? undefined : entry.kernelId;
  }

  /**
   * Finds the namespaces and cgroups of the workloads: a first step that changes nothing in the kernel. One
   * whose path cannot be opened any more stays governed for as long as processes live in it.
   */
  capture(workloads: readonly DesiredWorkload[]): readonly NotCaptured[] {
    const next = new Map<number, Enrolled>();
    const notCaptured: NotCaptured[] = [];
    for (const workload of workloads) {
      try {
        next.set(workload.id, this.#open(workload));
      } catch (error) {
        if (!(error instanceof PerigeeError)) throw error;
        const earlier = this.#enrolled.get(workload.id);
        const kept = earlier !== undefined && this.#inUse(earlier);
        if (kept) next.set(workload.id, { ...earlier, workload });
        notCaptured.push({ workload, error, kept });
      }
    }
    const used = new Set([...next.values()].map((entry) => entry.netnsFd));
    for (const { netnsFd } of this.#enrolled.values()) {
      if (netnsFd !== -1 && !used.has(netnsFd)) closeSync(netnsFd);
    }
    this.#enrolled = next;
    return notCaptured;
  }

  #inUse({ netnsFd }: Enrolled): boolean {
    return netnsFd !== -1 && hasProcesses(this.#options.native.netns.inode(netnsFd));
  }

  #open(workload: DesiredWorkload): Enrolled {
    const { native, cgroup } = this.#options;
    if (workload.attachment === 'cgroup') {
      return { workload, kernelId: native.cgroup.id(join(cgroup, workload.path)), netnsFd: -1 };
    }
    const netnsFd = native.netns.open(workload.path);
    return { workload, kernelId: native.netns.cookie(netnsFd), netnsFd };
  }

  /**
   * Brings maps and hooks to the desired state. Call after `capture` of the same workloads. What is attached on
   * demand is there before a map asks for it, and goes after.
   */
  apply(state: DesiredState): ReconcileReport {
    const kernelIds = new Map([...this.#enrolled].map(([id, entry]) => [id, entry.kernelId]));
    const namespaces = [...this.#enrolled.values()].filter((entry) => entry.netnsFd !== -1);
    const wanted = new Set(namespaces.map((entry) => entry.kernelId));
    const demand = neededHooks(state);
    this.#attach(demand.wanted);
    const report = this.#writer.write(state, kernelIds, this.#steps(namespaces, wanted));
    this.#detach(demand.idle);
    return report;
  }

  #attach(wanted: readonly Hook[]): void {
    const fresh = wanted.filter((hook) => !this.#onDemand.has(hook));
    if (fresh.length === 0) return;
    attachHooks(this.#options, fresh);
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
        for (const cookie of this.#pinnedLookups()) {
          if (wanted.has(cookie)) continue;
          detachLookup(this.#options, cookie);
          this.#lookups.delete(cookie);
        }
      },
    };
  }

  #pinnedLookups(): bigint[] {
    const names = readdirSync(this.#options.layout.links);
    const cookies = names.map((name) => /^lookup-(\d+)$/.exec(name)?.[1]);
    return cookies.filter((cookie) => cookie !== undefined).map(BigInt);
  }

  /** Lets go of the descriptors; what is pinned goes on enforcing. */
  close(): void {
    for (const entry of this.#enrolled.values()) if (entry.netnsFd !== -1) closeSync(entry.netnsFd);
    this.#enrolled.clear();
    closeMaps(this.maps);
  }
}
