// SPDX-License-Identifier: Apache-2.0
import type { AgentEvent } from '../core/agent-event.ts';
import type { Policy } from '../core/policy/rule.ts';
import type { World } from '../core/policy/world.ts';
import type { DesiredWorkload } from '../core/state/desired.ts';
import type { Workload } from '../core/workload/workload.ts';
import { PersistentMap } from '../lib/persistent-map.ts';
import { EventLog } from '../observability/event-log.ts';

/** What is in force, as far as events speak of it. */
export interface InForce {
  readonly revision: number;
  readonly world: Pick<World, 'workloads' | 'policies' | 'networkPolicies'>;
  readonly compiled: { readonly desired: { readonly workloads: readonly DesiredWorkload[] } };
  readonly at: Date;
}

/** By name, the policies that the other does not have; one that says nothing in either direction has none. */
function policiesBeside(
  { policies, networkPolicies }: InForce['world'],
  other: InForce['world'] | undefined,
): ReadonlyMap<string, Policy> {
  const known = new Set([...(other?.networkPolicies ?? []), ...(other?.policies ?? [])]);
  return new Map(
    [...networkPolicies, ...policies].flatMap((policy) => {
      const ref = known.has(policy) ? undefined : policy.directions[0]?.defaultDeny;
      if (ref === undefined) return [];
      const name = ref.namespace === '' ? ref.name : `${ref.namespace}/${ref.name}`;
      return [[`${ref.kind} ${name}`, policy] as const];
    }),
  );
}

/** The events that tell one state from the next. What did not change is the same object in both. */
export function changeEvents(before: InForce | undefined, now: InForce): readonly AgentEvent[] {
  const time = BigInt(now.at.getTime()) * 1_000_000n;
  const { revision } = now;
  const isSame =
    before?.world.policies === now.world.policies &&
    before.world.networkPolicies === now.world.networkPolicies;
  const none = new Map<string, Policy>();
  const gonePolicies = before === undefined || isSame ? none : policiesBeside(before.world, now.world);
  const newPolicies = isSame ? none : policiesBeside(now.world, before?.world);
  const policyEvent = (
    type: 'policy-updated' | 'policy-deleted',
    policy: string,
    { directions }: Policy,
  ) => ({
    ...{ time, type, policy, revision },
    rules: directions.reduce((sum, { rules }) => sum + rules.length, 0),
  });
  const identities = (state: InForce): ReadonlyMap<string, number> =>
    new Map(state.compiled.desired.workloads.map(({ key, identity }) => [key, identity]));
  const workloadEvent = (
    type: 'workload-added' | 'workload-removed',
    { key, namespace, name, labels }: Workload,
    known: ReadonlyMap<string, number>,
  ) => ({ ...{ time, type, namespace, name, labels }, identity: known.get(key) ?? 0 });
  const changes = now.world.workloads
    .changesSince(before?.world.workloads ?? PersistentMap.empty())
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const gone = changes.flatMap(({ was, is }) => (was === undefined || is !== undefined ? [] : [was]));
  const come = changes.flatMap(({ was, is }) => (was !== undefined || is === undefined ? [] : [is]));
  const known = identities(now);
  return [
    ...gone.map((one) =>
      workloadEvent('workload-removed', one, before === undefined ? known : identities(before)),
    ),
    ...come.map((one) => workloadEvent('workload-added', one, known)),
    ...[...gonePolicies]
      .filter(([name]) => !newPolicies.has(name))
      .map(([name, policy]) => policyEvent('policy-deleted', name, policy)),
    ...[...newPolicies].map(([name, policy]) => policyEvent('policy-updated', name, policy)),
  ];
}

/** Events of one run of the agent. */
export class ChangeEvents {
  readonly log = new EventLog();
  #inForce: InForce | undefined;

  constructor(startedAt: Date) {
    this.log.add({ type: 'started', time: BigInt(startedAt.getTime()) * 1_000_000n });
  }

  applied(now: InForce): void {
    this.log.add(...changeEvents(this.#inForce, now));
    this.#inForce = now;
  }
}
