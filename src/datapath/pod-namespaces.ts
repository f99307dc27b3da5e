// SPDX-License-Identifier: Apache-2.0
import { closeSync, readFileSync, readdirSync, statSync } from 'node:fs';
import type { Native } from './native.ts';

/** A pod's network namespace, held so that its inode can't become another's. */
interface Held {
  readonly pid: number;
  readonly fd: number;
  readonly inode: bigint;
}

/** The kubelet's name of a pod in a cgroup path: `pod…`, by the systemd driver with `_` for `-`; of static pods a digest. */
const POD = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./]|$)/g;

/** The pods that a process's cgroups belong to, by either driver, in whichever hierarchies there are. */
export function podsOfCgroups(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(POD)].map(([, uid = '']) => uid.replaceAll('_', '-')));
}

/**
 * Finds the network namespaces of pods by the cgroups of their processes. A path that it gave out leads to the pod's
 * namespace for as long as `find` gives it out again: process numbers are used again, a held inode is not.
 */
export class PodNamespaces {
  readonly #native: Pick<Native, 'netns'>;
  readonly #proc: string;
  #held = new Map<string, Held>();

  constructor(native: Pick<Native, 'netns'>, proc = '/proc') {
    this.#native = native;
    this.#proc = proc;
  }

  /** @returns paths by pod; absent: it has no process with a namespace of its own (yet, or any more) */
  find(pods: ReadonlySet<string>): ReadonlyMap<string, string> {
    const missing = new Set<string>();
    for (const [uid, held] of this.#held) {
      if (pods.has(uid) && this.#inodeOf(held.pid) === held.inode) continue;
      closeSync(held.fd);
      this.#held.delete(uid);
    }
    for (const uid of pods) if (!this.#held.has(uid)) missing.add(uid);
    if (missing.size > 0) this.#search(missing);
    return new Map([...this.#held].map(([uid, { pid }]) => [uid, this.#pathOf(pid)]));
  }

  close(): void {
    for (const { fd } of this.#held.values()) closeSync(fd);
    this.#held = new Map();
  }

  /** A pod's oldest process is the one that holds its namespaces; later ones may have made others of their own. */
  #search(missing: ReadonlySet<string>): void {
    const own = this.#inodeOf('self');
    const oldest = new Map<string, { readonly pid: number; readonly started: bigint }>();
    for (const name of readdirSync(this.#proc)) {
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
    if (isPods && inode !== own && this.#inodeOf(pid) === inode) this.#held.set(uid, { pid, fd, inode });
    else closeSync(fd);
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
