// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, rmSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { stopBoost } from './boost/boost-path.ts';
import type { PinLayout } from './layout.ts';
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
  const report = removeVersions(native, versionsBelow(root));
  rmdirSync(root);
  return report;
}

/**
 * Takes off what agents of other layout versions left, whose maps nobody keeps current any more. Call once this version
 * enforces: until then theirs do.
 */
export function removeOtherVersions(native: Native, layout: PinLayout): CleanupReport {
  return removeVersions(native, otherVersions(layout));
}

/** Folders of what agents of other layout versions left. */
export function otherVersions({ root, version }: PinLayout): readonly string[] {
  return versionsBelow(root).filter((other) => other !== version);
}

function versionsBelow(root: string): readonly string[] {
  return readdirSync(root).map((name) => join(root, name));
}

function removeVersions(native: Native, versions: readonly string[]): CleanupReport {
  for (const version of versions) stopBoost(native, version);
  let [detached, removed] = [0, 0];
  for (const version of versions) detached += detachAll(native, join(version, 'links'));
  for (const version of versions) removed += removeTree(version);
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
