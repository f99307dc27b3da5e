// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../identity/address.ts';
import { createIdentity, DEFAULT_TRUST_DOMAIN } from '../identity/identity.ts';
import { formatPrefix } from '../identity/prefix.ts';
import type { Resource, ResourceOfKind } from '../resources/kinds.ts';
import { type Workload, workloadKey } from '../workload/workload.ts';
import { fromWorkloadResource } from '../workload/from-resource.ts';
import { type AddressConflict, AddressBook, CanonicalTexts } from './address-book.ts';
import { fromAccessPolicy } from './from-access-policy.ts';
import { fromNetworkPolicy } from './from-network-policy.ts';
import { Blocks, collectPrefixes, standIns } from './prefix-classes.ts';
import type { Policy, PolicyDirection } from './rule.ts';
import type { Direction } from './rule-ref.ts';
import { implicitLabels, SelectionIndex, selectionKey } from './selection-index.ts';
import type { Labels } from './selector.ts';

export interface WorldInput {
  readonly resources: readonly Resource[];
  /** Addresses found in the network namespaces, by workload key. */
  readonly addresses?: ReadonlyMap<string, readonly string[]>;
  /** Addresses of this host. */
  readonly nodeAddresses?: readonly string[];
  /** Addresses of the other hosts of the cluster; those of this one among them do no harm. */
  readonly otherNodeAddresses?: readonly string[];
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
  readonly prefixes: Blocks;
  readonly addresses: AddressBook;
  /** Port names that egress rules use: named ports of peers beyond these can't matter. */
  readonly egressPortNames: ReadonlySet<string>;
  /** Addresses claimed by several; worth a warning. */
  readonly conflicts: readonly AddressConflict[];
}

/** A workload, and what it was made from beside its resource. */
interface KnownWorkload {
  readonly trustDomain: string;
  readonly addresses: readonly string[];
  readonly workload: Workload;
}

/** What policies alone determine. */
interface PolicyFacts {
  readonly all: readonly Policy[];
  readonly accessPolicies: readonly Policy[];
  readonly networkPolicies: readonly Policy[];
  readonly prefixes: Blocks;
  readonly egressPortNames: ReadonlySet<string>;
  /** Of the two above: where it is the same, so are they. */
  readonly text: string;
}

/**
 * Builds one snapshot after the other. What a resource that is still the same object was read to is the same
 * object, too; nothing else depends on the snapshots before.
 */
export class WorldBuilder {
  readonly #policies = new WeakMap<Resource, Policy>();
  readonly #workloads = new WeakMap<Resource, KnownWorkload>();
  readonly #sortKeys = new WeakMap<Resource, string>();
  readonly #texts = new CanonicalTexts();
  readonly #selections = new SelectionIndex();
  #facts: PolicyFacts | undefined;

  /** The order of the resources doesn't matter. */
  build(input: WorldInput): World {
    const trustDomain = input.trustDomain ?? DEFAULT_TRUST_DOMAIN;
    const found = input.addresses ?? new Map<string, readonly string[]>();
    const resources = this.#sorted(input.resources);
    const workloads = new Map<string, Workload>();
    const declared = new Map<string, readonly string[]>();
    for (const resource of ofKinds(resources, 'Workload')) {
      const workload = this.#workload(resource, trustDomain, found);
      workloads.set(workload.key, workload);
      declared.set(workload.key, resource.spec.addresses);
    }
    const facts = this.#policyFacts(resources);
    const namespaces = collectNamespaces(resources);
    const nodeAddresses = canonical(input.nodeAddresses ?? []);
    const addresses = new AddressBook({
      declared,
      found: new Map([...found].filter(([key]) => workloads.has(key))),
      node: nodeAddresses,
      otherNodes: otherNodes(input, nodeAddresses),
      apiServer: canonical(input.apiServerAddresses ?? []),
      textOf: this.#texts.next(),
    });
    return {
      workloads,
      namespaces,
      policies: facts.accessPolicies,
      networkPolicies: facts.networkPolicies,
      nodeAddresses,
      selections: this.#selections.of(workloads.values(), facts.all, namespaces),
      prefixes: facts.prefixes,
      addresses,
      egressPortNames: facts.egressPortNames,
      conflicts: addresses.conflicts,
    };
  }

  #sorted(resources: readonly Resource[]): readonly Resource[] {
    const keyOf = (resource: Resource): string => {
      const key = this.#sortKeys.get(resource) ?? sortKey(resource);
      this.#sortKeys.set(resource, key);
      return key;
    };
    const named = resources.map((resource) => [keyOf(resource), resource] as const);
    return named.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, resource]) => resource);
  }

  #workload(
    resource: ResourceOfKind<'Workload'>,
    trustDomain: string,
    found: ReadonlyMap<string, readonly string[]>,
  ): Workload {
    const { namespace, name, labels = {} } = resource.metadata;
    const known = this.#workloads.get(resource);
    const addresses = found.get(known?.workload.key ?? workloadKey(namespace, name)) ?? [];
    if (known?.trustDomain === trustDomain && isSameList(known.addresses, addresses)) return known.workload;
    const { serviceAccount } = resource.spec;
    const identity = createIdentity({ trustDomain, namespace, serviceAccount, labels });
    const workload = fromWorkloadResource(resource, identity, addresses);
    this.#workloads.set(resource, { trustDomain, addresses, workload });
    return workload;
  }

  #policyFacts(resources: readonly Resource[]): PolicyFacts {
    const access = ofKinds(resources, 'AccessPolicy', 'ClusterAccessPolicy');
    const accessPolicies = access.map((resource) => this.#policy(resource, fromAccessPolicy));
    const network = ofKinds(resources, 'NetworkPolicy');
    const networkPolicies = network.map((resource) => this.#policy(resource, fromNetworkPolicy));
    const all = [...networkPolicies, ...accessPolicies];
    const known = this.#facts?.all;
    if (
      this.#facts !== undefined &&
      known?.length === all.length &&
      all.every((one, at) => one === known[at])
    )
      return this.#facts;
    const rules = all.flatMap(({ directions }) => directions).flatMap((direction) => direction.rules);
    const prefixes = collectPrefixes(rules);
    const egressPortNames = collectEgressPortNames(all);
    const stand = standIns(prefixes, rules);
    const blocks = [...stand].map(([block, standIn]) => `${block} ${formatPrefix(standIn)}`).sort();
    const text = [blocks, [...egressPortNames].sort()].join(' ');
    const same = this.#facts?.text === text ? this.#facts : undefined;
    this.#facts = {
      all,
      accessPolicies,
      networkPolicies,
      text,
      prefixes: same?.prefixes ?? new Blocks(prefixes, stand),
      egressPortNames: same?.egressPortNames ?? egressPortNames,
    };
    return this.#facts;
  }

  #policy<R extends Resource>(resource: R, read: (resource: R) => Policy): Policy {
    const policy = this.#policies.get(resource) ?? read(resource);
    this.#policies.set(resource, policy);
    return policy;
  }
}

/** Builds one snapshot alone. */
export function buildWorld(input: WorldInput): World {
  return new WorldBuilder().build(input);
}

function ofKinds<K extends Resource['kind']>(
  resources: readonly Resource[],
  ...kinds: K[]
): ResourceOfKind<K>[] {
  return resources.filter((resource): resource is ResourceOfKind<K> =>
    (kinds as string[]).includes(resource.kind),
  );
}

function isSameList(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

function sortKey({ kind, metadata }: Resource): string {
  return `${kind}\0${'namespace' in metadata ? metadata.namespace : ''}\0${metadata.name}`;
}

function otherNodes({ otherNodeAddresses = [] }: WorldInput, own: readonly string[]): string[] {
  return canonical(otherNodeAddresses).filter((address) => !own.includes(address));
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

/** What selects the workload in the direction, in canonical order; Audit policies included. */
export function selectionsOf(
  world: World,
  workload: Workload,
  direction: Direction,
): readonly PolicyDirection[] {
  return world.selections.get(selectionKey(workload.key, direction)) ?? [];
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
