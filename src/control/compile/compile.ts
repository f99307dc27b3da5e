// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../../core/identity/address.ts';
import { parsePrefix } from '../../core/identity/prefix.ts';
import { ipcache, type IpcacheEntry, peerIdentities, peerOfWorkload } from '../../core/policy/peers.ts';
import type { Policy } from '../../core/policy/rule.ts';
import type { Direction } from '../../core/policy/rule-ref.ts';
import { type World, selectionsOf } from '../../core/policy/world.ts';
import type { ProxyVerdict } from '../../core/proxy/config.ts';
import type {
  DesiredAddress,
  DesiredState,
  DesiredTable,
  DesiredWorkload,
} from '../../core/state/desired.ts';
import type { Workload } from '../../core/workload/workload.ts';
import { AutomatonSet, type CompiledRules } from './automata.ts';
import { ContentKeys } from './content-key.ts';
import { DistinctPeers } from './distinct-peers.ts';
import type { Names } from './names.ts';
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
  readonly #peers: DistinctPeers;
  readonly #tables: TableSet;
  #policies: ReadonlySet<Policy> = new Set();

  constructor(names: Names) {
    const keys = new ContentKeys();
    this.#names = names;
    this.#peers = new DistinctPeers(keys);
    this.#tables = new TableSet(names, new AutomatonSet(names), this.#peers, keys);
  }

  /** Pure but for the numbers that `names` gives to what is new. */
  compile(world: World): Compiled {
    const names = this.#names;
    this.#renewRules(world);
    const entries = ipcache(world);
    const peers = peerIdentities(entries);
    for (const peer of peers) names.peer(peer);
    this.#peers.take(world, peers);
    const all = [...world.workloads.values()];
    const workloads = all.map((workload) => this.#workload(world, workload));
    const tables = all.flatMap((workload, index) =>
      directions.flatMap((direction) => {
        if (selectionsOf(world, workload, direction).length === 0) return [];
        return [
          {
            workload: workloads[index]?.id ?? 0,
            direction,
            table: this.#tables.of(world, workload, direction),
          },
        ];
      }),
    );
    this.#tables.settle();
    return {
      desired: {
        workloads,
        ipcache: compileAddresses(world, names, entries, workloads),
        policy: tables.map(({ workload, direction, table }) => ({ workload, direction, rows: table.rows })),
      },
      ...compileProxy(tables),
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

  #workload(world: World, workload: Workload): DesiredWorkload {
    const names = this.#names;
    const selected = (direction: Direction): boolean => selectionsOf(world, workload, direction).length > 0;
    return {
      id: names.workload(workload),
      key: workload.key,
      identity: names.peer(peerOfWorkload(world, workload)),
      attachment: workload.attachment.type,
      path: workload.attachment.path,
      egressSelected: selected('egress'),
      ingressSelected: selected('ingress'),
      addresses: workload.addresses.map(parseAddress).filter((address) => address !== undefined),
    };
  }
}

/** Compiles one world alone. */
export function compile(world: World, names: Names): Compiled {
  return new Compiler(names).compile(world);
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

function compileAddresses(
  world: World,
  names: Names,
  entries: readonly IpcacheEntry[],
  workloads: readonly DesiredWorkload[],
): DesiredAddress[] {
  const owners = new Map(
    workloads
      .filter((workload) => workload.attachment === 'netns')
      .map((workload) => [workload.key, workload] as const),
  );
  return entries.flatMap(({ prefix: text, peer }) => {
    const prefix = parsePrefix(text);
    if (prefix === undefined) return [];
    const owner = ownerOf(world, text, owners);
    return [
      {
        prefix,
        identity: names.peer(peer),
        workload: owner?.id ?? 0,
        egressSelected: owner?.egressSelected ?? false,
        ingressSelected: owner?.ingressSelected ?? false,
      },
    ];
  });
}

function ownerOf(
  world: World,
  prefix: string,
  owners: ReadonlyMap<string, DesiredWorkload>,
): DesiredWorkload | undefined {
  const [text = '', length] = prefix.split('/');
  const address = parseAddress(text);
  if (address === undefined || Number(length) !== (address.family === 4 ? 32 : 128)) return undefined;
  const owner = world.addresses.owner(address);
  return owner === undefined || 'node' in owner ? undefined : owners.get(owner.workload);
}
