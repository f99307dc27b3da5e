// SPDX-License-Identifier: Apache-2.0
import { closeSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Native } from './native.ts';
import { podsOfCgroups } from './pod-cgroups.ts';

/** A pod's network namespace, held so that its inode can't become another's. */
interface Held {
  readonly pid: number;
  readonly fd: number;
  readonly inode: bigint;
  readonly cookie: bigint;
}

/** Where a pod's network namespace is. */
export interface PodNamespace {
  readonly path: string;
  readonly cookie: bigint;
}

/**
 * Finds the network namespaces of pods by the cgroups of their processes. A path that it gave out leads to the pod's
 * namespace for as long as `find` gives it out again: process numbers are used again, a held inode is not.
 */
export class PodNamespaces {
  readonly #native: Pick<Native, 'netns'>;
  readonly #proc: string;
  /** Folders of pods in cgroup2, as far as they were told. */
  readonly #folders = new Map<string, string>();
  #held = new Map<string, Held>();

  constructor(native: Pick<Native, 'netns'>, proc = '/proc') {
    this.#native = native;
    this.#proc = proc;
  }

  /** By pod; absent: it has no process with a namespace of its own (yet, or any more). */
  get places(): ReadonlyMap<string, PodNamespace> {
    const place = ({ pid, cookie }: Held): PodNamespace => ({ path: this.#pathOf(pid), cookie });
    return new Map([...this.#held].map(([uid, held]) => [uid, place(held)]));
  }

  /** Looks whether pods are where they were, and for those that are not among all processes. */
  find(pods: ReadonlySet<string>): ReadonlyMap<string, PodNamespace> {
    for (const [uid, held] of this.#held) {
      if (pods.has(uid) && this.#inodeOf(held.pid) === held.inode) continue;
      closeSync(held.fd);
      this.#held.delete(uid);
    }
    for (const [uid, folder] of this.#folders) if (!existsSync(folder)) this.#folders.delete(uid);
    const missing = this.#missing(pods);
    if (missing.size > 0) this.#search(missing, readdirSync(this.#proc));
    return this.places;
  }

  /** Where processes of a pod will come, to be looked for by `findTold`. */
  tell(uid: string, folder: string): void {
    if (!this.#held.has(uid)) this.#folders.set(uid, folder);
  }

  /**
   * Looks for pods that were told of, which takes some 0.1 ms for each instead of a look at every process.
   * @returns how many were found, and how many were not
   */
  findTold(pods: ReadonlySet<string>): { readonly found: number; readonly waiting: number } {
    const told = [...this.#missing(pods)].filter((uid) => this.#folders.has(uid));
    for (const uid of told) this.#search(new Set([uid]), this.#processesBelow(this.#folders.get(uid) ?? ''));
    const waiting = told.filter((uid) => !this.#held.has(uid)).length;
    return { found: told.length - waiting, waiting };
  }

  #missing(pods: ReadonlySet<string>): Set<string> {
    return new Set([...pods].filter((uid) => !this.#held.has(uid)));
  }

  /** In the folders of its containers. */
  #processesBelow(folder: string): string[] {
    const read = (name: string): string[] => {
      try {
        return readFileSync(join(folder, name, 'cgroup.procs'), 'utf8').split('\n');
      } catch {
        return []; // no folder, or gone meanwhile
      }
    };
    try {
      return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? read(entry.name) : [],
      );
    } catch {
      return [];
    }
  }

  close(): void {
    for (const { fd } of this.#held.values()) closeSync(fd);
    this.#held = new Map();
  }

  /** A pod's oldest process is the one that holds its namespaces; later ones may have made others of their own. */
  #search(missing: ReadonlySet<string>, processes: readonly string[]): void {
    const own = this.#inodeOf('self');
    const oldest = new Map<string, { readonly pid: number; readonly started: bigint }>();
    for (const name of processes) {
      if (!/^\d+$/.test(name)) continue;
      const uid = this.#podOf(name, missing);
      if (uid === undefined) continue;
      // What is about to become a container is in the pod's cgroup before it is in the pod's namespace.
      const inode = this.#inodeOf(name);
      const started = this.#startOf(name);
      if (inode === undefined || inode === own || started === undefined) continue;
      const known = oldest.get(uid);
      if (known === undefined || started < known.started) oldest.set(uid, { pid: Number(name), started });
    }
    for (const [uid, { pid }] of oldest) this.#hold(uid, pid, own);
  }

  /** Of those looked for. */
  #podOf(pid: string, missing: ReadonlySet<string>): string | undefined {
    const uids = podsOfCgroups(this.#read(`${pid}/cgroup`) ?? '');
    return [...uids].find((uid) => missing.has(uid));
  }

  /** The process may have ended meanwhile, and its number be another's. */
  #hold(uid: string, pid: number, own: bigint | undefined): void {
    let fd: number;
    try {
      fd = this.#native.netns.open(this.#pathOf(pid));
    } catch {
      return;
    }
    const inode = this.#native.netns.inode(fd);
    const isPods = podsOfCgroups(this.#read(`${String(pid)}/cgroup`) ?? '').has(uid);
    if (isPods && inode !== own && this.#inodeOf(pid) === inode) {
      this.#held.set(uid, { pid, fd, inode, cookie: this.#native.netns.cookie(fd) });
      this.#folders.delete(uid);
    } else closeSync(fd);
  }

  #pathOf(pid: number | string): string {
    return `${this.#proc}/${String(pid)}/ns/net`;
  }

  #inodeOf(pid: number | string): bigint | undefined {
    try {
      return statSync(this.#pathOf(pid), { bigint: true }).ino;
    } catch {
      return undefined; // ended meanwhile
    }
  }

  /** In ticks since the boot. */
  #startOf(pid: string): bigint | undefined {
    const text = this.#read(`${pid}/stat`);
    const started = text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
    return started === undefined ? undefined : BigInt(started);
  }

  #read(path: string): string | undefined {
    try {
      return readFileSync(`${this.#proc}/${path}`, 'utf8');
    } catch {
      return undefined; // ended meanwhile
    }
  }
}
