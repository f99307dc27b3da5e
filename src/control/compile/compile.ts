// SPDX-License-Identifier: Apache-2.0
import { parseAddress } from '../../core/identity/address.ts';
import type { PeerIdentity } from '../../core/identity/peer-identity.ts';
import { parsePrefix } from '../../core/identity/prefix.ts';
import { connectionVerdict } from '../../core/policy/connection-verdict.ts';
import { ipcache, peerIdentities, peerOfWorkload } from '../../core/policy/peers.ts';
import { DEFAULT_DENY_INDEX, type Direction } from '../../core/policy/rule-ref.ts';
import type { PortRange } from '../../core/policy/verdict.ts';
import { type World, selectionsOf } from '../../core/policy/world.ts';
import type { ProxyVerdict } from '../../core/proxy/config.ts';
import type {
  DesiredAddress,
  DesiredPolicy,
  DesiredState,
  DesiredWorkload,
} from '../../core/state/desired.ts';
import type { Workload } from '../../core/workload/workload.ts';
import { AutomatonSet } from './automata.ts';
import type { Names } from './names.ts';

/** A world in the terms of those who enforce it. */
export interface Compiled {
  readonly desired: DesiredState;
  readonly proxy: {
    readonly verdicts: readonly ProxyVerdict[];
    readonly automata: readonly Uint8Array[];
  };
  /** Rules that can't be enforced as written, in words; what they govern is refused. */
  readonly problems: readonly string[];
}

interface Context {
  readonly world: World;
  readonly names: Names;
  readonly peers: readonly (readonly [PeerIdentity, number])[];
  readonly automata: AutomatonSet;
  readonly policy: DesiredPolicy[];
  readonly verdicts: ProxyVerdict[];
}

const directions = ['egress', 'ingress'] as const;

/** Pure but for the numbers that `names` gives to what is new. */
export function compile(world: World, names: Names): Compiled {
  const automata = new AutomatonSet(names);
  const peers = peerIdentities(world).map((peer) => [peer, names.peer(peer)] as const);
  const context: Context = { world, names, peers, automata, policy: [], verdicts: [] };
  const workloads = [...world.workloads.values()].map((workload) => compileWorkload(context, workload));
  return {
    desired: { workloads, ipcache: compileAddresses(world, names, workloads), policy: context.policy },
    proxy: { verdicts: context.verdicts, automata: automata.tables },
    problems: automata.problems,
  };
}

function compileWorkload(context: Context, workload: Workload): DesiredWorkload {
  const { world, names } = context;
  const id = names.workload(workload);
  const selected = (direction: Direction): boolean => selectionsOf(world, workload, direction).length > 0;
  for (const direction of directions)
    if (selected(direction)) compileDirection(context, workload, id, direction);
  return {
    id,
    key: workload.key,
    identity: names.peer(peerOfWorkload(world, workload)),
    attachment: workload.attachment.type,
    path: workload.attachment.path,
    egressSelected: selected('egress'),
    ingressSelected: selected('ingress'),
    addresses: workload.addresses.map(parseAddress).filter((address) => address !== undefined),
  };
}

function compileDirection(context: Context, workload: Workload, id: number, direction: Direction): void {
  for (const [peer, identity] of context.peers) {
    for (const protocol of ['TCP', 'UDP'] as const) {
      for (const range of connectionVerdict(context.world, workload, direction, peer, protocol)) {
        const rule = context.names.rule(range.rule);
        const shared = { workload: id, direction, identity, from: range.from, to: range.to, rule };
        context.policy.push({ ...shared, protocol, ...kernelVerdict(range) });
        if (protocol !== 'TCP') continue;
        const { world, automata } = context;
        const answer = automata.verdict({ world, workload, direction, peer, range });
        context.verdicts.push({ ...shared, ...answer });
      }
    }
  }
}

const actions = { Allow: 'allow', Deny: 'deny', Proxy: 'proxy' } as const;

function kernelVerdict(range: PortRange): Pick<DesiredPolicy, 'action' | 'audit' | 'reason'> {
  const byDefault = range.rule === undefined || range.rule.index === DEFAULT_DENY_INDEX;
  return {
    action: actions[range.verdict],
    audit: range.audit?.verdict === 'Deny',
    reason: range.verdict !== 'Deny' ? 'none' : byDefault ? 'policy-no-rule' : 'policy-denied',
  };
}

function compileAddresses(
  world: World,
  names: Names,
  workloads: readonly DesiredWorkload[],
): DesiredAddress[] {
  const owners = new Map(
    workloads
      .filter((workload) => workload.attachment === 'netns')
      .map((workload) => [workload.key, workload] as const),
  );
  return ipcache(world).flatMap(({ prefix: text, peer }) => {
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
