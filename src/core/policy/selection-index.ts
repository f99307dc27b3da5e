// SPDX-License-Identifier: Apache-2.0
import { governs, type Workload } from '../workload/workload.ts';
import { namespaceMismatch } from './peer-match.ts';
import type { Policy, PolicyDirection } from './rule.ts';
import type { Direction } from './rule-ref.ts';
import { type Labels, selects } from './selector.ts';

type Selection = readonly PolicyDirection[];

/** The label that Kubernetes gives every namespace. */
export function implicitLabels(namespace: string): Labels {
  return { 'kubernetes.io/metadata.name': namespace };
}

export function selectionKey(workload: string, direction: Direction): string {
  return `${direction} ${workload}`;
}

/** Which policies select which workloads, world after world. The same list is the same object in all of them. */
export class SelectionIndex {
  /** Numbers of policies' directions: what is read anew gets a new one. */
  readonly #numbers = new WeakMap<PolicyDirection, number>();
  #next = 0;
  #lists = new Map<string, Selection>();

  /** By `direction workload-key`; workloads that are selected alike share one list. */
  of(
    workloads: Iterable<Workload>,
    policies: readonly Policy[],
    namespaces: ReadonlyMap<string, Labels>,
  ): Map<string, Selection> {
    const index = new Map<string, Selection>();
    const before = this.#lists;
    this.#lists = new Map();
    const candidates = byNamespace(policies);
    const labelsOf = (name: string) => namespaces.get(name) ?? implicitLabels(name);
    for (const workload of workloads) {
      const selecting = candidates(workload.namespace).filter(
        ({ subject }) =>
          namespaceMismatch(subject.namespaces, workload.namespace, labelsOf) === undefined &&
          selects(subject.podSelector, workload.labels),
      );
      for (const direction of ['ingress', 'egress'] as const) {
        if (!governs(workload, direction)) continue;
        const list = selecting.flatMap(({ directions }) =>
          directions.filter((one) => one.direction === direction),
        );
        if (list.length > 0) index.set(selectionKey(workload.key, direction), this.#share(list, before));
      }
    }
    return index;
  }

  #share(list: Selection, before: ReadonlyMap<string, Selection>): Selection {
    const text = list.map((one) => this.#numberOf(one)).join(' ');
    const known = this.#lists.get(text) ?? before.get(text) ?? list;
    this.#lists.set(text, known);
    return known;
  }

  #numberOf(direction: PolicyDirection): number {
    const number = this.#numbers.get(direction) ?? this.#next++;
    this.#numbers.set(direction, number);
    return number;
  }
}

/** The policies that may select workloads of a namespace, in their order. */
function byNamespace(policies: readonly Policy[]): (namespace: string) => readonly Policy[] {
  const known = new Map<string, readonly Policy[]>();
  return (namespace) => {
    const list =
      known.get(namespace) ??
      policies.filter(
        ({ subject: { namespaces } }) =>
          namespaces === 'any' || !('name' in namespaces) || namespaces.name === namespace,
      );
    known.set(namespace, list);
    return list;
  };
}
