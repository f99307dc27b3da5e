// SPDX-License-Identifier: Apache-2.0
import { describePeer, type PeerIdentity } from '../identity/peer-identity.ts';
import { contains, formatPrefix } from '../identity/prefix.ts';
import type { PeerClause } from './rule.ts';
import { type Labels, selectorMismatch } from './selector.ts';

/** Of a longer list the first are named, and how many there are. */
const NAMED_BLOCKS = 8;

/** Labels of a namespace; every namespace exists with its name as label. */
export type NamespaceLabels = (namespace: string) => Labels;

/** Undefined if the peer satisfies the clause, else the first thing about it that doesn't, in words. */
export function peerMismatch(
  clause: PeerClause,
  peer: PeerIdentity,
  namespaceLabels: NamespaceLabels,
): string | undefined {
  return (
    workloadMismatch(clause, peer, namespaceLabels) ??
    blockMismatch(clause, peer) ??
    entityMismatch(clause, peer)
  );
}

function workloadMismatch(
  { namespaces, podSelector, serviceAccounts }: PeerClause,
  { workload, ...peer }: PeerIdentity,
  namespaceLabels: NamespaceLabels,
): string | undefined {
  if (namespaces === undefined) return undefined;
  if (workload === undefined) return `the peer (${describePeer(peer)}) is no workload`;
  const wrong = namespaceMismatch(namespaces, workload.namespace, namespaceLabels);
  if (wrong !== undefined) return wrong;
  const label = podSelector === undefined ? undefined : selectorMismatch(podSelector, workload.labels);
  if (label !== undefined) return `label ${label}`;
  if (serviceAccounts === undefined || serviceAccounts.includes(workload.serviceAccount)) return undefined;
  return `service account is ${workload.serviceAccount}, not ${serviceAccounts.join(' or ')}`;
}

/** Undefined if the namespace is one of those meant. */
export function namespaceMismatch(
  namespaces: NonNullable<PeerClause['namespaces']>,
  name: string,
  namespaceLabels: NamespaceLabels,
): string | undefined {
  if (namespaces === 'any') return undefined;
  if ('name' in namespaces)
    return namespaces.name === name ? undefined : `namespace is ${name}, not ${namespaces.name}`;
  const label = selectorMismatch(namespaces.selector, namespaceLabels(name));
  return label === undefined ? undefined : `namespace ${name}: label ${label}`;
}

/**
 * Looks at the peer's longest block, not at its address: each block and exception of every policy is in the
 * table that gave it, so both lie on the same side of all of them.
 */
function blockMismatch({ blocks }: PeerClause, { prefix }: PeerIdentity): string | undefined {
  if (blocks === undefined) return undefined;
  if (prefix === undefined) return `the address is not in ${namesOf(blocks)}`;
  let exception: string | undefined;
  for (const { block, except } of blocks) {
    if (!contains(block, prefix)) continue;
    const out = except.find((inner) => contains(inner, prefix));
    if (out === undefined) return undefined;
    exception ??= `the address is in the exception ${formatPrefix(out)}`;
  }
  return exception ?? `the address is not in ${namesOf(blocks)}`;
}

function namesOf(blocks: NonNullable<PeerClause['blocks']>): string {
  const named = blocks.slice(0, NAMED_BLOCKS).map(({ block }) => formatPrefix(block));
  const more = blocks.length - named.length;
  return named.join(', ') + (more === 0 ? '' : ` and ${String(more)} other blocks`);
}

function entityMismatch({ entities }: PeerClause, peer: PeerIdentity): string | undefined {
  if (entities === undefined || entities.some((entity) => peer.entities.has(entity))) return undefined;
  return `the peer is ${[...peer.entities].join(' and ')}, not ${entities.join(' or ')}`;
}
