// SPDX-License-Identifier: Apache-2.0
import type { Compiled } from '../control/compile/compile.ts';
import type { ProxyConfig, ProxyLimits } from '../core/proxy/config.ts';
import type { DesiredAddress, DesiredWorkload } from '../core/state/desired.ts';

export interface ProxyConfigInput {
  readonly revision: number;
  readonly mapsRoot: string;
  readonly compiled: Compiled;
  readonly limits: ProxyLimits;
  /** Path and cookie of the namespace that a workload's sockets are in; undefined: not captured. */
  readonly netnsOf: (
    workload: DesiredWorkload,
  ) => { readonly path: string; readonly cookie: bigint } | undefined;
}

/** What the proxy is told: every captured workload may be the client of a destination with layer 7 rules. */
export function proxyConfigOf(input: ProxyConfigInput): ProxyConfig {
  const identities = identitiesByWorkload(input.compiled.desired.ipcache);
  const workloads = input.compiled.desired.workloads.flatMap((workload) => {
    const netns = input.netnsOf(workload);
    if (netns === undefined) return [];
    const [namespace = '', name = ''] = workload.key.split('/');
    return [
      {
        id: workload.id,
        identity: workload.identity,
        identities: [...(identities.get(workload.id) ?? [])],
        namespace,
        name,
        netns: netns.path,
        netnsCookie: String(netns.cookie),
      },
    ];
  });
  return {
    version: 1,
    revision: input.revision,
    mapsRoot: input.mapsRoot,
    workloads,
    verdicts: [...input.compiled.proxy.verdicts],
    automata: input.compiled.proxy.automata.map((table) => Buffer.from(table).toString('base64')),
    limits: input.limits,
  };
}

function identitiesByWorkload(ipcache: readonly DesiredAddress[]): Map<number, Set<number>> {
  const identities = new Map<number, Set<number>>();
  for (const { workload, identity } of ipcache) {
    if (workload === 0) continue;
    const known = identities.get(workload) ?? new Set();
    identities.set(workload, known.add(identity));
  }
  return identities;
}
