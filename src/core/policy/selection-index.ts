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
  #namespaces = new Map<string, Selecting>();
  #asked: readonly unknown[] = [];
  #index: ReadonlyMap<string, Selection> = new Map();

  /** By `direction workload-key`; workloads that are selected alike share one list. */
  of(
    workloads: readonly Workload[],
    policies: readonly Policy[],
    namespaces: ReadonlyMap<string, Labels>,
  ): ReadonlyMap<string, Selection> {
    const asked = [workloads, policies, namespaces];
    if (asked.every((part, at) => part === this.#asked[at])) return this.#index;
    this.#asked = asked;
    this.#index = this.#select(workloads, policies, namespaces);
    return this.#index;
  }

  #select(
    workloads: readonly Workload[],
    policies: readonly Policy[],
    namespaces: ReadonlyMap<string, Labels>,
  ): ReadonlyMap<string, Selection> {
    const index = new Map<string, Selection>();
    const before = this.#lists;
    this.#lists = new Map();
    const known = this.#namespaces;
    this.#namespaces = new Map();
    const candidates = byNamespace(policies);
    const labelsOf = (name: string) => namespaces.get(name) ?? implicitLabels(name);
    const inNamespace = (name: string): Selecting => {
      const found =
        this.#namespaces.get(name) ?? new Selecting(candidates(name), name, labelsOf).orSame(known.get(name));
      this.#namespaces.set(name, found);
      return found;
    };
    for (const workload of workloads) {
      const selecting = inNamespace(workload.namespace).of(workload);
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

/** What selects workloads of a namespace, for as long as neither its labels nor the policies that mean it change. */
class Selecting {
  readonly #policies: readonly Policy[];
  readonly #workloads = new WeakMap<Workload, readonly Policy[]>();

  /** @param candidates policies that may mean the namespace */
  constructor(candidates: readonly Policy[], namespace: string, labelsOf: (name: string) => Labels) {
    this.#policies = candidates.filter(
      ({ subject }) => namespaceMismatch(subject.namespaces, namespace, labelsOf) === undefined,
    );
  }

  /** The one of the world before, with what it knows, if nothing has changed. */
  orSame(before: Selecting | undefined): Selecting {
    if (before === undefined || before.#policies.length !== this.#policies.length) return this;
    return this.#policies.every((policy, at) => policy === before.#policies[at]) ? before : this;
  }

  of(workload: Workload): readonly Policy[] {
    const known = this.#workloads.get(workload);
    if (known !== undefined) return known;
    const found = this.#policies.filter(({ subject }) => selects(subject.podSelector, workload.labels));
    this.#workloads.set(workload, found);
    return found;
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
