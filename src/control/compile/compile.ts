// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../../core/identity/address.ts';
import type { PeerIdentity } from '../../core/identity/peer-identity.ts';
import { parsePrefix } from '../../core/identity/prefix.ts';
import { type IpcacheEntry, PeerBook, peerIdentities, peerOfWorkload } from '../../core/policy/peers.ts';
import type { Policy } from '../../core/policy/rule.ts';
import type { Direction } from '../../core/policy/rule-ref.ts';
import { type World, selectionsOf } from '../../core/policy/world.ts';
import type { ProxyVerdict } from '../../core/proxy/config.ts';
import type { ServiceSet } from '../../core/service/service.ts';
import type {
  DesiredAddress,
  DesiredState,
  DesiredTable,
  DesiredWorkload,
} from '../../core/state/desired.ts';
import {
  asksForBoost,
  isLocal,
  type LocalWorkload,
  visiblePorts,
  type Workload,
} from '../../core/workload/workload.ts';
import { AutomatonSet, type CompiledRules } from './automata.ts';
import { ContentKeys } from './content-key.ts';
import { DistinctPeers } from './distinct-peers.ts';
import type { Names } from './names.ts';
import { ServiceCompiler } from './services.ts';
import { type CompiledTable, TableSet } from './tables.ts';

/** A world in the terms of those who enforce it. */
export interface Compiled {
  readonly desired: DesiredState;
  readonly proxy: {
    readonly verdicts: readonly ProxyVerdict[];
    /** By `ProxyVerdict.automaton`. */
    readonly automata: readonly CompiledRules[];
  };
}

const directions = ['egress', 'ingress'] as const;

/** Compiles one world after the other; what it yields does not depend on those before. */
export class Compiler {
  readonly #names: Names;
  readonly #book = new PeerBook();
  readonly #peers: DistinctPeers;
  readonly #addresses = new WeakMap<IpcacheEntry, DesiredAddress>();
  readonly #workloads = new WeakMap<Workload, DesiredWorkload>();
  readonly #tables: TableSet;
  readonly #services: ServiceCompiler;
  #policies: ReadonlySet<Policy> = new Set();

  constructor(names: Names) {
    const keys = new ContentKeys();
    this.#names = names;
    this.#services = new ServiceCompiler(names);
    this.#peers = new DistinctPeers(keys);
    this.#tables = new TableSet(names, new AutomatonSet(names), this.#peers, keys);
  }

  /** Pure but for the numbers that `names` gives to what is new. */
  compile(world: World, services?: ServiceSet): Compiled {
    const names = this.#names;
    this.#renewRules(world);
    const entries = this.#book.ipcache(world);
    const peers = peerIdentities(entries);
    for (const peer of peers) names.peer(peer);
    this.#peers.take(world, peers);
    const all = [...world.workloads.values()].filter(isLocal);
    const byPrefix = new Map(entries.map(({ prefix, peer }) => [prefix, peer]));
    const workloads = all.map((workload) => this.#workload(world, workload, byPrefix));
    const tables = all.flatMap((workload, index) =>
      directions.flatMap((direction) => {
        const isSelected = selectionsOf(world, workload, direction).length > 0;
        const isSeen = direction === 'ingress' && visiblePorts(workload) !== undefined;
        if (!isSelected && !isSeen) return [];
        return [
          {
            workload: workloads[index]?.id ?? 0,
            direction,
            isSelected,
            table: this.#tables.of(world, workload, direction),
          },
        ];
      }),
    );
    this.#tables.settle();
    return {
      desired: {
        workloads,
        ipcache: this.#compileAddresses(entries, workloads),
        policy: tables.map(({ workload, direction, table }) => ({ workload, direction, rows: table.rows })),
        services: services === undefined ? [] : this.#services.compile(services),
      },
      ...compileProxy(tables.filter(({ isSelected }) => isSelected)),
    };
  }

  /** Where the rules are written may have changed alone. */
  #renewRules(world: World): void {
    const policies = new Set([...world.policies, ...world.networkPolicies]);
    for (const policy of policies) {
      if (this.#policies.has(policy)) continue;
      for (const { defaultDeny, rules } of policy.directions)
        for (const ref of [defaultDeny, ...rules.map((rule) => rule.ref)]) this.#names.renewRule(ref);
    }
    this.#policies = policies;
  }

  /** @param peers by prefix text */
  #workload(
    world: World,
    workload: LocalWorkload,
    peers: ReadonlyMap<string, PeerIdentity>,
  ): DesiredWorkload {
    const names = this.#names;
    const selected = (direction: Direction): boolean => selectionsOf(world, workload, direction).length > 0;
    const id = names.workload(workload);
    const [primary = ''] = workload.addresses;
    const found = peers.get(`${primary}/${primary.includes(':') ? 128 : 32}`);
    const peer = found ?? peerOfWorkload(world, workload);
    const now = {
      identity: names.peer(peer),
      egressSelected: selected('egress'),
      ingressSelected: selected('ingress'),
      boost: asksForBoost(workload),
      visible: visiblePorts(workload) !== undefined,
    };
    const known = this.#workloads.get(workload);
    if (known !== undefined && sameFields(known, now)) return known;
    const { key, attachment, addresses } = workload;
    const desired = {
      id,
      key,
      attachment: attachment.type,
      path: attachment.path,
      addresses: addresses.map(parseAddress).filter((address) => address !== undefined),
      ...now,
    };
    this.#workloads.set(workload, desired);
    return desired;
  }

  #compileAddresses(
    entries: readonly IpcacheEntry[],
    workloads: readonly DesiredWorkload[],
  ): DesiredAddress[] {
    const owners = new Map(
      workloads
        .filter((workload) => workload.attachment === 'netns')
        .map((workload) => [workload.key, workload] as const),
    );
    return entries.flatMap((entry) => {
      const owner = entry.owner === undefined ? undefined : owners.get(entry.owner);
      const now = {
        identity: this.#names.peer(entry.peer),
        workload: owner?.id ?? 0,
        taken: entry.taken ?? false,
        egressSelected: owner?.egressSelected ?? false,
        ingressSelected: owner?.ingressSelected ?? false,
        boost: owner?.boost ?? false,
        visible: owner?.visible ?? false,
      };
      const known = this.#addresses.get(entry);
      if (known !== undefined && sameFields(known, now)) return [known];
      const prefix = parsePrefix(entry.prefix);
      if (prefix === undefined) return [];
      const desired = { prefix, ...now };
      this.#addresses.set(entry, desired);
      return [desired];
    });
  }
}

/** Whether `known` has all the values of `now`. */
function sameFields<T extends object>(known: T, now: Partial<T>): boolean {
  return (Object.keys(now) as (keyof T)[]).every((field) => known[field] === now[field]);
}

/** Compiles one world alone. */
export function compile(world: World, names: Names, services?: ServiceSet): Compiled {
  return new Compiler(names).compile(world, services);
}

interface NamedTable extends Omit<DesiredTable, 'rows'> {
  readonly table: CompiledTable;
}

/** The proxy's part: TCP alone, and with what the requests of a range are compared with. */
function compileProxy(tables: readonly NamedTable[]): Pick<Compiled, 'proxy'> {
  const automata: CompiledRules[] = [];
  const places = new Map<CompiledRules, number>();
  const placeOf = (automaton: CompiledRules): number => {
    const place = places.get(automaton) ?? automata.push(automaton) - 1;
    places.set(automaton, place);
    return place;
  };
  const verdicts = tables.flatMap(({ workload, direction, table }) =>
    table.rows
      .filter(({ protocol }) => protocol === 'TCP')
      .map(({ identity, from, to, rule, action, audit, auditRule, automaton }): ProxyVerdict => {
        const enforces = action === 'proxy' && audit !== 'requests';
        return {
          ...{ workload, direction, identity, from, to, rule },
          action: action === 'deny' ? 'deny' : enforces ? 'http' : 'allow',
          ...(automaton === undefined ? {} : { automaton: placeOf(automaton) }),
          ...(audit === 'deny' ? { audit: auditRule } : {}),
        };
      }),
  );
  return { proxy: { verdicts, automata } };
}
