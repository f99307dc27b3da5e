// SPDX-License-Identifier: Apache-2.0
import type { CompiledRules } from '../control/compile/automata.ts';
import type { Compiled } from '../control/compile/compile.ts';
import { formatAddress } from '../core/identity/address.ts';
import { digest } from '../core/identity/digest.ts';
import { addressPrefix } from '../core/policy/peers.ts';
import type { ProxyAutomaton, ProxyConfig, ProxyLimits, RequestFlows } from '../core/proxy/config.ts';
import type { DesiredState, DesiredWorkload } from '../core/state/desired.ts';
import type { Enrolled } from '../datapath/enrolment.ts';

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
  readonly config: ProxyConfig & { readonly digest: string };
  readonly tables: ReadonlyMap<string, Uint8Array>;
}

/** What the proxy is told: every captured workload may be the client of a destination with layer 7 rules. */
export function proxyPushOf(input: ProxyConfigInput): ProxyPush {
  const workloads = input.compiled.desired.workloads.flatMap((workload) => {
    const [namespace = '', name = ''] = workload.key.split('/');
    return input.netnsOf(workload).map(({ path, cookie }) => ({
      id: workload.id,
      identity: workload.identity,
      identities: [...identitiesOf(workload, input.compiled.desired)],
      namespace,
      name,
      netns: path,
      netnsCookie: String(cookie),
    }));
  });
  const { automata, verdicts } = input.compiled.proxy;
  const content: Omit<ProxyConfig, 'revision' | 'digest'> = {
    version: 3,
    mapsRoot: input.mapsRoot,
    workloads,
    verdicts: [...verdicts],
    automata: automata.map(automatonOf),
    limits: input.limits,
    ...(input.requestFlows === 'all' ? {} : { requestFlows: input.requestFlows }),
  };
  const config = { ...content, revision: input.revision, digest: digest(JSON.stringify(content)) };
  return { config, tables: new Map(automata.map((one) => [one.digest, one.bytes])) };
}

/** Of the addresses that are the workload's. */
function identitiesOf(
  { id, addresses }: DesiredWorkload,
  { ipcache }: Pick<DesiredState, 'ipcache'>,
): ReadonlySet<number> {
  const entries = addresses.flatMap((address) => ipcache.get(addressPrefix(formatAddress(address))) ?? []);
  return new Set(entries.filter(({ workload }) => workload === id).map(({ identity }) => identity));
}

function automatonOf(compiled: CompiledRules): ProxyAutomaton {
  const { digest: table, readHeaders, rules, audit, http2, undecidable, auditUndecidable } = compiled;
  const inTable = undecidable === undefined && auditUndecidable === undefined;
  return {
    table,
    readHeaders: [...readHeaders],
    defaultDeny: audit?.defaultDeny ?? 0,
    ...(http2 ? { http2 } : {}),
    ...(inTable ? {} : { rules: structuredClone(rules) as NonNullable<ProxyAutomaton['rules']> }),
  };
}

/** No path leads any more to a namespace that was left behind: the agent's descriptor does. */
export function placeOf({ workload, kernelId, netnsFd, left }: Enrolled): NetnsPlace {
  const path = left ? `/proc/${String(process.pid)}/fd/${String(netnsFd)}` : workload.path;
  return { path, cookie: kernelId };
}
