// SPDX-License-Identifier: Apache-2.0
import { slotIndex } from '../core/port/reactor.ts';
import type { PolicyTable } from './policy.ts';

/** Whoever is told what happens on a socket. */
export interface SlotOwner {
  /** The namespace that it opens sockets in. */
  readonly netnsFd: number;
  /** connect() ended; on an errno the slot is gone. */
  connected(slot: number, errno: number): void;
  data(slot: number, offset: number, length: number): void;
  end(slot: number): void;
  /** The slot is gone. */
  failed(slot: number, errno: number): void;
  drained(slot: number): void;
  congested(slot: number, bytes: number): void;
  /** Both slots of a relay are gone. */
  relayEnded(slot: number, errno: number): void;
  /** Another policy is in force: may this go on? */
  reviewed(policy: PolicyTable): void;
  /** To end after what is under way. */
  drain(): void;
  /** To end now, for this reason. */
  terminate(why: number): void;
}

/** No slot: every one has a generation above its index. */
const NONE = 0;
const FIRST_SIZE = 1024;

/** Owners by slot. A slot that has ended, or belongs to an earlier generation, has none. Grows with the indices. */
export class Owners {
  private readonly owners: (SlotOwner | null)[] = new Array<SlotOwner | null>(FIRST_SIZE).fill(null);
  private slots = new Int32Array(FIRST_SIZE);

  of(slot: number): SlotOwner | null {
    const index = slotIndex(slot);
    return this.slots[index] === slot ? (this.owners[index] as SlotOwner | null) : null;
  }

  set(slot: number, owner: SlotOwner): void {
    const index = slotIndex(slot);
    if (index >= this.slots.length) this.grow(index);
    this.owners[index] = owner;
    this.slots[index] = slot;
  }

  clear(slot: number): void {
    const index = slotIndex(slot);
    if (this.slots[index] !== slot) return;
    this.owners[index] = null;
    this.slots[index] = NONE;
  }

  /** Each owner once. */
  all(): Set<SlotOwner> {
    const all = new Set<SlotOwner>();
    for (const owner of this.owners) if (owner !== null) all.add(owner);
    return all;
  }

  private grow(index: number): void {
    const grown = new Int32Array(2 ** Math.ceil(Math.log2(index + 1)));
    grown.set(this.slots);
    this.slots = grown;
    while (this.owners.length < grown.length) this.owners.push(null);
  }
}
