// SPDX-License-Identifier: Apache-2.0
import {
  type BoostOutcomeName,
  boostOutcome,
  boostOutcomeNames,
  boostRefusalKey,
} from '../../core/abi/boost.ts';
import type { Maps } from '../maps.ts';
import { sumCpus } from '../typed-map.ts';

export type BoostCounts = Readonly<Record<BoostOutcomeName, number>>;

/** Connections and messages since the maps were made, by what became of them. */
export function readBoostCounts(maps: Pick<Maps, 'boost_counts'>): BoostCounts {
  const count = (outcome: number): number => {
    const key = Buffer.alloc(4);
    key.writeUInt32LE(outcome);
    return Number(sumCpus(maps.boost_counts.lookup(key) ?? Buffer.alloc(0)));
  };
  const names = Object.entries(boostOutcome) as [BoostOutcomeName, number][];
  return Object.fromEntries(names.map(([name, number]) => [name, count(number)])) as BoostCounts;
}

/** Connections of one workload that were not boosted, or not any more, and why. */
export interface BoostRefusals {
  readonly workload: number;
  readonly outcome: BoostOutcomeName;
  readonly count: number;
}

export function readBoostRefusals(maps: Pick<Maps, 'boost_refusals'>): BoostRefusals[] {
  const { keys, values, count } = maps.boost_refusals.dump();
  return Array.from({ length: count }, (_, index) => {
    const { workload, outcome } = boostRefusalKey.decode(keys, index * boostRefusalKey.size);
    const total = Number(values.readBigUInt64LE(index * 8));
    return { workload, outcome: boostOutcomeNames[outcome] ?? 'gone', count: total };
  });
}

export function removeBoostRefusals(
  maps: Pick<Maps, 'boost_refusals'>,
  refusals: readonly BoostRefusals[],
): void {
  for (const { workload, outcome } of refusals)
    maps.boost_refusals.delete(boostRefusalKey.encode({ workload, outcome: boostOutcome[outcome] }));
}
