// SPDX-License-Identifier: Apache-2.0
import { type ConnectionFlags, meansCluster } from '../agents.ts';
import type { FilterFlags } from '../observe/filters.ts';

/** Flags in which names can stand that mean something else in a cluster. */
export interface NamedFlags extends FilterFlags, ConnectionFlags {
  readonly allNamespaces?: boolean;
}

/** Of a question about names in a cluster: the namespace that they are in unless they say so. */
export interface ClusterNames {
  readonly namespace: string;
  /** The pods that a name means. */
  readonly podsOf: (text: string) => Promise<readonly string[]>;
}

export async function clusterNames(
  flags: ConnectionFlags & { readonly namespace?: string },
): Promise<ClusterNames> {
  const { Kube } = await import('./kube.ts');
  const { podsOf } = await import('./resources.ts');
  const kube = new Kube(flags);
  const namespace = flags.namespace ?? kube.namespace;
  return { namespace, podsOf: (text) => podsOf(kube, text, namespace) };
}

/**
 * The flags as they are meant in a cluster: `deploy/checkout` is its pods, and what names no namespace is in the
 * context's, as with kubectl, unless -A says otherwise. A reference is one of a kind wherever it is.
 */
export async function inCluster<T extends NamedFlags>(flags: T): Promise<T> {
  if (!meansCluster(flags) || flags.input !== undefined) return flags;
  const { namespace, podsOf } = await clusterNames(flags);
  const expand = async (texts: readonly string[] | undefined): Promise<readonly string[] | undefined> =>
    texts === undefined ? undefined : [...new Set((await Promise.all(texts.map(podsOf))).flat())];
  const [from, to, workload] = await Promise.all([flags.from, flags.to, flags.workload].map(expand));
  const isEverywhere =
    flags.allNamespaces === true || (flags.reference !== undefined && flags.namespace === undefined);
  const { namespace: _, ...others } = flags;
  return {
    ...others,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(workload === undefined ? {} : { workload }),
    ...(isEverywhere ? {} : { namespace }),
  } as T;
}
