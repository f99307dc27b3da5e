// SPDX-License-Identifier: Apache-2.0
import { LAYOUT_VERSION } from '../state/layout-version.ts';

/**
 * Name of the proxy's control socket in the run folder. Agent and proxy meet in the kernel's maps, so they find each
 * other by the version of those: one of another version serves its own agent until that one has gone.
 */
export const controlSocketName = `proxy-v${String(LAYOUT_VERSION)}.sock`;

/** Beside a control socket: the last configuration that its proxy accepted. */
export function stateFileName(controlSocket = controlSocketName): string {
  return controlSocket.replace('proxy', 'proxy-config').replace(/sock$/, 'json');
}

/** The folder of the tables that a saved configuration names, each under its digest. */
export const stateTables = (stateFile: string): string => `${stateFile}.tables`;
