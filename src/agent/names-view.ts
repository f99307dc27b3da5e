// SPDX-License-Identifier: Apache-2.0
import type { Names } from '../control/compile/names.ts';
import type { PeerIdentity } from '../core/identity/peer-identity.ts';
import { pathRedaction } from '../core/redact.ts';
import { formatPrefix } from '../core/identity/prefix.ts';
import type { FlowRule } from '../core/flow.ts';
import type { RuleSet } from '../core/automaton/rules.ts';
import { DEFAULT_DENY_INDEX, formatRuleRef } from '../core/policy/rule-ref.ts';
import type { AddressHolders } from '../observability/address-holders.ts';
import type { DnsNames } from '../observability/dns/names.ts';
import type { FlowNames, PeerNames } from '../observability/flow-names.ts';
import type { Settings } from './settings.ts';

/** What the agent knows beside numbers, for those who are shown flows. */
export interface FlowContext {
  readonly redact: Settings['redact'];
  readonly holders: AddressHolders;
  readonly dns: DnsNames;
}

/** What flow records call their numbers, from the compiler's memory of them. */
export function flowNames(names: Names, context?: FlowContext): FlowNames {
  const path = pathRedaction(context?.redact.paths ?? []);
  return {
    identity: (id) => {
      const peer = names.peerOf(id);
      return peer === undefined ? undefined : peerNames(peer);
    },
    workload: (id) => {
      const workload = names.workloadOf(id);
      if (workload === undefined) return undefined;
      const { namespace, name, serviceAccount, labels } = workload;
      return { namespace, workload: name, serviceAccount, labels };
    },
    rule: (id) => ruleNames(names, id),
    service: (id) => names.serviceOf(id),
    ...(path === undefined ? {} : { path }),
    ...(context === undefined ? {} : { holders: context.holders, dns: context.dns }),
  };
}

function peerNames(peer: PeerIdentity): PeerNames {
  if (peer.workload !== undefined) {
    const { namespace, serviceAccount, labels } = peer.workload;
    return { namespace, serviceAccount, labels };
  }
  if (peer.entities.has('Node')) return { entity: 'Node' };
  if (peer.entities.has('ApiServer')) return { entity: 'ApiServer' };
  return { entity: peer.prefix === undefined ? 'World' : formatPrefix(peer.prefix) };
}

function ruleNames(names: Names, id: number): FlowRule | undefined {
  const ref = names.ruleOf(id);
  if (ref === undefined) return undefined;
  const { kind, namespace, name, direction, index, ruleName, file, line } = ref;
  return {
    kind,
    namespace,
    policy: name,
    direction,
    rule: ruleName ?? (index === DEFAULT_DENY_INDEX ? 'default deny' : `[${String(index)}]`),
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
  };
}

/** What people call a list of rules: by the first of them. */
export function firstRuleText(names: Pick<Names, 'ruleOf'>, rules: RuleSet): string {
  const ref = rules[0] === undefined ? undefined : names.ruleOf(rules[0].rule);
  return ref === undefined ? 'no rule' : formatRuleRef(ref);
}
