// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../identity/address.ts';
import { createIdentity, DEFAULT_TRUST_DOMAIN } from '../identity/identity.ts';
import { formatPrefix, type Prefix, PrefixTable } from '../identity/prefix.ts';
import type { Resource, ResourceOfKind } from '../resources/kinds.ts';
import { governs, type Workload, workloadKey } from '../workload/workload.ts';
import { fromWorkloadResource } from '../workload/from-resource.ts';
import { type AddressConflict, AddressBook } from './address-book.ts';
import { fromAccessPolicy } from './from-access-policy.ts';
import { fromNetworkPolicy } from './from-network-policy.ts';
import { namespaceMismatch } from './peer-match.ts';
import type { Policy, PolicyDirection, Rule } from './rule.ts';
import { type Direction, ruleKey } from './rule-ref.ts';
import { type Labels, selects } from './selector.ts';

export interface WorldInput {
  readonly resources: readonly Resource[];
  /** Addresses found in the network namespaces, by workload key. */
  readonly addresses?: ReadonlyMap<string, readonly string[]>;
  /** Addresses of this host. */
  readonly nodeAddresses?: readonly string[];
  readonly apiServerAddresses?: readonly string[];
  /** Default: `cluster.local`. */
  readonly trustDomain?: string;
}

/** Everything that verdicts depend on, at one moment. Immutable; the indexes are built once. */
export interface World {
  /** By `namespace/name`, in the order of the keys. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** Labels by namespace; every namespace that a resource names is there. */
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** AccessPolicies and ClusterAccessPolicies, in canonical order. */
  readonly policies: readonly Policy[];
  readonly networkPolicies: readonly Policy[];
  readonly nodeAddresses: readonly string[];
  /**
   * What selects each workload: by `direction workload-key`, NetworkPolicy first, then canonical order. Workloads
   * that are selected alike share one list.
   */
  readonly selections: ReadonlyMap<string, readonly PolicyDirection[]>;
  /** Every block and exception of any policy, once. */
  readonly prefixes: PrefixTable;
  readonly addresses: AddressBook;
  /** Port names that egress rules use: named ports of peers beyond these can't matter. */
  readonly egressPortNames: ReadonlySet<string>;
  /** Addresses claimed by several; worth a warning. */
  readonly conflicts: readonly AddressConflict[];
}

/** Builds the snapshot. The order of the resources doesn't matter. */
export function buildWorld(input: WorldInput): World {
  const trustDomain = input.trustDomain ?? DEFAULT_TRUST_DOMAIN;
  const found = input.addresses ?? new Map<string, readonly string[]>();
  const resources = [...input.resources].sort(byName);
  const workloads = new Map<string, Workload>();
  for (const resource of ofKinds(resources, 'Workload')) {
    const { namespace, name, labels = {} } = resource.metadata;
    const key = workloadKey(namespace, name);
    const { serviceAccount } = resource.spec;
    const identity = createIdentity({ trustDomain, namespace, serviceAccount, labels });
    workloads.set(key, fromWorkloadResource(resource, identity, found.get(key) ?? []));
  }
  const accessPolicies = ofKinds(resources, 'AccessPolicy', 'ClusterAccessPolicy').map(fromAccessPolicy);
  const networkPolicies = ofKinds(resources, 'NetworkPolicy').map(fromNetworkPolicy);
  const namespaces = collectNamespaces(resources);
  const all = [...networkPolicies, ...accessPolicies];
  const rules = all.flatMap(({ directions }) => directions).flatMap((direction) => direction.rules);
  const nodeAddresses = canonical(input.nodeAddresses ?? []);
  const declared = new Map(
    ofKinds(resources, 'Workload').map((resource) => [
      workloadKey(resource.metadata.namespace, resource.metadata.name),
      resource.spec.addresses,
    ]),
  );
  const addresses = new AddressBook({
    declared,
    found: new Map([...found].filter(([key]) => workloads.has(key))),
    node: nodeAddresses,
    apiServer: canonical(input.apiServerAddresses ?? []),
  });
  return {
    workloads,
    namespaces,
    policies: accessPolicies,
    networkPolicies,
    nodeAddresses,
    selections: indexSelections(workloads.values(), all, namespaces),
    prefixes: new PrefixTable(collectPrefixes(rules)),
    addresses,
    egressPortNames: collectEgressPortNames(all),
    conflicts: addresses.conflicts,
  };
}

function ofKinds<K extends Resource['kind']>(
  resources: readonly Resource[],
  ...kinds: K[]
): ResourceOfKind<K>[] {
  return resources.filter((resource): resource is ResourceOfKind<K> =>
    (kinds as string[]).includes(resource.kind),
  );
}

function byName(a: Resource, b: Resource): number {
  const [x, y] = [sortKey(a), sortKey(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function sortKey({ kind, metadata }: Resource): string {
  return `${kind}\0${'namespace' in metadata ? metadata.namespace : ''}\0${metadata.name}`;
}

function canonical(addresses: readonly string[]): string[] {
  return [...new Set(addresses)].filter((text) => parseAddress(text) !== undefined).sort();
}

function collectNamespaces(resources: readonly Resource[]): Map<string, Labels> {
  const namespaces = new Map<string, Labels>();
  for (const { metadata } of resources) {
    if ('namespace' in metadata) namespaces.set(metadata.namespace, implicitLabels(metadata.namespace));
  }
  for (const { metadata } of ofKinds(resources, 'Namespace')) {
    namespaces.set(metadata.name, { ...metadata.labels, ...implicitLabels(metadata.name) });
  }
  return namespaces;
}

/** The label that Kubernetes gives every namespace. */
export function implicitLabels(namespace: string): Labels {
  return { 'kubernetes.io/metadata.name': namespace };
}

function indexSelections(
  workloads: Iterable<Workload>,
  policies: readonly Policy[],
  namespaces: ReadonlyMap<string, Labels>,
): Map<string, readonly PolicyDirection[]> {
  const index = new Map<string, readonly PolicyDirection[]>();
  const shared = new Map<string, readonly PolicyDirection[]>();
  const labelsOf = (name: string) => namespaces.get(name) ?? implicitLabels(name);
  for (const workload of workloads) {
    const selecting = policies.filter(
      ({ subject }) =>
        namespaceMismatch(subject.namespaces, workload.namespace, labelsOf) === undefined &&
        selects(subject.podSelector, workload.labels),
    );
    for (const direction of ['ingress', 'egress'] as const) {
      if (!governs(workload, direction)) continue;
      const list = selecting.flatMap(({ directions }) =>
        directions.filter((one) => one.direction === direction),
      );
      const text = list.map(({ defaultDeny }) => ruleKey(defaultDeny)).join('\n');
      const known = shared.get(text) ?? list;
      shared.set(text, known);
      if (known.length > 0) index.set(selectionKey(workload.key, direction), known);
    }
  }
  return index;
}

export function selectionKey(workload: string, direction: Direction): string {
  return `${direction} ${workload}`;
}

/** What selects the workload in the direction, in canonical order; Audit policies included. */
export function selectionsOf(
  world: World,
  workload: Workload,
  direction: Direction,
): readonly PolicyDirection[] {
  return world.selections.get(selectionKey(workload.key, direction)) ?? [];
}

function collectPrefixes(rules: readonly Rule[]): Prefix[] {
  const found = new Map<string, Prefix>();
  for (const { clauses } of rules) {
    for (const { peer } of clauses) {
      for (const { block, except } of peer?.blocks ?? []) {
        for (const prefix of [block, ...except]) found.set(formatPrefix(prefix), prefix);
      }
    }
  }
  return [...found.values()];
}

function collectEgressPortNames(policies: readonly Policy[]): Set<string> {
  const egress = policies
    .flatMap(({ directions }) => directions)
    .filter(({ direction }) => direction === 'egress');
  const ports = egress
    .flatMap(({ rules }) => rules)
    .flatMap(({ clauses }) => clauses)
    .flatMap((clause) => clause.ports ?? []);
  return new Set(ports.map(({ port }) => port).filter((port) => typeof port === 'string'));
}
