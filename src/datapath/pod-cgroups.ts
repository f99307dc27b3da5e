// SPDX-License-Identifier: Apache-2.0
import { existsSync, type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

/** The kubelet's name of a pod in a cgroup path: `pod…`, by the systemd driver with `_` for `-`; of static pods a digest. */
const POD = /pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./]|$)/g;

/** The pods that a process's cgroups belong to, by either driver, in whichever hierarchies there are. */
export function podsOfCgroups(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(POD)].map(([, uid = '']) => uid.replaceAll('_', '-')));
}

/** The folder that all pods are below, by either driver and below whatever the kubelet was told: `kubepods`. */
const ALL_PODS = /^(?:.+-)?kubepods(?:\.slice)?$/;
const DEPTH = 3;

/** @param root folder of cgroup2 @returns undefined: the kubelet has not made it, or makes none in cgroup2 */
export function findPodsCgroup(root: string): string | undefined {
  let level = [root];
  for (let depth = 0; depth < DEPTH; depth++) {
    const below = level.flatMap((folder) => foldersIn(folder).map((name) => ({ folder, name })));
    const found = below.find(({ name }) => ALL_PODS.test(name));
    if (found !== undefined) return join(found.folder, found.name);
    level = below.map(({ folder, name }) => join(folder, name));
  }
  return undefined;
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // gone meanwhile
  }
}

/**
 * Watches the folders of pods in cgroup2, so that a pod is looked for at the moment in which its first container gets
 * its folder, before there is a process in it.
 */
export class PodCgroups {
  readonly #onContainer: (uid: string, folder: string) => void;
  readonly #watched = new Map<string, FSWatcher>();

  /** @param onContainer a container of a pod has come, or the pod has one already; `folder` is the pod's */
  constructor(root: string, onContainer: (uid: string, folder: string) => void) {
    this.#onContainer = onContainer;
    this.#watch(root, () => this.#lookForPods(root));
    this.#lookForPods(root);
  }

  close(): void {
    for (const watcher of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  /** Below a folder of pods, or of a class of them. */
  #lookForPods(folder: string): void {
    for (const name of foldersIn(folder)) {
      const path = join(folder, name);
      if (this.#watched.has(path)) continue;
      const [uid] = podsOfCgroups(name);
      const look = (): void => {
        if (uid === undefined) this.#lookForPods(path);
        else if (foldersIn(path).length > 0) this.#onContainer(uid, path);
      };
      this.#watch(path, look);
      // What came before the watch did.
      look();
    }
  }

  #watch(folder: string, look: () => void): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        if (existsSync(folder)) look();
        else this.#forget(folder);
      });
      watcher.on('error', () => this.#forget(folder));
      this.#watched.set(folder, watcher);
    } catch {
      // Gone meanwhile, or no watches are left: pods are looked for all the same, a little later.
    }
  }

  #forget(folder: string): void {
    this.#watched.get(folder)?.close();
    this.#watched.delete(folder);
  }
}
