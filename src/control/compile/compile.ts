// SPDX-License-Identifier: Apache-2.0
import { type Change, PersistentMap } from '../../lib/persistent-map.ts';
import { parseAddress } from '../../core/identity/address.ts';
import { addressPrefix, type IpcacheEntry, PeerBook, peerOfWorkload } from '../../core/policy/peers.ts';
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
import { asksForBoost, type LocalWorkload, visiblePorts } from '../../core/workload/workload.ts';
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
const nothing: ServiceSet = {
  services: PersistentMap.empty(),
  slices: PersistentMap.empty(),
  place: { node: '', zone: '' },
};

/**
 * Compiles one world after the other, each from what tells it from the one before: a whole compilation is the same over
 * everything. What it yields does not depend on those before.
 */
export class Compiler {
  readonly #names: Names;
  readonly #book = new PeerBook();
  readonly #peers: DistinctPeers;
  readonly #tables: TableSet;
  readonly #services: ServiceCompiler;
  #policies: ReadonlySet<Policy> = new Set();
  /** The lists that the policies came in. */
  #renewed: readonly (readonly Policy[])[] = [];
  #entries: PersistentMap<IpcacheEntry> = PersistentMap.empty();
  #addresses: PersistentMap<DesiredAddress> = PersistentMap.empty();
  /** By key. */
  #workloads: ReadonlyMap<string, Known> = new Map();

  constructor(names: Names) {
    const keys = new ContentKeys();
    this.#names = names;
    this.#services = new ServiceCompiler(names);
    this.#peers = new DistinctPeers(keys);
    this.#tables = new TableSet(names, new AutomatonSet(names), this.#peers, keys);
  }

  /** Pure but for the numbers that `names` gives to what is new. */
  compile(world: World, services: ServiceSet = nothing): Compiled {
    const names = this.#names;
    this.#renewRules(world);
    const entries = this.#book.ipcache(world);
    const changes = entries.changesSince(this.#entries);
    this.#entries = entries;
    for (const peer of this.#peers.take(world, changes)) names.peer(peer);
    const before = this.#workloads;
    this.#workloads = new Map(
      world.locals.map((workload) => [workload.key, this.#workload(world, workload)]),
    );
    const tables = world.locals.flatMap((workload) =>
      directions.flatMap((direction) => {
        const isSelected = selectionsOf(world, workload, direction).length > 0;
        const isSeen = direction === 'ingress' && visiblePorts(workload) !== undefined;
        if (!isSelected && !isSeen) return [];
        return [
          {
            workload: this.#workloads.get(workload.key)?.desired.id ?? 0,
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
        workloads: Array.from(this.#workloads.values(), ({ desired }) => desired),
        ipcache: this.#compileAddresses(changes, before),
        policy: tables.map(({ workload, direction, table }) => ({ workload, direction, rows: table.rows })),
        services: this.#services.compile(services),
      },
      ...compileProxy(tables.filter(({ isSelected }) => isSelected)),
    };
  }

  /** Where the rules are written may have changed alone. */
  #renewRules(world: World): void {
    if (world.policies === this.#renewed[0] && world.networkPolicies === this.#renewed[1]) return;
    this.#renewed = [world.policies, world.networkPolicies];
    const policies = new Set([...world.policies, ...world.networkPolicies]);
    for (const policy of policies) {
      if (this.#policies.has(policy)) continue;
      for (const { defaultDeny, rules } of policy.directions)
        for (const ref of [defaultDeny, ...rules.map((rule) => rule.ref)]) this.#names.renewRule(ref);
    }
    this.#policies = policies;
  }

  #workload(world: World, workload: LocalWorkload): Known {
    const names = this.#names;
    const selected = (direction: Direction): boolean => selectionsOf(world, workload, direction).length > 0;
    const id = names.workload(workload);
    const [primary = ''] = workload.addresses;
    const peer = this.#entries.get(addressPrefix(primary))?.peer ?? peerOfWorkload(world, workload);
    const now = {
      identity: names.peer(peer),
      egressSelected: selected('egress'),
      ingressSelected: selected('ingress'),
      boost: asksForBoost(workload),
      visible: visiblePorts(workload) !== undefined,
    };
    const known = this.#workloads.get(workload.key);
    if (known?.workload === workload && sameFields(known.desired, now)) return known;
    const { key, attachment, addresses } = workload;
    const desired = {
      id,
      key,
      attachment: attachment.type,
      path: attachment.path,
      addresses: addresses.map(parseAddress).filter((address) => address !== undefined),
      ...now,
    };
    return { workload, desired };
  }

  /** @param before the workloads of the world before */
  #compileAddresses(
    changes: readonly Change<IpcacheEntry>[],
    before: ReadonlyMap<string, Known>,
  ): PersistentMap<DesiredAddress> {
    const touched = new Set(changes.map(({ key }) => key));
    for (const key of new Set([...before.keys(), ...this.#workloads.keys()])) {
      const [was, is] = [before.get(key), this.#workloads.get(key)];
      if (was === is) continue;
      for (const known of [was, is])
        for (const address of known?.workload.addresses ?? []) touched.add(addressPrefix(address));
    }
    this.#addresses = this.#addresses.with(
      [...touched].sort().map((prefix) => [prefix, this.#address(this.#entries.get(prefix))]),
    );
    return this.#addresses;
  }

  #address(entry: IpcacheEntry | undefined): DesiredAddress | undefined {
    if (entry === undefined) return undefined;
    const local = entry.owner === undefined ? undefined : this.#workloads.get(entry.owner)?.desired;
    const owner = local?.attachment === 'netns' ? local : undefined;
    return {
      prefix: entry.prefix,
      identity: this.#names.peer(entry.peer),
      workload: owner?.id ?? 0,
      taken: entry.taken ?? false,
      egressSelected: owner?.egressSelected ?? false,
      ingressSelected: owner?.ingressSelected ?? false,
      boost: owner?.boost ?? false,
      visible: owner?.visible ?? false,
    };
  }
}

/** A workload of this host, and what became of it. */
interface Known {
  readonly workload: LocalWorkload;
  readonly desired: DesiredWorkload;
}

/** Whether `known` has all the values of `now`. */
function sameFields<T extends object>(known: T, now: Partial<T>): boolean {
  return (Object.keys(now) as (keyof T)[]).every((field) => known[field] === now[field]);
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
