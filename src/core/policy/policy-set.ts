// SPDX-License-Identifier: Apache-2.0
import type { Change } from '../../lib/persistent-map.ts';
import type { Prefix } from '../identity/prefix.ts';
import type { Resource } from '../resources/kinds.ts';
import { fromAccessPolicy } from './from-access-policy.ts';
import { fromNetworkPolicy } from './from-network-policy.ts';
import { Blocks, collectPrefixes, standIns } from './prefix-classes.ts';
import type { Policy, Rule } from './rule.ts';

/** What policies alone determine. */
export interface PolicyFacts {
  /** NetworkPolicies, then the others, each in canonical order. */
  readonly all: readonly Policy[];
  readonly accessPolicies: readonly Policy[];
  readonly networkPolicies: readonly Policy[];
  /** Every block and exception, once. */
  readonly prefixes: Blocks;
  /** Port names that egress rules use. */
  readonly egressPortNames: ReadonlySet<string>;
}

/** A policy, and what of it concerns the whole world. */
interface Known {
  readonly sortKey: string;
  readonly policy: Policy;
  readonly portNames: readonly string[];
  /** Undefined: it names no blocks. */
  readonly blocks: ReadonlyMap<string, Prefix> | undefined;
}

/** The policies of one world after the other. What did not change is the same object in both. */
export class PolicySet {
  /** Both in canonical order. */
  readonly #sorted: Readonly<Record<Policy['api'], Known[]>> = { NetworkPolicy: [], AccessPolicy: [] };
  /** Those that name blocks, in canonical order. */
  #blocks: readonly Known[] = [];
  #facts: PolicyFacts = {
    all: [],
    accessPolicies: [],
    networkPolicies: [],
    prefixes: new Blocks(),
    egressPortNames: new Set(),
  };

  /** Changes of other kinds are passed over. */
  take(changes: readonly Change<Resource>[]): PolicyFacts {
    let changed = false;
    for (const { was, is } of changes) {
      if (was !== undefined) changed = this.#remove(was) || changed;
      if (is !== undefined) changed = this.#add(is) || changed;
    }
    if (changed) this.#facts = this.#collect();
    return this.#facts;
  }

  #remove(resource: Resource): boolean {
    const api = apiOf(resource);
    if (api === undefined) return false;
    const sorted = this.#sorted[api];
    const sortKey = sortKeyOf(resource);
    const at = placeOf(sorted, sortKey);
    if (sorted[at]?.sortKey !== sortKey) return false;
    sorted.splice(at, 1);
    return true;
  }

  #add(resource: Resource): boolean {
    const known = read(resource);
    if (known === undefined) return false;
    const sorted = this.#sorted[known.policy.api];
    sorted.splice(placeOf(sorted, known.sortKey), 0, known);
    return true;
  }

  #collect(): PolicyFacts {
    const { NetworkPolicy: network, AccessPolicy: access } = this.#sorted;
    const known = [...network, ...access];
    const names = new Set<string>();
    for (const { portNames } of known) for (const name of portNames) names.add(name);
    const { egressPortNames: before } = this.#facts;
    const isSame = names.size === before.size && [...names].every((name) => before.has(name));
    return {
      all: known.map(({ policy }) => policy),
      accessPolicies: access.map(({ policy }) => policy),
      networkPolicies: network.map(({ policy }) => policy),
      prefixes: this.#prefixes(known.filter(({ blocks }) => blocks !== undefined)),
      egressPortNames: isSame ? before : names,
    };
  }

  #prefixes(known: readonly Known[]): Blocks {
    const { prefixes: before } = this.#facts;
    if (known.length === this.#blocks.length && known.every((one, at) => one === this.#blocks[at]))
      return before;
    this.#blocks = known;
    const prefixes = new Map(known.flatMap(({ blocks }) => [...(blocks ?? [])]));
    const blocks = new Blocks(
      prefixes,
      standIns(prefixes, () => known.flatMap(({ policy }) => rulesOf(policy))),
    );
    return blocks.differences(before).length === 0 ? before : blocks;
  }
}

function read(resource: Resource): Known | undefined {
  const policy = policyOf(resource);
  if (policy === undefined) return undefined;
  const blocks = collectPrefixes(rulesOf(policy));
  return {
    sortKey: sortKeyOf(resource),
    policy,
    portNames: egressPortNames(policy),
    blocks: blocks.size === 0 ? undefined : blocks,
  };
}

function sortKeyOf({ kind, metadata }: Resource): string {
  return `${kind}\0${'namespace' in metadata ? metadata.namespace : ''}\0${metadata.name}`;
}

/** Where the key is, or is to be inserted. */
function placeOf(sorted: readonly Known[], sortKey: string): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle]?.sortKey ?? '') < sortKey) from = middle + 1;
    else to = middle;
  }
  return from;
}

function apiOf({ kind }: Resource): Policy['api'] | undefined {
  if (kind === 'NetworkPolicy') return kind;
  return kind === 'AccessPolicy' || kind === 'ClusterAccessPolicy' ? 'AccessPolicy' : undefined;
}

function policyOf(resource: Resource): Policy | undefined {
  if (resource.kind === 'NetworkPolicy') return fromNetworkPolicy(resource);
  if (resource.kind === 'AccessPolicy' || resource.kind === 'ClusterAccessPolicy')
    return fromAccessPolicy(resource);
  return undefined;
}

function rulesOf({ directions }: Policy): Rule[] {
  return directions.flatMap(({ rules }) => rules);
}

function egressPortNames({ directions }: Policy): string[] {
  const egress = directions.filter(({ direction }) => direction === 'egress');
  const clauses = egress.flatMap(({ rules }) => rules).flatMap((rule) => rule.clauses);
  const ports = clauses.flatMap((clause) => clause.ports ?? []);
  return ports.map(({ port }) => port).filter((port) => typeof port === 'string');
}
