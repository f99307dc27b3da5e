// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync } from 'node:fs';
import { stateTables } from '../core/proxy/config.ts';
import { removeDatapath } from '../datapath/cleanup.ts';
import { loadNative } from '../datapath/native.ts';
import { ProxyClient } from './proxy-client.ts';
import { proxySocket, proxyStateFile } from './proxy-supervisor.ts';
import type { Settings } from './settings.ts';

export interface CleanupResult {
  readonly detached: number;
  readonly removed: number;
  /** The proxy was running and was told to end. */
  readonly proxyStopped: boolean;
}

/** Takes everything off the host: hooks, maps, the proxy and its files. Needs no agent; any number of times. */
export async function cleanup(settings: Settings): Promise<CleanupResult> {
  const report = removeDatapath(loadNative(), settings.pinRoot);
  const proxyStopped = await stopProxy(settings);
  const state = proxyStateFile(settings);
  for (const path of [proxySocket(settings), state, stateTables(state)])
    rmSync(path, { force: true, recursive: true });
  return { ...report, proxyStopped };
}

/** Hooks are gone already, so nothing new reaches it; what it carries may end within its drain time. */
async function stopProxy(settings: Settings): Promise<boolean> {
  if (!existsSync(proxySocket(settings))) return false;
  try {
    await new ProxyClient(proxySocket(settings)).drain();
    return true;
  } catch {
    return false;
  }
}
