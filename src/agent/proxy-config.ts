// SPDX-License-Identifier: Apache-2.0
import type { CompiledRules } from '../control/compile/automata.ts';
import type { Compiled } from '../control/compile/compile.ts';
import type { ProxyAutomaton, ProxyConfig, ProxyLimits, RequestFlows } from '../core/proxy/config.ts';
import type { DesiredAddress, DesiredWorkload } from '../core/state/desired.ts';

/** Where a namespace is found, and its cookie. */
export interface NetnsPlace {
  readonly path: string;
  readonly cookie: bigint;
}

export interface ProxyConfigInput {
  readonly revision: number;
  readonly mapsRoot: string;
  readonly compiled: Compiled;
  readonly limits: ProxyLimits;
  readonly requestFlows: RequestFlows;
  /** The namespaces that a workload's sockets are in, its own last; none: not captured. */
  readonly netnsOf: (workload: DesiredWorkload) => readonly NetnsPlace[];
}

/** A configuration, and the tables that it names by digest. */
export interface ProxyPush {
  readonly config: ProxyConfig;
  readonly tables: ReadonlyMap<string, Uint8Array>;
}

/** What the proxy is told: every captured workload may be the client of a destination with layer 7 rules. */
export function proxyPushOf(input: ProxyConfigInput): ProxyPush {
  const identities = identitiesByWorkload(input.compiled.desired.ipcache);
  const workloads = input.compiled.desired.workloads.flatMap((workload) => {
    const [namespace = '', name = ''] = workload.key.split('/');
    return input.netnsOf(workload).map(({ path, cookie }) => ({
      id: workload.id,
      identity: workload.identity,
      identities: [...(identities.get(workload.id) ?? [])],
      namespace,
      name,
      netns: path,
      netnsCookie: String(cookie),
    }));
  });
  const { automata, verdicts } = input.compiled.proxy;
  const config: ProxyConfig = {
    version: 3,
    revision: input.revision,
    mapsRoot: input.mapsRoot,
    workloads,
    verdicts: [...verdicts],
    automata: automata.map(automatonOf),
    limits: input.limits,
    ...(input.requestFlows === 'all' ? {} : { requestFlows: input.requestFlows }),
  };
  return { config, tables: new Map(automata.map(({ digest, bytes }) => [digest, bytes])) };
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

function automatonOf(compiled: CompiledRules): ProxyAutomaton {
  const { digest, readHeaders, rules, audit, undecidable, auditUndecidable } = compiled;
  const inTable = undecidable === undefined && auditUndecidable === undefined;
  return {
    table: digest,
    readHeaders: [...readHeaders],
    defaultDeny: audit?.defaultDeny ?? 0,
    ...(inTable ? {} : { rules: structuredClone(rules) as NonNullable<ProxyAutomaton['rules']> }),
  };
}
