// SPDX-License-Identifier: Apache-2.0
import { IdentityAllocator } from '../../core/identity/allocator.ts';
import { type PeerIdentity, reservedPeers } from '../../core/identity/peer-identity.ts';
import { type RuleRef, ruleKey } from '../../core/policy/rule-ref.ts';
import type { ServiceRef } from '../../core/service/service.ts';
import type { Workload } from '../../core/workload/workload.ts';

/** Assignments as they are kept across restarts. */
export interface NameAssignments {
  readonly seed: readonly (readonly [number, string])[];
  readonly next: number;
}

/**
 * The numeric names of one node: peers, rules, workloads and Services draw from one series, and what a number meant is
 * remembered for flows that are decoded later.
 */
export class Names {
  readonly #allocator: IdentityAllocator;
  readonly #peers = new Map<number, PeerIdentity>();
  readonly #rules = new Map<number, RuleRef>();
  readonly #workloads = new Map<number, Workload>();
  readonly #services = new Map<number, ServiceRef>();

  constructor(kept: NameAssignments) {
    this.#allocator = new IdentityAllocator({ ...kept, reserved: reservedPeers });
  }

  peer(peer: PeerIdentity): number {
    const number = this.#allocator.allocate(peer.key);
    this.#peers.set(number, peer);
    return number;
  }

  rule(ref: RuleRef | undefined): number {
    if (ref === undefined) return 0;
    const number = this.#allocator.allocate(`rule:${ruleKey(ref)}`);
    this.#rules.set(number, ref);
    return number;
  }

  /** Takes note of where a rule is written now, if it has a number. */
  renewRule(ref: RuleRef): void {
    const number = this.#allocator.lookup(`rule:${ruleKey(ref)}`);
    if (number !== undefined) this.#rules.set(number, ref);
  }

  workload(workload: Workload): number {
    const number = this.#allocator.allocate(`workload:${workload.key}`);
    this.#workloads.set(number, workload);
    return number;
  }

  service(ref: ServiceRef): number {
    const number = this.#allocator.allocate(serviceKey(ref));
    this.#services.set(number, ref);
    return number;
  }

  /** The number that a peer has already. */
  numberOf(peer: PeerIdentity): number | undefined {
    return this.#allocator.lookup(peer.key);
  }

  peerOf(number: number): PeerIdentity | undefined {
    return this.#peers.get(number);
  }

  ruleOf(number: number): RuleRef | undefined {
    return this.#rules.get(number);
  }

  workloadOf(number: number): Workload | undefined {
    return this.#workloads.get(number);
  }

  serviceOf(number: number): ServiceRef | undefined {
    return this.#services.get(number);
  }

  /** Forgets the numbers that nothing used since the start; they are not given out again. */
  forgetUnused(): void {
    const rules = [...this.#rules.values()].map((ref) => `rule:${ruleKey(ref)}`);
    const workloads = [...this.#workloads.values()].map(({ key }) => `workload:${key}`);
    const services = [...this.#services.values()].map(serviceKey);
    const peers = [...this.#peers.values()].map(({ key }) => key);
    this.#allocator.retain([...peers, ...rules, ...workloads, ...services]);
  }

  /** The next number to be given out. */
  get next(): number {
    return this.#allocator.next;
  }

  assignments(): NameAssignments {
    return { seed: this.#allocator.assignments(), next: this.#allocator.next };
  }
}

function serviceKey({ namespace, name, port, protocol, family }: ServiceRef): string {
  return `service:${namespace}/${name}:${String(port)}/${protocol}/${String(family)}`;
}
