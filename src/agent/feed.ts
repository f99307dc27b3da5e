// SPDX-License-Identifier: Apache-2.0
import type { ResourceCondition } from '../api/ports.ts';
import type { Resource } from '../core/resources/kinds.ts';
import type { ResourceError } from '../core/resources/resource-error.ts';

/** What a source says of itself: mistakes in what it read, what it holds, and what is not as it should be. */
export interface Feed {
  errors: readonly ResourceError[];
  /** Objects by kind. */
  counts: () => Readonly<Record<string, number>>;
  /** Workloads that should be governed and that the source can't lead to. */
  notEnrolled: number;
  conditions: () => readonly ResourceCondition[];
  /** How long each collection of the API server has not been heard of, seconds; 0: it is current. */
  ages: () => Readonly<Record<string, number>>;
}

export function createFeed(): Feed {
  return { errors: [], counts: () => ({}), notEnrolled: 0, conditions: () => [], ages: () => ({}) };
}

export function countKinds(resources: Iterable<Resource>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of resources) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
