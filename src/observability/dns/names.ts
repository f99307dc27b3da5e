// SPDX-License-Identifier: Apache-2.0
import type { DnsAddresses } from './answer.ts';

/** Programs use an address for longer than they may: pools, runtimes with caches of their own. ms. */
const GRACE_MS = 3_600_000;
/** A server that says more is not believed. s. */
const MAX_TTL = 86_400;

/** How many names of addresses are kept, counted as pairs of both. */
export interface DnsLimits {
  readonly perAddress: number;
  readonly perWorkload: number;
  readonly perNode: number;
}

const usualLimits: DnsLimits = { perAddress: 16, perWorkload: 1024, perNode: 16_384 };

/** Which limit names were given up for. */
export type DnsEviction = 'address' | 'workload' | 'node';

interface Known {
  readonly name: string;
  /** ms since 1970: from the first answer on, until the last has run out. */
  readonly from: number;
  until: number;
}

/** What one workload was told. */
interface Told {
  /** By address, the one that was told last at the end; of each the newest name last. */
  readonly byAddress: Map<string, Known[]>;
  pairs: number;
}

/**
 * The names that workloads asked for, by the addresses that they were told: for people who look at flows, and for nothing
 * else. What one workload was told names the addresses of its own flows, and takes no room from others.
 */
export class DnsNames {
  readonly evicted: Record<DnsEviction, number> = { address: 0, workload: 0, node: 0 };
  readonly #limits: DnsLimits;
  readonly #workloads = new Map<number, Told>();
  #pairs = 0;
  #version = 0;

  constructor(limits: DnsLimits = usualLimits) {
    this.#limits = limits;
  }

  /** Pairs of a name and an address. */
  get count(): number {
    return this.#pairs;
  }

  /** Differs whenever an address may have another name. */
  get version(): number {
    return this.#version;
  }

  /** @param now ms since 1970 */
  learn(workload: number, { name, addresses, ttl }: DnsAddresses, now: number): void {
    const told = this.#workloads.get(workload) ?? { byAddress: new Map<string, Known[]>(), pairs: 0 };
    this.#workloads.set(workload, told);
    const until = now + Math.min(ttl, MAX_TTL) * 1000 + GRACE_MS;
    for (const address of addresses) this.#learn(told, address, { name, from: now, until });
    while (told.pairs > this.#limits.perWorkload) this.#forgetOldest(told, 'workload');
    while (this.#pairs > this.#limits.perNode) this.#forgetOldest(this.#largest(), 'node');
    this.#version += 1;
  }

  /**
   * What a workload called an address, the newest name first.
   * @param start when the flow began, ms since 1970; @param end when it was recorded
   */
  of(workload: number, address: string, start: number, end: number): readonly string[] {
    const known = this.#workloads.get(workload)?.byAddress.get(address) ?? [];
    const names = known.filter(({ from, until }) => from <= end && start < until);
    return names.map(({ name }) => name).toReversed();
  }

  /** Whether `of` can have an answer for a workload: most have not asked for anything. */
  has(workload: number): boolean {
    return this.#workloads.has(workload);
  }

  /** The addresses, 16 bytes each, that somebody knows by a name of which the test says yes. */
  addresses(test: (name: string) => boolean): readonly Buffer[] {
    const found = new Set<string>();
    for (const { byAddress } of this.#workloads.values())
      for (const [address, known] of byAddress) if (known.some(({ name }) => test(name))) found.add(address);
    return [...found].map((address) => Buffer.from(address, 'latin1'));
  }

  #learn(told: Told, address: string, fresh: Known): void {
    const known = told.byAddress.get(address) ?? [];
    const index = known.findIndex(({ name }) => name === fresh.name);
    const [before] = index === -1 ? [] : known.splice(index, 1);
    known.push(before === undefined ? fresh : { ...before, until: Math.max(before.until, fresh.until) });
    if (before === undefined) this.#add(told, 1);
    if (known.length > this.#limits.perAddress) {
      known.shift();
      this.#add(told, -1);
      this.evicted.address += 1;
    }
    told.byAddress.delete(address);
    told.byAddress.set(address, known);
  }

  #add(told: Told, pairs: number): void {
    told.pairs += pairs;
    this.#pairs += pairs;
  }

  #forgetOldest(told: Told, limit: DnsEviction): void {
    for (const [address, { length }] of told.byAddress) {
      told.byAddress.delete(address);
      this.#add(told, -length);
      this.evicted[limit] += length;
      break;
    }
    if (told.pairs > 0) return;
    for (const [workload, one] of this.#workloads) if (one === told) this.#workloads.delete(workload);
  }

  /** Who asks much makes room first. */
  #largest(): Told {
    return [...this.#workloads.values()].reduce((most, one) => (one.pairs > most.pairs ? one : most));
  }
}
