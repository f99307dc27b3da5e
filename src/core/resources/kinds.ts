// SPDX-License-Identifier: Apache-2.0
import { PersistentMap } from '../../lib/persistent-map.ts';
import type * as z from 'zod';
import {
  type AccessPolicyResource,
  accessPolicySchema,
  type ClusterAccessPolicyResource,
  clusterAccessPolicySchema,
} from './access-policy.ts';
import { type NamespaceResource, namespaceSchema } from './namespace.ts';
import { type NetworkPolicyResource, networkPolicySchema } from './network-policy.ts';
import type { Origin } from './origin.ts';
import { type WorkloadResource, workloadSchema } from './workload.ts';

interface Located {
  /** Absent if the resource wasn't read from text. */
  readonly origin?: Origin;
}

export type Resource = (
  | WorkloadResource
  | NamespaceResource
  | AccessPolicyResource
  | ClusterAccessPolicyResource
  | NetworkPolicyResource
) &
  Located;

export type ResourceOfKind<K extends Resource['kind']> = Extract<Resource, { kind: K }>;

export interface ResourceKind {
  readonly kind: Resource['kind'];
  readonly apiVersion: string;
  /** The one definition: types, validation, JSON Schema and reference come from it. */
  readonly schema: z.ZodType<Resource>;
  /** One sentence. */
  readonly description: string;
}

/** Every kind that a folder may hold, in the order of the reference. */
export const resourceKinds: readonly ResourceKind[] = [
  {
    kind: 'Workload',
    apiVersion: 'perigee.dev/v1alpha1',
    schema: workloadSchema,
    description:
      'A network namespace or cgroup of this host, with the labels and service account it acts under.',
  },
  {
    kind: 'Namespace',
    apiVersion: 'v1',
    schema: namespaceSchema,
    description: 'Labels of a namespace, for policies that select namespaces.',
  },
  {
    kind: 'AccessPolicy',
    apiVersion: 'perigee.dev/v1alpha1',
    schema: accessPolicySchema,
    description: 'Who may call what in one namespace, from addresses and ports up to HTTP requests.',
  },
  {
    kind: 'ClusterAccessPolicy',
    apiVersion: 'perigee.dev/v1alpha1',
    schema: clusterAccessPolicySchema,
    description: 'An AccessPolicy for the workloads of every namespace, or of those selected.',
  },
  {
    kind: 'NetworkPolicy',
    apiVersion: 'networking.k8s.io/v1',
    schema: networkPolicySchema,
    description:
      'Kubernetes NetworkPolicy: which peers and ports workloads may connect to and be connected from.',
  },
];

/** `namespace/name`, or the name alone for what belongs to no namespace. */
export function resourceName(resource: Resource): string {
  const { metadata } = resource;
  return 'namespace' in metadata ? `${metadata.namespace}/${metadata.name}` : metadata.name;
}

/** Unique in a snapshot. */
export function resourceKey(resource: Resource): string {
  return `${resource.kind} ${resourceName(resource)}`;
}

/** By `resourceKey`; of two with one key the later counts. */
export function resourceMap(resources: Iterable<Resource>): PersistentMap<Resource> {
  return PersistentMap.of(Array.from(resources, (resource) => [resourceKey(resource), resource]));
}
