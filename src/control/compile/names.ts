// SPDX-License-Identifier: Apache-2.0
import { IdentityAllocator } from '../../core/identity/allocator.ts';
import { type PeerIdentity, reservedPeers } from '../../core/identity/peer-identity.ts';
import { type RuleRef, ruleKey } from '../../core/policy/rule-ref.ts';
import type { Workload } from '../../core/workload/workload.ts';

/** Assignments as they are kept across restarts. */
export interface NameAssignments {
  readonly seed: readonly (readonly [number, string])[];
  readonly next: number;
}

/**
 * The numeric names of one node: peers, rules and workloads draw from one series, and what a number meant is
 * remembered for flows that are decoded later.
 */
export class Names {
  readonly #allocator: IdentityAllocator;
  readonly #peers = new Map<number, PeerIdentity>();
  readonly #rules = new Map<number, RuleRef>();
  readonly #workloads = new Map<number, Workload>();

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

  /** Forgets the numbers that nothing used since the start; they are not given out again. */
  forgetUnused(): void {
    const rules = [...this.#rules.values()].map((ref) => `rule:${ruleKey(ref)}`);
    const workloads = [...this.#workloads.values()].map(({ key }) => `workload:${key}`);
    this.#allocator.retain([...[...this.#peers.values()].map(({ key }) => key), ...rules, ...workloads]);
  }

  /** The next number to be given out. */
  get next(): number {
    return this.#allocator.next;
  }

  assignments(): NameAssignments {
    return { seed: this.#allocator.assignments(), next: this.#allocator.next };
  }
}
