// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../../core/abi/flow.ts';
import { verdict } from '../../core/abi/policy.ts';
import type { FlowNames } from '../flow-names.ts';
import { Offset } from '../record-layout.ts';
import { peerLabel } from './peer-label.ts';
import { OVERFLOW_VALUE } from './series-limit.ts';

/** Totals of one pair of workloads. */
export interface PairTotals {
  opened: number;
  closed: number;
  sentBytes: number;
  receivedBytes: number;
  retransmits: number;
}

export interface NamedTotals extends Readonly<PairTotals> {
  readonly source: string;
  readonly destination: string;
}

/** Stands for peers beyond the limit of pairs. */
const OVERFLOW = -1;
const IDENTITY_BASE = 2 ** 32;
const IPPROTO_TCP = 6;

/** In halves: a bigint is an object, and this is read for each record. */
function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}

/** Adds up what flow records say of TCP connections, by pairs of numbers; names are asked for when read. */
export class FlowMeter {
  readonly #maxPairs: number;
  readonly #names: FlowNames;
  readonly #totals = new Map<number, Map<number, PairTotals>>();
  #pairs = 0;

  constructor(names: FlowNames, maxPairs = 5000) {
    this.#names = names;
    this.#maxPairs = maxPairs;
  }

  /** For FlowStore.onRecord. */
  readonly observe = (bytes: Buffer, at: number): void => {
    if (bytes[at + Offset.protocol] !== IPPROTO_TCP) return;
    const kind = bytes[at + Offset.kind];
    if (kind === flowKind.close) {
      const totals = this.#pairOf(bytes, at);
      totals.closed += 1;
      totals.sentBytes += u64(bytes, at + Offset.bytesSent);
      totals.receivedBytes += u64(bytes, at + Offset.bytesReceived);
      totals.retransmits += bytes.readUInt32LE(at + Offset.retransmits);
    } else if (kind === flowKind.verdict && bytes[at + Offset.verdict] !== verdict.denied) {
      this.#pairOf(bytes, at).opened += 1;
    }
  };

  #pairOf(bytes: Buffer, at: number): PairTotals {
    const sourceWorkload = bytes.readUInt32LE(at + Offset.sourceWorkload);
    const destinationWorkload = bytes.readUInt32LE(at + Offset.destinationWorkload);
    const source = sourceWorkload || IDENTITY_BASE + bytes.readUInt32LE(at + Offset.sourceIdentity);
    const destination =
      destinationWorkload || IDENTITY_BASE + bytes.readUInt32LE(at + Offset.destinationIdentity);
    const known = this.#totals.get(source)?.get(destination);
    if (known !== undefined) return known;
    if (this.#pairs < this.#maxPairs) return this.#add(source, destination);
    return this.#totals.get(OVERFLOW)?.get(OVERFLOW) ?? this.#add(OVERFLOW, OVERFLOW);
  }

  #add(source: number, destination: number): PairTotals {
    const totals: PairTotals = { opened: 0, closed: 0, sentBytes: 0, receivedBytes: 0, retransmits: 0 };
    let row = this.#totals.get(source);
    if (row === undefined) this.#totals.set(source, (row = new Map<number, PairTotals>()));
    row.set(destination, totals);
    this.#pairs += 1;
    return totals;
  }

  #nameOf(peer: number): string {
    if (peer === OVERFLOW) return OVERFLOW_VALUE;
    const isWorkload = peer < IDENTITY_BASE;
    return peerLabel(this.#names, isWorkload ? peer : 0, isWorkload ? 0 : peer - IDENTITY_BASE);
  }

  /** One row per pair of names. */
  totals(): readonly NamedTotals[] {
    const rows = new Map<string, NamedTotals>();
    for (const [sourceId, row] of this.#totals) {
      const source = this.#nameOf(sourceId);
      for (const [destinationId, totals] of row) {
        const destination = this.#nameOf(destinationId);
        const key = `${source}\n${destination}`;
        const before = rows.get(key);
        rows.set(key, before === undefined ? { source, destination, ...totals } : sum(before, totals));
      }
    }
    return [...rows.values()];
  }
}

function sum(row: NamedTotals, totals: PairTotals): NamedTotals {
  return {
    ...row,
    opened: row.opened + totals.opened,
    closed: row.closed + totals.closed,
    sentBytes: row.sentBytes + totals.sentBytes,
    receivedBytes: row.receivedBytes + totals.receivedBytes,
    retransmits: row.retransmits + totals.retransmits,
  };
}
