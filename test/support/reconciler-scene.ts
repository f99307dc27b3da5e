// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { Reconciler } from '../../src/agent/reconciler.ts';
import type { ProxyPush } from '../../src/agent/proxy-config.ts';
import type { Settings } from '../../src/agent/settings.ts';
import { Names } from '../../src/control/compile/names.ts';
import { type Resource, resourceMap } from '../../src/core/resources/kinds.ts';
import type { Datapath } from '../../src/datapath/datapath.ts';
import type { Native } from '../../src/datapath/native.ts';
import type { ReconcileReport } from '../../src/datapath/reconcile.ts';
import type { SweepReport, SweepRound } from '../../src/datapath/sweep.ts';
import type { PersistentMap } from '../../src/lib/persistent-map.ts';

const nothing = (): undefined => undefined;

/** So many workloads of other nodes, and one of this node with a label. */
export function remotes(count: number, label = ''): PersistentMap<Resource> {
  const of = (name: string, spec: object, labels = {}): unknown => ({
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'Workload',
    metadata: { namespace: 'shop', name, labels },
    spec: { serviceAccount: 'default', ports: [], probes: [], ...spec },
  });
  const far = Array.from({ length: count }, (_, index) => {
    return of(`far${String(index)}`, { addresses: [`10.0.0.${String(index + 1)}`] });
  });
  const near = of('near', { cgroup: 'near', addresses: ['10.9.0.1'] }, { label });
  return resourceMap([near, ...far] as Resource[]);
}

/** A reconciler over a kernel that only tells what it was asked for. */
export class ReconcilerScene {
  readonly sweeps: SweepRound[] = [];
  settled = 0;
  report: Partial<ReconcileReport> = { addressesChanged: true };
  applyError: Error | undefined;
  sweepError: Error | undefined;
  lookedForLost = 0;
  nodeAddresses: readonly string[] = ['10.2.0.1'];
  pushConfig: (push: ProxyPush) => Promise<unknown> = () => Promise.resolve();
  readonly reconciler: Reconciler;

  constructor(numbers = new Names({ seed: [], next: 0 })) {
    const names = { dump: () => ({ keys: Buffer.alloc(0), values: Buffer.alloc(0), count: 0 }) };
    const datapath = {
      ...{ capture: () => [], enrolled: [], layout: { maps: '/nowhere' }, hasEmptied: () => false },
      ...{ audit: nothing, removeStale: () => 0, requestCounts: { remove: nothing } },
      maps: { names: { ...names, info: { keySize: 4 }, entrySize: 16, update: nothing, delete: nothing } },
      inline: { off: undefined, sweepLost: () => (this.lookedForLost += 1), takeFailure: nothing },
      apply: () => this.#apply(),
      sweep: (round: SweepRound) => this.#sweep(round),
    };
    const native = {
      netns: { selfFd: () => 3, cookie: () => 1n },
      cgroup: { id: () => 5n },
      sockets: { close: nothing },
    };
    this.reconciler = new Reconciler({
      native: native as unknown as Native,
      datapath: datapath as unknown as Datapath,
      names: numbers,
      settings: { limits: {}, requestFlows: 'all' } as Settings,
      log: pino({ enabled: false }),
      pushConfig: (push) => this.pushConfig(push),
      awaitProxy: () => Promise.resolve(),
      cgroupRoot: '/',
      hostAddresses: () => this.nodeAddresses,
      onApplied: nothing,
      onSettled: () => (this.settled += 1),
    });
  }

  #apply(): ReconcileReport {
    if (this.applyError !== undefined) throw this.applyError;
    const report = {
      upserted: 1,
      removed: 0,
      rowsChanged: false,
      addressesChanged: false,
      backendsGone: false,
    };
    return { ...report, ...this.report };
  }

  #sweep(round: SweepRound): SweepReport {
    this.sweeps.push(round);
    if (this.sweepError !== undefined) throw this.sweepError;
    return { closed: 0, failed: [] };
  }
}
