// SPDX-License-Identifier: Apache-2.0
import type { Change } from '../../lib/persistent-map.ts';
import type { Prefix } from '../identity/prefix.ts';
import { type Resource, resourceKey } from '../resources/kinds.ts';
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
  readonly #known = new Map<string, Known>();
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
      if (was !== undefined) changed = this.#known.delete(resourceKey(was)) || changed;
      const known = is === undefined ? undefined : read(is);
      if (is === undefined || known === undefined) continue;
      this.#known.set(resourceKey(is), known);
      changed = true;
    }
    if (changed) this.#facts = this.#collect();
    return this.#facts;
  }

  #collect(): PolicyFacts {
    const sorted = [...this.#known.values()].sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1));
    const ofApi = (api: Policy['api']): Known[] => sorted.filter(({ policy }) => policy.api === api);
    const [network, access] = [ofApi('NetworkPolicy'), ofApi('AccessPolicy')];
    const known = [...network, ...access];
    const names = new Set(known.flatMap(({ portNames }) => portNames));
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
      standIns(
        prefixes,
        known.flatMap(({ policy }) => rulesOf(policy)),
      ),
    );
    return blocks.differences(before).length === 0 ? before : blocks;
  }
}

function read(resource: Resource): Known | undefined {
  const policy = policyOf(resource);
  if (policy === undefined) return undefined;
  const { kind, metadata } = resource;
  const blocks = collectPrefixes(rulesOf(policy));
  return {
    sortKey: `${kind}\0${'namespace' in metadata ? metadata.namespace : ''}\0${metadata.name}`,
    policy,
    portNames: egressPortNames(policy),
    blocks: blocks.size === 0 ? undefined : blocks,
  };
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
