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

/** What the numbers mean that were asked for. */
class Meanings {
  readonly peers = new Map<number, PeerIdentity>();
  readonly rules = new Map<number, RuleRef>();
  readonly workloads = new Map<number, Workload>();
  readonly services = new Map<number, ServiceRef>();
}

export interface NameLimits {
  /** So many numbers may be unused. */
  readonly spare: number;
  /** What keeps them has room for so many. */
  readonly room: number;
}

const defaults: NameLimits = { spare: 16_384, room: Number.POSITIVE_INFINITY };

/**
 * The numeric names of one node: peers, rules, workloads and Services draw from one series, and what a number meant is
 * remembered for flows that are decoded later. A number that is forgotten may still lie in an open connection, with the proxy or,
 * after an attempt that failed, in a map: it is given to nobody else, and without rows of its own it gets the verdicts of
 * the rest, which are as strict as anybody's.
 */
export class Names {
  readonly #allocator: IdentityAllocator;
  readonly #limits: NameLimits;
  /** Asked for since the numbers were last taken stock of. */
  #now = new Meanings();
  /** Before that: flows still speak of them. */
  #before = new Meanings();
  /** Whether all that is in use is being asked for. */
  #takesStock = true;
  /** How many were in use when others were last forgotten. */
  #kept = 0;
  #generation = 0;

  constructor(kept: NameAssignments, limits: Partial<NameLimits> = {}) {
    this.#limits = { ...defaults, ...limits };
    this.#allocator = new IdentityAllocator({ ...kept, reserved: reservedPeers });
  }

  peer(peer: PeerIdentity): number {
    const number = this.#allocator.allocate(peer.key);
    this.#now.peers.set(number, peer);
    return number;
  }

  rule(ref: RuleRef | undefined): number {
    if (ref === undefined) return 0;
    const number = this.#allocator.allocate(`rule:${ruleKey(ref)}`);
    this.#now.rules.set(number, ref);
    return number;
  }

  /** Takes note of where a rule is written now, if it has a number. */
  renewRule(ref: RuleRef): void {
    const number = this.#allocator.lookup(`rule:${ruleKey(ref)}`);
    if (number !== undefined) this.#now.rules.set(number, ref);
  }

  workload(workload: Workload): number {
    const number = this.#allocator.allocate(`workload:${workload.key}`);
    this.#now.workloads.set(number, workload);
    return number;
  }

  service(ref: ServiceRef): number {
    const number = this.#allocator.allocate(serviceKey(ref));
    this.#now.services.set(number, ref);
    return number;
  }

  /** The number that a peer has already. */
  numberOf(peer: PeerIdentity): number | undefined {
    return this.#allocator.lookup(peer.key);
  }

  peerOf(number: number): PeerIdentity | undefined {
    return this.#now.peers.get(number) ?? this.#before.peers.get(number);
  }

  ruleOf(number: number): RuleRef | undefined {
    return this.#now.rules.get(number) ?? this.#before.rules.get(number);
  }

  workloadOf(number: number): Workload | undefined {
    return this.#now.workloads.get(number) ?? this.#before.workloads.get(number);
  }

  serviceOf(number: number): ServiceRef | undefined {
    return this.#now.services.get(number) ?? this.#before.services.get(number);
  }

  /**
   * So many have been given out since others were last forgotten that it is time to take stock: half of what is left of the
   * room, so that one change may well need as many again. Where all of it is in use, taking stock frees nothing.
   */
  get isCrowded(): boolean {
    const { spare, room } = this.#limits;
    const left = Math.max(Math.floor((room - this.#kept) / 2), 1);
    return this.#allocator.size - this.#kept >= Math.min(spare, left);
  }

  /**
   * From here on only what is asked for counts as used. All that is in use has to be asked for before `forgetUnused`; who did
   * not get so far begins again with the same call.
   */
  takeStock(): void {
    if (this.#takesStock) return;
    this.#takesStock = true;
    this.#before = this.#now;
    this.#now = new Meanings();
  }

  /** Forgets the numbers that nothing used since the start, or since `takeStock`; they are not given out again. */
  forgetUnused(): void {
    this.#takesStock = false;
    const { peers, rules, workloads, services } = this.#now;
    this.#allocator.retain([
      ...Array.from(peers.values(), ({ key }) => key),
      ...Array.from(rules.values(), (ref) => `rule:${ruleKey(ref)}`),
      ...Array.from(workloads.values(), ({ key }) => `workload:${key}`),
      ...Array.from(services.values(), serviceKey),
    ]);
    this.#kept = this.#allocator.size;
    this.#generation += 1;
  }

  /** Another one after some were forgotten. */
  get generation(): number {
    return this.#generation;
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
