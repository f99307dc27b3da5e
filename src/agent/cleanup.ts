// SPDX-License-Identifier: Apache-2.0
import { removeDatapath } from '../datapath/cleanup.ts';
import { loadNative } from '../datapath/native.ts';
import type { Settings } from './settings.ts';
import { dismissProxies } from './succession.ts';

export interface CleanupResult {
  readonly detached: number;
  readonly removed: number;
  /** A proxy was running and was told to end. */
  readonly proxyStopped: boolean;
}

/**
 * Takes everything off the host: hooks, maps, proxies and their files. Needs no agent; any number of times.
 * Hooks go first, so nothing new reaches a proxy; what it carries may end within its drain time.
 */
export async function cleanup(settings: Settings): Promise<CleanupResult> {
  const report = removeDatapath(loadNative(), settings.pinRoot);
  return { ...report, proxyStopped: await dismissProxies(settings, () => true) };
}
