// SPDX-License-Identifier: Apache-2.0
import { parsePrefix } from '../identity/prefix.ts';
import type { ResourceOfKind } from '../resources/kinds.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort } from '../resources/network-policy.ts';
import { PolicyRefs } from './policy-refs.ts';
import type { Clause, PeerClause, Policy, PolicyDirection, PortClause } from './rule.ts';
import type { Direction } from './rule-ref.ts';

type Resource = ResourceOfKind<'NetworkPolicy'>;

/** Brings a NetworkPolicy into the common form: rules without action are Allow. */
export function fromNetworkPolicy(resource: Resource): Policy {
  const refs = new PolicyRefs(resource);
  const { namespace } = resource.metadata;
  const { ingress = [], egress = [], podSelector } = resource.spec;
  const peers: Readonly<Record<Direction, { peers: NetworkPolicyPeer[]; ports: NetworkPolicyPort[] }[]>> = {
    ingress: ingress.map(({ from = [], ports = [] }) => ({ peers: from, ports })),
    egress: egress.map(({ to = [], ports = [] }) => ({ peers: to, ports })),
  };
  const directions = governedDirections(resource).map((direction): PolicyDirection => ({
    api: 'NetworkPolicy',
    direction,
    mode: 'Enforce',
    defaultDeny: refs.defaultDeny(direction),
    rules: peers[direction].map((rule, index) => ({
      ref: refs.rule(direction, index),
      action: 'Allow',
      clauses: toClauses(rule.peers, rule.ports, namespace),
    })),
  }));
  return { api: 'NetworkPolicy', subject: { namespaces: { name: namespace }, podSelector }, directions };
}

/** Without policyTypes: ingress always, egress if there is an egress rule. */
function governedDirections({ spec }: Resource): Direction[] {
  const { policyTypes = [], egress = [] } = spec;
  if (policyTypes.length === 0) return egress.length > 0 ? ['ingress', 'egress'] : ['ingress'];
  const governed: Direction[] = [];
  if (policyTypes.includes('Ingress')) governed.push('ingress');
  if (policyTypes.includes('Egress')) governed.push('egress');
  return governed;
}

/** An empty list of peers or ports means all of them, as an absent one does. */
function toClauses(peers: NetworkPolicyPeer[], ports: NetworkPolicyPort[], namespace: string): Clause[] {
  const clause = ports.length === 0 ? {} : { ports: ports.map(toPort) };
  if (peers.length === 0) return [clause];
  const blocks = peers.flatMap(toBlocks);
  const others = peers.filter(({ ipBlock }) => ipBlock === undefined);
  const clauses = others.map((peer): PeerClause => toWorkloads(peer, namespace));
  return [...clauses, ...(blocks.length === 0 ? [] : [{ blocks }])].map((peer) => ({ peer, ...clause }));
}

function toPort({ protocol, port, endPort }: NetworkPolicyPort): PortClause {
  return {
    protocol: protocol === 'UDP' ? 'UDP' : 'TCP',
    ...(port === undefined ? {} : { port }),
    ...(endPort === undefined ? {} : { endPort }),
  };
}

/**
 * Kubernetes leaves open whether an ipBlock matches addresses of pods. Here it does: an address is matched
 * by the block whoever holds it.
 */
function toBlocks({ ipBlock }: NetworkPolicyPeer): NonNullable<PeerClause['blocks']> {
  const block = ipBlock === undefined ? undefined : parsePrefix(ipBlock.cidr);
  if (block === undefined) return [];
  const except = (ipBlock?.except ?? []).map(parsePrefix).filter((inner) => inner !== undefined);
  return [{ block, except }];
}

function toWorkloads({ podSelector, namespaceSelector }: NetworkPolicyPeer, namespace: string): PeerClause {
  return {
    namespaces: namespaceSelector === undefined ? { name: namespace } : { selector: namespaceSelector },
    ...(podSelector === undefined ? {} : { podSelector }),
  };
}
