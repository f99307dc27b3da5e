// SPDX-License-Identifier: Apache-2.0
import { type Change, PersistentMap } from '../../lib/persistent-map.ts';
import { formatAddress, parseAddress } from '../identity/address.ts';
import { createIdentity, DEFAULT_TRUST_DOMAIN } from '../identity/identity.ts';
import { type Resource, resourceName, type ResourceOfKind } from '../resources/kinds.ts';
import { isLocal, type LocalWorkload, type Workload } from '../workload/workload.ts';
import { fromWorkloadResource } from '../workload/from-resource.ts';
import { type AddressBook, AddressClaims } from './address-book.ts';
import { PolicySet } from './policy-set.ts';
import type { Blocks } from './prefix-classes.ts';
import type { Policy, PolicyDirection } from './rule.ts';
import type { Direction } from './rule-ref.ts';
import { implicitLabels, SelectionIndex, selectionKey } from './selection-index.ts';
import type { Labels } from './selector.ts';

export interface WorldInput {
  /** By `resourceKey`. */
  readonly resources: PersistentMap<Resource>;
  /** Addresses found in the network namespaces, by workload key. */
  readonly addresses?: ReadonlyMap<string, readonly string[]>;
  /** Addresses of this host. */
  readonly nodeAddresses?: readonly string[];
  /** Addresses of the other hosts of the cluster; those of this one among them do no harm. */
  readonly otherNodeAddresses?: readonly string[];
  readonly apiServerAddresses?: readonly string[];
}

/** Everything that verdicts depend on, at one moment. Immutable. */
export interface World {
  /** By `namespace/name`. */
  readonly workloads: PersistentMap<Workload>;
  /** Those of this host, in the order of the keys. */
  readonly locals: readonly LocalWorkload[];
  /** Labels by namespace; one that is not there has its name alone. */
  readonly namespaces: PersistentMap<Labels>;
  /** AccessPolicies and ClusterAccessPolicies, in canonical order. */
  readonly policies: readonly Policy[];
  readonly networkPolicies: readonly Policy[];
  readonly nodeAddresses: readonly string[];
  /**
   * What selects each workload of this host: by `direction workload-key`, NetworkPolicy first, then canonical order. Workloads
   * that are selected alike share one list.
   */
  readonly selections: ReadonlyMap<string, readonly PolicyDirection[]>;
  /** Every block and exception of any policy, once. */
  readonly prefixes: Blocks;
  readonly addresses: AddressBook;
  /** Port names that egress rules use: named ports of peers beyond these can't matter. */
  readonly egressPortNames: ReadonlySet<string>;
}

type Texts = readonly string[];

/**
 * Builds one world after the other, each from what tells its input from the one before: a whole build is the same over
 * everything. What does not change is the same object in both worlds.
 */
export class WorldBuilder {
  readonly #trustDomain: string;
  readonly #policies = new PolicySet();
  readonly #claims = new AddressClaims();
  readonly #selections = new SelectionIndex();
  #resources = PersistentMap.empty<Resource>();
  #found: ReadonlyMap<string, Texts> = new Map();
  #workloads = PersistentMap.empty<Workload>();
  #locals: readonly LocalWorkload[] = [];
  #namespaces = PersistentMap.empty<Labels>();
  #nodes: Surrounding = { given: [], node: [], apiServers: new Set() };

  constructor(trustDomain = DEFAULT_TRUST_DOMAIN) {
    this.#trustDomain = trustDomain;
  }

  build(input: WorldInput): World {
    const changes = input.resources.changesSince(this.#resources);
    this.#resources = input.resources;
    this.#takeWorkloads(changes, input.addresses ?? new Map<string, Texts>());
    this.#takeNamespaces(changes);
    const policies = this.#policies.take(changes);
    this.#takeSurrounding(input);
    return {
      workloads: this.#workloads,
      locals: this.#locals,
      namespaces: this.#namespaces,
      policies: policies.accessPolicies,
      networkPolicies: policies.networkPolicies,
      nodeAddresses: this.#nodes.node,
      selections: this.#selections.of(this.#locals, policies.all, this.#namespaces),
      prefixes: policies.prefixes,
      addresses: this.#claims.book(this.#nodes.apiServers),
      egressPortNames: policies.egressPortNames,
    };
  }

  #takeWorkloads(changes: readonly Change<Resource>[], found: ReadonlyMap<string, Texts>): void {
    const touched = new Map<string, ResourceOfKind<'Workload'> | undefined>();
    for (const { was, is } of changes) {
      if (was?.kind === 'Workload') touched.set(resourceName(was), undefined);
      if (is?.kind === 'Workload') touched.set(resourceName(is), is);
    }
    for (const key of new Set([...found.keys(), ...this.#found.keys()])) {
      if (touched.has(key) || isSameList(found.get(key) ?? [], this.#found.get(key) ?? [])) continue;
      const resource = this.#resources.get(`Workload ${key}`);
      if (resource?.kind === 'Workload') touched.set(key, resource);
    }
    this.#found = found;
    if (touched.size === 0) return;
    const before = this.#workloads;
    this.#workloads = before.with(
      [...touched].map(([key, resource]) => [key, this.#workload(key, resource, found.get(key) ?? [])]),
    );
    const isOfHere = (workload: Workload | undefined): boolean => workload !== undefined && isLocal(workload);
    if ([...touched.keys()].some((key) => isOfHere(before.get(key)) || isOfHere(this.#workloads.get(key))))
      this.#locals = [...this.#workloads.values()].filter(isLocal).sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #workload(
    key: string,
    resource: ResourceOfKind<'Workload'> | undefined,
    found: Texts,
  ): Workload | undefined {
    this.#claims.ofWorkload(key, resource?.spec.addresses ?? [], resource === undefined ? [] : found);
    if (resource === undefined) return undefined;
    const { namespace, labels = {} } = resource.metadata;
    const { serviceAccount } = resource.spec;
    const identity = createIdentity({ trustDomain: this.#trustDomain, namespace, serviceAccount, labels });
    return fromWorkloadResource(resource, identity, found);
  }

  #takeNamespaces(changes: readonly Change<Resource>[]): void {
    const touched = changes.flatMap(({ was, is }): (readonly [string, Labels | undefined])[] => {
      if (is?.kind === 'Namespace') {
        const { name, labels } = is.metadata;
        return [[name, { ...labels, ...implicitLabels(name) }]];
      }
      return was?.kind === 'Namespace' ? [[was.metadata.name, undefined]] : [];
    });
    this.#namespaces = this.#namespaces.with(touched);
  }

  #takeSurrounding({
    nodeAddresses = [],
    otherNodeAddresses = [],
    apiServerAddresses = [],
  }: WorldInput): void {
    const given = [nodeAddresses, otherNodeAddresses, apiServerAddresses];
    if (given.every((texts, at) => isSameList(texts, this.#nodes.given[at] ?? []))) return;
    const node = canonical(nodeAddresses);
    const own = new Set(node);
    this.#claims.ofNodes('node', node);
    this.#claims.ofNodes(
      'other node',
      canonical(otherNodeAddresses).filter((address) => !own.has(address)),
    );
    this.#nodes = { given, node, apiServers: new Set(canonical(apiServerAddresses)) };
  }
}

/** Addresses that are no workload's. */
interface Surrounding {
  readonly given: readonly Texts[];
  /** Canonical text, sorted. */
  readonly node: Texts;
  readonly apiServers: ReadonlySet<string>;
}

function isSameList(some: Texts, others: Texts): boolean {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

function canonical(addresses: Texts): string[] {
  const parsed = addresses.map(parseAddress).filter((address) => address !== undefined);
  return [...new Set(parsed.map(formatAddress))].sort();
}

/** What selects the workload in the direction, in canonical order; Audit policies included. */
export function selectionsOf(
  world: World,
  workload: Workload,
  direction: Direction,
): readonly PolicyDirection[] {
  return world.selections.get(selectionKey(workload.key, direction)) ?? [];
}
