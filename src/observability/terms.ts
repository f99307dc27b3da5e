// SPDX-License-Identifier: Apache-2.0

/** What a term is about. Two terms of the same value and different fields have nothing in common. */
export const Field = {
  sourceAddress: 1,
  destinationAddress: 2,
  sourcePort: 3,
  destinationPort: 4,
  sourceIdentity: 5,
  destinationIdentity: 6,
  status: 7,
  method: 8,
  pathExact: 9,
  pathPrefix: 10,
  reference: 11,
  trace: 12,
} as const;

/** Lengths of address prefixes that are terms, of 128 bits: IPv4's 16, 24 and 32, and the usual ones of IPv6. */
export const prefixLengths = [32, 48, 64, 112, 120, 128] as const;

/** A status is a term alone, in its ten (40x) and in its class (4xx). */
export const statusUnits = [1, 10, 100] as const;

/** Elements of a path that terms tell apart. */
export const PATH_ELEMENTS = 4;

const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;
const FNV_START = 0x811c9dc5 | 0;

function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** A number for a value of up to 64 bits in a field; equal values, equal terms. */
export function term(field: number, low: number, high = 0): number {
  return mixed(Math.imul(low ^ mixed(high ^ (field << 24)), 0x9e3779b1));
}

export function statusTerm(status: number, unit: number): number {
  return term(Field.status, Math.floor(status / unit), unit);
}

/** The term of the first `length` bits of an address of 16 bytes. */
export function addressTerm(field: number, bytes: Uint8Array, start: number, length: number): number {
  let hash = FNV_START;
  for (let index = 0; index < length >> 3; index += 1)
    hash = Math.imul(hash ^ (bytes[start + index] ?? 0), 0x01000193);
  return term(field, hash, length);
}

/** Calls `add` with the terms of an address: of each prefix that is one. */
export function addressTerms(
  field: number,
  bytes: Uint8Array,
  start: number,
  add: (term: number) => void,
): void {
  let hash = FNV_START;
  let done = 0;
  for (const length of prefixLengths) {
    for (; done < length >> 3; done += 1) hash = Math.imul(hash ^ (bytes[start + done] ?? 0), 0x01000193);
    add(term(field, hash, length));
  }
}

export function textTerm(field: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_START;
  for (let index = start; index < end; index += 1) hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193);
  return term(field, hash);
}

/** Calls `add` with the terms of a path: of the whole without its query, and of its first elements. */
export function pathTerms(bytes: Uint8Array, start: number, end: number, add: (term: number) => void): void {
  let hash = FNV_START;
  let elements = 0;
  let index = start;
  for (; index < end; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte === QUESTION_MARK) break;
    if (byte === SLASH && index > start && elements < PATH_ELEMENTS) {
      elements += 1;
      add(term(Field.pathPrefix, hash));
    }
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  if (elements < PATH_ELEMENTS) add(term(Field.pathPrefix, hash));
  add(term(Field.pathExact, hash));
}

/** The term that every path has which begins with the elements of `prefix`. */
export function pathPrefixTerm(prefix: Uint8Array): number {
  let elements = 0;
  let end = 0;
  for (; end < prefix.length; end += 1) {
    if (prefix[end] === SLASH && end > 0 && (elements += 1) === PATH_ELEMENTS) break;
  }
  return textTerm(Field.pathPrefix, prefix, 0, end);
}
