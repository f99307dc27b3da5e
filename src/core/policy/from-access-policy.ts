// SPDX-License-Identifier: Apache-2.0
import type { HttpMatch } from '../automaton/rules.ts';
import { parsePrefix } from '../identity/prefix.ts';
import type { AccessPeer, AccessPort, AccessRule } from '../resources/access-policy.ts';
import { grpcAsHttp } from '../resources/grpc-match.ts';
import type { ResourceOfKind } from '../resources/kinds.ts';
import { PolicyRefs } from './policy-refs.ts';
import type { Clause, PeerClause, Policy, PolicyDirection, PortClause, Rule } from './rule.ts';
import type { Direction } from './rule-ref.ts';

type Resource = ResourceOfKind<'AccessPolicy' | 'ClusterAccessPolicy'>;
type HttpFields = NonNullable<AccessRule['http']>[number];

/** Brings an AccessPolicy or ClusterAccessPolicy into the common form. */
export function fromAccessPolicy(resource: Resource): Policy {
  const refs = new PolicyRefs(resource);
  const own: NonNullable<PeerClause['namespaces']> =
    resource.kind === 'AccessPolicy' ? { name: resource.metadata.namespace } : 'any';
  const directions: PolicyDirection[] = [];
  for (const direction of ['ingress', 'egress'] as const) {
    const rules: readonly AccessRule[] | undefined = resource.spec[direction];
    if (rules === undefined) continue;
    directions.push({
      api: 'AccessPolicy',
      direction,
      mode: resource.spec.mode,
      defaultDeny: refs.defaultDeny(direction),
      rules: rules.map((rule, index) => toRule(rule, direction, index, own, refs)),
    });
  }
  return {
    api: 'AccessPolicy',
    subject: { namespaces: governedNamespaces(resource), podSelector: resource.spec.selector ?? {} },
    directions,
  };
}

function governedNamespaces(resource: Resource): NonNullable<PeerClause['namespaces']> {
  if (resource.kind === 'AccessPolicy') return { name: resource.metadata.namespace };
  const selector = resource.spec.namespaceSelector;
  return selector === undefined ? 'any' : { selector };
}

function toRule(
  rule: AccessRule,
  direction: Direction,
  index: number,
  own: NonNullable<PeerClause['namespaces']>,
  refs: PolicyRefs,
): Rule {
  const clauses = direction === 'ingress' ? ingressClauses(rule, own) : egressClauses(rule, own);
  const { action, grpc, http2 = grpc !== undefined } = rule;
  const http = [
    ...(rule.http ?? []).map(toHttpMatch),
    ...(grpc ?? []).flatMap((match) => grpcAsHttp(match, action)),
  ];
  const ref = refs.rule(direction, index, rule.name);
  return {
    ref,
    action,
    clauses,
    ...(http.length === 0 ? {} : { http }),
    ...(http2 ? { http2 } : {}),
  };
}

function ingressClauses(rule: AccessRule, own: NonNullable<PeerClause['namespaces']>): Clause[] {
  const ports = rule.to === undefined ? {} : { ports: rule.to.map(toPort) };
  const from = 'from' in rule ? rule.from : undefined;
  if (from === undefined) return [ports];
  return from.map((peer) => ({ peer: toPeer(peer, own), ...ports }));
}

/** On egress each entry has its own peer and port, both optional. */
function egressClauses(rule: AccessRule, own: NonNullable<PeerClause['namespaces']>): Clause[] {
  if (rule.to === undefined) return [{}];
  return rule.to.map((entry: AccessPeer & AccessPort) => {
    const { port, endPort, protocol, ...peer } = entry;
    const hasPeer = Object.keys(peer).length > 0;
    const hasPort = port !== undefined || endPort !== undefined || protocol !== undefined;
    return {
      ...(hasPeer ? { peer: toPeer(peer, own) } : {}),
      ...(hasPort ? { ports: [toPort(entry)] } : {}),
    };
  });
}

function toPort({ port, endPort, protocol }: AccessPort): PortClause {
  const named = protocol ?? (port === undefined ? undefined : 'TCP');
  return {
    ...(named === 'TCP' || named === 'UDP' ? { protocol: named } : {}),
    ...(port === undefined ? {} : { port }),
    ...(endPort === undefined ? {} : { endPort }),
  };
}

function toPeer(peer: AccessPeer, own: NonNullable<PeerClause['namespaces']>): PeerClause {
  const { podSelector, namespaceSelector, serviceAccounts, cidrs, except = [], entities } = peer;
  const ofWorkload = podSelector ?? namespaceSelector ?? serviceAccounts;
  const namespaces = namespaceSelector === undefined ? own : { selector: namespaceSelector };
  const excluded = except.map(parsePrefix).filter((block) => block !== undefined);
  const blocks = cidrs?.map(parsePrefix).filter((block) => block !== undefined);
  return {
    ...(ofWorkload === undefined ? {} : { namespaces }),
    ...(podSelector === undefined ? {} : { podSelector }),
    ...(serviceAccounts === undefined ? {} : { serviceAccounts }),
    ...(blocks === undefined ? {} : { blocks: blocks.map((block) => ({ block, except: excluded })) }),
    ...(entities === undefined ? {} : { entities }),
  };
}

function toHttpMatch({ methods, path, hosts, headers, queryParams }: HttpFields): HttpMatch {
  return {
    ...(methods === undefined ? {} : { methods }),
    ...(path === undefined ? {} : { path }),
    ...(hosts === undefined ? {} : { host: hosts.map((host) => host.toLowerCase()) }),
    ...(headers === undefined ? {} : { headers }),
    ...(queryParams === undefined ? {} : { queryParams }),
  };
}
