// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { stopBoost } from './boost/boost-path.ts';
import type { Native } from './native.ts';

export interface CleanupReport {
  /** Links that were attached and are not any more. */
  readonly detached: number;
  /** Pins that were removed. */
  readonly removed: number;
}

/**
 * Takes everything of Perigee off this host, of any layout version: hooks first, so that nothing is refused
 * for want of a map that has gone. Runs without an agent, any number of times.
 */
export function removeDatapath(native: Native, root: string): CleanupReport {
  if (!existsSync(root)) return { detached: 0, removed: 0 };
  const versions = readdirSync(root).map((name) => join(root, name));
  for (const version of versions) stopBoost(native, version);
  let detached = 0;
  for (const version of versions) detached += detachAll(native, join(version, 'links'));
  const removed = removeTree(root);
  return { detached, removed };
}

/** What refuses goes first. */
function detachAll(native: Native, folder: string): number {
  if (!existsSync(folder)) return 0;
  const names = readdirSync(folder).sort((a, b) => rank(a) - rank(b));
  for (const name of names) {
    const link = native.BpfLink.openPinned(join(folder, name));
    link.detach();
    link.close();
    rmSync(join(folder, name));
  }
  return names.length;
}

function rank(name: string): number {
  return name.startsWith('connect') || name.startsWith('lookup') ? 0 : 1;
}

/** bpffs has no recursive removal in one call; nothing in it is a link to elsewhere. */
function removeTree(folder: string): number {
  let removed = 0;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) {
      removed += removeTree(path);
    } else {
      rmSync(path);
      removed += 1;
    }
  }
  rmdirSync(folder);
  return removed;
}
