// SPDX-License-Identifier: Apache-2.0
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { controlSocketName, stateFileName, stateTables } from '../core/proxy/places.ts';
import { otherVersions, removeOtherVersions } from '../datapath/cleanup.ts';
import type { Datapath } from '../datapath/datapath.ts';
import type { Native } from '../datapath/native.ts';
import { RepeatFilter, warnRepeated } from './log.ts';
import { ProxyClient } from './proxy-client.ts';
import type { ProxySupervisor } from './proxy-supervisor.ts';
import type { Settings } from './settings.ts';

/** How long another layout governs on while a proxy of this one is awaited, ms: a rollout brings both in any order. */
const AWAIT_MS = 30_000;
const LOOK_MS = 50;

export interface SuccessionOptions {
  readonly native: Native;
  readonly datapath: Datapath;
  readonly settings: Settings;
  readonly log: Logger;
  readonly supervisor: Pick<ProxySupervisor, 'isCurrent'>;
  readonly signal: AbortSignal;
}

/**
 * Follows an agent of another layout version, newer or older: what that one left governs until the first state of this
 * one does, for new connections and for those that are open, and is taken off then. In between both must allow.
 */
export class Succession {
  readonly #options: SuccessionOptions;
  readonly #repeats = new RepeatFilter();
  #isOver = false;

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  /** Resolves when connections may be steered to a proxy of this layout, or none has come for long enough. */
  async awaitProxy(): Promise<void> {
    const { datapath, settings, log, supervisor, signal } = this.#options;
    if (settings.proxy === 'off' || otherVersions(datapath.layout).length === 0) return;
    const until = performance.now() + AWAIT_MS;
    while (supervisor.isCurrent !== true && !signal.aborted) {
      if (performance.now() > until) {
        log.warn('no proxy of this version has come: what needs it is refused until one does');
        return;
      }
      await sleep(LOOK_MS);
    }
  }

  /** Call again and again while a state is in force and what it forbids of open connections has been closed. */
  finish(): void {
    if (this.#isOver) return;
    const { native, datapath, settings, log } = this.#options;
    try {
      const { detached, removed } = removeOtherVersions(native, datapath.layout);
      if (removed > 0) log.info({ detached, removed }, 'took over from another version of the layout');
    } catch (error) {
      const message = "what another version of the layout left can't be taken off; tried again";
      warnRepeated(log, this.#repeats, 'succession', message, error);
      return;
    }
    void dismissProxies(settings, (name) => name !== controlSocketName);
    this.#isOver = true;
  }
}

/** Has proxies end once what they carry has, and removes their files. Whether one was told. */
export async function dismissProxies(
  { runDirectory }: Settings,
  isMeant: (controlSocket: string) => boolean,
): Promise<boolean> {
  const isSocket = (name: string): boolean => /^proxy(-v\d+)?\.sock$/.test(name);
  let told = false;
  for (const name of namesIn(runDirectory).filter((one) => isSocket(one) && isMeant(one))) {
    const path = join(runDirectory, name);
    const state = join(runDirectory, stateFileName(name));
    told = (await drained(path)) || told;
    for (const file of [path, state, stateTables(state)]) rmSync(file, { force: true, recursive: true });
  }
  return told;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // there is none
  }
}

async function drained(socket: string): Promise<boolean> {
  try {
    await new ProxyClient(socket).drain();
    return true;
  } catch {
    return false; // it has ended
  }
}
