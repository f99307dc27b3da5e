// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../core/abi/flow.ts';
import { Offset, RECORD_SIZE, type RecordMemory, traceIdAt } from './record-layout.ts';
import { addressTerms, Field, pathTerms, statusTerm, statusUnits, term, textTerm } from './terms.ts';

/** Bytes of Bloom filter for so many bytes of records: some ten bits for each term that only one record has. */
const CHUNK_BYTES_PER_BLOOM_BYTE = 32;
/** Distinct peers and rules of a chunk that are listed; of more, any may be there. */
const LISTED = 32;
const TOO_MANY = 255;
/** Numbers below this pack into pairs that a double holds exactly. */
const PACKABLE = 2 ** 21;

/** Fields of few values: a bit for each. */
export const smallFields = {
  kind: Offset.kind,
  verdict: Offset.verdict,
  direction: Offset.direction,
  path: Offset.path,
  family: Offset.family,
  protocol: Offset.protocol,
} as const;
export type SmallField = keyof typeof smallFields;
const smallNames = Object.keys(smallFields) as readonly SmallField[];
const smallOffsets = Object.values(smallFields);

/** Lists of the numbers that need names before a filter can judge them. */
export const lists = { source: 0, destination: 1, rules: 2 } as const;
export type ListName = keyof typeof lists;
const LISTS = 3;

const IPPROTO_UDP = 17;

/** A power of two, so that a mask takes the place of a division. */
function bloomWords(chunkBytes: number): number {
  return 2 ** Math.max(4, Math.round(Math.log2(chunkBytes / CHUNK_BYTES_PER_BLOOM_BYTE / 4)));
}

/** 5 bits per field; protocols are numbered here, kinds and verdicts are small already. */
function bitOf(field: number, value: number): number {
  const small = field === 5 ? (value === IPPROTO_UDP ? 1 : 0) : value;
  return small < 5 ? 1 << (field * 5 + small) : 1 << (field * 5);
}

/**
 * For each chunk of a ring what its records have in common, in memory of a fixed size: enough to tell that a
 * chunk holds no record a filter looks for. Never wrong when it says no.
 */
export class ChunkSummaries {
  readonly #words: number;
  readonly #bloom: Int32Array;
  readonly #small: Int32Array;
  readonly #reasons: Int32Array;
  readonly #lists: Float64Array;
  readonly #counts: Uint8Array;
  readonly #oldest: Float64Array;
  readonly #newest: Float64Array;
  #slot = 0;

  constructor(slots: number, chunkBytes: number) {
    this.#words = bloomWords(chunkBytes);
    this.#bloom = new Int32Array(slots * this.#words);
    this.#small = new Int32Array(slots);
    this.#reasons = new Int32Array(slots * 2);
    this.#lists = new Float64Array(slots * LISTS * LISTED);
    this.#counts = new Uint8Array(slots * LISTS);
    this.#oldest = new Float64Array(slots);
    this.#newest = new Float64Array(slots);
  }

  /** Bytes of memory for each slot. */
  static bytesPerSlot(chunkBytes: number): number {
    return bloomWords(chunkBytes) * 4 + LISTS * (LISTED * 8 + 1) + 3 * 4 + 2 * 8;
  }

  get bytes(): number {
    const arrays = [this.#bloom, this.#small, this.#reasons, this.#lists, this.#counts];
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 2 * this.#oldest.byteLength);
  }

  /** Begins the summary of a chunk that has no records yet. */
  open(slot: number): void {
    this.#slot = slot;
    this.#bloom.fill(0, slot * this.#words, (slot + 1) * this.#words);
    this.#small[slot] = 0;
    this.#reasons.fill(0, slot * 2, slot * 2 + 2);
    this.#counts.fill(0, slot * LISTS, (slot + 1) * LISTS);
    this.#oldest[slot] = Infinity;
    this.#newest[slot] = 0;
  }

  /** Adds a record that differs from one of the chunk opened last in nothing but what record-likeness.ts leaves out. */
  addLike({ u16, u32 }: RecordMemory, at: number): void {
    const slot = this.#slot;
    // Rounded, as are the bounds that it is compared with: rounding keeps the order.
    const time = (u32[(at + Offset.time + 4) >> 2] ?? 0) * 2 ** 32 + (u32[(at + Offset.time) >> 2] ?? 0);
    if (time < (this.#oldest[slot] ?? 0)) this.#oldest[slot] = time;
    if (time > (this.#newest[slot] ?? 0)) this.#newest[slot] = time;
    this.#set(term(Field.sourcePort, u16[(at + Offset.sourcePort) >> 1] ?? 0));
  }

  /** Adds a record, which has its final time, to the chunk opened last. */
  add(memory: RecordMemory, at: number): void {
    const { bytes, u16, u32 } = memory;
    const slot = this.#slot;
    this.addLike(memory, at);
    let small = this.#small[slot] ?? 0;
    for (let field = 0; field < smallOffsets.length; field += 1)
      small |= bitOf(field, bytes[at + (smallOffsets[field] ?? 0)] ?? 0);
    this.#small[slot] = small;
    const reason = u16[(at + Offset.reason) >> 1] ?? 0;
    const word = slot * 2 + ((reason >> 5) & 1);
    this.#reasons[word] = (this.#reasons[word] ?? 0) | (1 << (reason & 31));
    this.#addNumbers(u32, at);
    this.#set(term(Field.destinationPort, u16[(at + Offset.destinationPort) >> 1] ?? 0));
    addressTerms(Field.sourceAddress, bytes, at + Offset.sourceAddress, this.#set);
    addressTerms(Field.destinationAddress, bytes, at + Offset.destinationAddress, this.#set);
    const status = u16[(at + Offset.status) >> 1] ?? 0;
    if (status !== 0) for (const unit of statusUnits) this.#set(statusTerm(status, unit));
    if (bytes[at + Offset.kind] === flowKind.request) {
      this.#addText(bytes, u16, at);
      const trace = traceIdAt({ bytes, u16, u32 }, at);
      if (trace !== -1) this.#set(textTerm(Field.trace, bytes, trace, trace + 16));
    }
  }

  #addNumbers(u32: Uint32Array, at: number): void {
    const number = (offset: number): number => u32[(at + offset) >> 2] ?? 0;
    const source = number(Offset.sourceIdentity);
    const destination = number(Offset.destinationIdentity);
    this.#set(term(Field.sourceIdentity, source));
    this.#set(term(Field.destinationIdentity, destination));
    this.#list(lists.source, number(Offset.sourceWorkload), source);
    this.#list(lists.destination, number(Offset.destinationWorkload), destination);
    this.#list(lists.rules, 0, number(Offset.egressRule));
    this.#list(lists.rules, 0, number(Offset.ingressRule));
    const low = number(Offset.reference);
    const high = number(Offset.reference + 4);
    if (low !== 0 || high !== 0) this.#set(term(Field.reference, low, high));
  }

  #addText(bytes: Buffer, u16: Uint16Array, at: number): void {
    const method = at + RECORD_SIZE;
    const path = method + (bytes[at + Offset.methodLength] ?? 0);
    this.#set(textTerm(Field.method, bytes, method, path));
    pathTerms(bytes, path, path + (u16[(at + Offset.pathLength) >> 1] ?? 0), this.#set);
  }

  readonly #set = (hash: number): void => {
    const mask = this.#words * 32 - 1;
    const base = this.#slot * this.#words;
    const first = hash & mask;
    const second = (Math.imul(hash, 0x9e3779b1) >>> 7) & mask;
    const one = base + (first >> 5);
    const two = base + (second >> 5);
    this.#bloom[one] = (this.#bloom[one] ?? 0) | (1 << (first & 31));
    this.#bloom[two] = (this.#bloom[two] ?? 0) | (1 << (second & 31));
  };

  #list(list: number, high: number, low: number): void {
    const count = this.#slot * LISTS + list;
    const used = this.#counts[count] ?? 0;
    if (used === TOO_MANY) return;
    const value = high * 2 ** 32 + low;
    const start = count * LISTED;
    for (let index = start + used - 1; index >= start; index -= 1) if (this.#lists[index] === value) return;
    if (used === LISTED || high >= PACKABLE) this.#counts[count] = TOO_MANY;
    else {
      this.#lists[start + used] = value;
      this.#counts[count] = used + 1;
    }
  }

  /** Whether some record may have this term. */
  hasTerm(slot: number, hash: number): boolean {
    const mask = this.#words * 32 - 1;
    const base = slot * this.#words;
    const first = hash & mask;
    const second = (Math.imul(hash, 0x9e3779b1) >>> 7) & mask;
    return (
      ((this.#bloom[base + (first >> 5)] ?? 0) & (1 << (first & 31))) !== 0 &&
      ((this.#bloom[base + (second >> 5)] ?? 0) & (1 << (second & 31))) !== 0
    );
  }

  /** Whether some record has one of the values. */
  hasSmall(slot: number, field: SmallField, values: readonly number[]): boolean {
    const index = smallNames.indexOf(field);
    return values.some((value) => ((this.#small[slot] ?? 0) & bitOf(index, value)) !== 0);
  }

  hasReason(slot: number, reason: number): boolean {
    return ((this.#reasons[slot * 2 + ((reason >> 5) & 1)] ?? 0) & (1 << (reason & 31))) !== 0;
  }

  /** Whether some record's time may lie within the bounds, both inclusive. */
  hasTime(slot: number, from: bigint, to: bigint): boolean {
    return (this.#newest[slot] ?? 0) >= Number(from) && (this.#oldest[slot] ?? 0) <= Number(to);
  }

  /** Whether a listed pair (workload and identity, or 0 and rule) passes; true if there were too many to list. */
  someListed(slot: number, list: ListName, test: (high: number, low: number) => boolean): boolean {
    const count = slot * LISTS + lists[list];
    const used = this.#counts[count] ?? 0;
    if (used === TOO_MANY) return true;
    for (let index = count * LISTED; index < count * LISTED + used; index += 1) {
      const value = this.#lists[index] ?? 0;
      if (test(Math.floor(value / 2 ** 32), value % 2 ** 32)) return true;
    }
    return false;
  }

  /** Whether all pairs of the list are there. */
  isListed(slot: number, list: ListName): boolean {
    return this.#counts[slot * LISTS + lists[list]] !== TOO_MANY;
  }
}
