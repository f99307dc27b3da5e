// SPDX-License-Identifier: Apache-2.0
import { pendingSettings } from '../core/abi/workload.ts';
import type { Maps } from './maps.ts';
import type { Native } from './native.ts';
import { sumCpus } from './typed-map.ts';

/** What becomes of the traffic of a pod that the agent has not met yet. */
export type PendingMode = 'Refuse' | 'Allow';

const ONLY = Buffer.alloc(4);

/** What the kernel knows of pods that come: where they are made, and which are to be left alone. */
export class PendingPods {
  readonly #native: Pick<Native, 'netns' | 'sockets'>;
  readonly #maps: Pick<Maps, 'pending' | 'exempt' | 'pending_passed'>;

  constructor(
    native: Pick<Native, 'netns' | 'sockets'>,
    maps: Pick<Maps, 'pending' | 'exempt' | 'pending_passed'>,
  ) {
    this.#native = native;
    this.#maps = maps;
  }

  /** From now on. Call when every pod that runs is a workload or exempt. @param podsCgroup id of the folder that all pods are below */
  judge(podsCgroup: bigint, mode: PendingMode): void {
    const { netns, sockets } = this.#native;
    const own = netns.selfFd();
    const value = {
      podsCgroup,
      nodeNetns: netns.cookie(own),
      refuses: mode === 'Refuse' ? 1 : 0,
    };
    sockets.close(own);
    this.#maps.pending.update(ONLY, pendingSettings.encode(value));
  }

  /** Without a cluster nobody is waited for. */
  stop(): void {
    this.#maps.pending.update(ONLY, Buffer.alloc(pendingSettings.size));
  }

  /** Namespaces of pods that are not to be governed. @param keep those that it was before, too */
  exempt(cookies: ReadonlySet<bigint>, keep: boolean): void {
    const map = this.#maps.exempt;
    const { keys, count } = map.dump();
    const there = new Set(Array.from({ length: count }, (_, index) => keys.readBigUInt64LE(index * 8)));
    for (const cookie of cookies) if (!there.has(cookie)) map.update(keyOf(cookie), Buffer.alloc(4));
    if (!keep) for (const cookie of there) if (!cookies.has(cookie)) map.delete(keyOf(cookie));
  }

  /** Connections and datagrams that were let through before their pod was known, since the maps were made. */
  passed(): number {
    return Number(sumCpus(this.#maps.pending_passed.lookup(ONLY) ?? Buffer.alloc(0)));
  }
}

function keyOf(cookie: bigint): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(cookie);
  return key;
}
