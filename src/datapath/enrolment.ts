// SPDX-License-Identifier: Apache-2.0
import { closeSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { workload as workloadEntry, workloadKey, workloadKind } from '../core/abi/workload.ts';
import type { DesiredWorkload } from '../core/state/desired.ts';
import { PerigeeError } from '../lib/errors.ts';
import { lookupLink } from './layout.ts';
import type { LoaderOptions } from './loader.ts';
import type { Maps } from './maps.ts';
import { namespacesOf, processIn } from './processes.ts';

/** A workload whose namespace or cgroup is there. */
export interface Enrolled {
  readonly workload: DesiredWorkload;
  readonly kernelId: bigint;
  /** -1 for a cgroup. */
  readonly netnsFd: number;
  /** The workload's path leads elsewhere, or nowhere, but processes live in this namespace. */
  readonly left: boolean;
}

/** A workload that can't be captured, and why. */
export interface NotCaptured {
  readonly workload: DesiredWorkload;
  readonly error: PerigeeError;
  /** Its path is gone, but processes live in its namespace: they stay governed. */
  readonly kept: boolean;
}

/** Which namespaces and cgroups are governed, with a descriptor of each namespace. */
export class Enrolment {
  readonly #options: LoaderOptions;
  readonly #maps: Maps;
  #entries: readonly Enrolled[] = [];

  constructor(options: LoaderOptions, maps: Maps) {
    this.#options = options;
    this.#maps = maps;
  }

  get entries(): readonly Enrolled[] {
    return this.#entries;
  }

  /** Those with a namespace of their own. */
  get namespaces(): readonly Enrolled[] {
    return this.#entries.filter((entry) => entry.netnsFd !== -1);
  }

  /**
   * Finds the namespaces and cgroups of the workloads. A namespace that was governed and that no path leads to any
   * more stays so for as long as processes live in it, also when its name leads to another one by now.
   */
  capture(workloads: readonly DesiredWorkload[]): readonly NotCaptured[] {
    const next: Enrolled[] = [];
    const failures: { readonly workload: DesiredWorkload; readonly error: PerigeeError }[] = [];
    for (const workload of workloads) {
      try {
        next.push(this.#open(workload));
      } catch (error) {
        if (!(error instanceof PerigeeError)) throw error;
        failures.push({ workload, error });
      }
    }
    const left = this.#leftBehind(next, workloads);
    const used = new Set(left.map(({ netnsFd }) => netnsFd));
    for (const { netnsFd } of this.namespaces) if (!used.has(netnsFd)) closeSync(netnsFd);
    // A workload's own namespace comes last: what is kept by workload takes that one.
    this.#entries = [...left, ...next];
    return failures.map(({ workload, error }) => {
      return { workload, error, kept: left.some((entry) => entry.workload.id === workload.id) };
    });
  }

  /** Whether a namespace that was left behind is empty by now. */
  hasEmptied(): boolean {
    const { netns } = this.#options.native;
    return this.#entries.some(({ left, netnsFd }) => left && processIn(netns.inode(netnsFd)) === undefined);
  }

  /** Cookies of the namespaces whose hook is attached, also by an earlier agent. */
  lookups(): bigint[] {
    const names = readdirSync(this.#options.layout.links);
    const cookies = names.map((name) => /^lookup-(\d+)$/.exec(name)?.[1]);
    return cookies.filter((cookie) => cookie !== undefined).map(BigInt);
  }

  /**
   * Calls with the namespaces that hold governed sockets: the workloads' own, and those that the processes of
   * enrolled cgroups are in.
   */
  withNamespaces<T>(action: (netnsFds: readonly number[]) => T): T {
    const { netns } = this.#options.native;
    const own = this.namespaces.map(({ netnsFd }) => netnsFd);
    const opened: number[] = [];
    try {
      for (const fd of this.#openOfCgroups(new Set(own.map((fd) => netns.inode(fd))))) opened.push(fd);
      return action([...own, ...opened]);
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }

  /** The same one by one, for whoever lets others work in between: namespaces that have gone by then are left out. */
  *eachNamespace(): Generator<number, void> {
    const { netns } = this.#options.native;
    const inodes = new Set<bigint>();
    for (const { kernelId } of this.namespaces) {
      const own = this.namespaces.find((entry) => entry.kernelId === kernelId);
      if (own === undefined) continue;
      inodes.add(netns.inode(own.netnsFd));
      yield own.netnsFd;
    }
    for (const fd of this.#openOfCgroups(inodes)) {
      try {
        yield fd;
      } finally {
        closeSync(fd);
      }
    }
  }

  close(): void {
    for (const { netnsFd } of this.namespaces) closeSync(netnsFd);
    this.#entries = [];
  }

  #open(workload: DesiredWorkload): Enrolled {
    const { native, cgroup } = this.#options;
    if (workload.attachment === 'cgroup') {
      const kernelId = native.cgroup.id(join(cgroup, workload.path));
      return { workload, kernelId, netnsFd: -1, left: false };
    }
    const netnsFd = native.netns.open(workload.path);
    return { workload, kernelId: native.netns.cookie(netnsFd), netnsFd, left: false };
  }

  /** The kernel knows them by their hooks, whichever agent enrolled them. */
  #leftBehind(captured: readonly Enrolled[], workloads: readonly DesiredWorkload[]): Enrolled[] {
    const present = new Set(captured.map(({ kernelId }) => kernelId));
    const byId = new Map(workloads.map((workload) => [workload.id, workload]));
    const left: Enrolled[] = [];
    for (const cookie of this.lookups()) {
      const workload = present.has(cookie) ? undefined : byId.get(this.#workloadIn(cookie));
      const netnsFd = workload === undefined ? undefined : this.#openLeft(cookie);
      if (workload === undefined || netnsFd === undefined) continue;
      left.push({ workload, kernelId: cookie, netnsFd, left: true });
    }
    return left;
  }

  #workloadIn(cookie: bigint): number {
    const key = workloadKey.encode({ id: cookie, kind: workloadKind.netns });
    const value = this.#maps.workloads.lookup(key);
    return value === undefined ? 0 : workloadEntry.decode(value).id;
  }

  /** Undefined: no process lives in it. */
  #openLeft(cookie: bigint): number | undefined {
    const { native, layout } = this.#options;
    const earlier = this.namespaces.find(({ kernelId }) => kernelId === cookie);
    if (earlier !== undefined)
      return processIn(native.netns.inode(earlier.netnsFd)) === undefined ? undefined : earlier.netnsFd;
    using link = native.BpfLink.openPinned(lookupLink(layout, cookie));
    const inode = link.info().netnsIno ?? 0;
    const pid = inode === 0 ? undefined : processIn(BigInt(inode));
    const fd = pid === undefined ? undefined : this.#openOf(pid);
    if (fd === undefined || native.netns.cookie(fd) === cookie) return fd;
    closeSync(fd);
    return undefined;
  }

  /** Opens the namespaces that processes of enrolled cgroups are in, but for those that are known. */
  *#openOfCgroups(inodes: Set<bigint>): Generator<number, void> {
    for (const { workload } of this.#entries.filter(({ netnsFd }) => netnsFd === -1)) {
      for (const [inode, pid] of namespacesOf(join(this.#options.cgroup, workload.path))) {
        const fd = inodes.has(inode) ? undefined : this.#openOf(pid);
        if (fd === undefined) continue;
        inodes.add(inode);
        yield fd;
      }
    }
  }

  #openOf(pid: number): number | undefined {
    try {
      return this.#options.native.netns.ofPid(pid);
    } catch {
      return undefined; // ended meanwhile
    }
  }
}
