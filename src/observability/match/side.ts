// SPDX-License-Identifier: Apache-2.0
import { Offset } from '../record-layout.ts';
import { addressTerm, Field } from '../terms.ts';
import type { ChunkTest } from './matcher.ts';

export type Side = 'source' | 'destination';

/** Where a record has what it knows of an end, and the fields of a summary. */
export const offsetsOf = {
  source: {
    addressField: Field.sourceAddress,
    portField: Field.sourcePort,
    identityField: Field.sourceIdentity,
    address: Offset.sourceAddress,
    port: Offset.sourcePort,
    identity: Offset.sourceIdentity,
    workload: Offset.sourceWorkload,
  },
  destination: {
    addressField: Field.destinationAddress,
    portField: Field.destinationPort,
    identityField: Field.destinationIdentity,
    address: Offset.destinationAddress,
    port: Offset.destinationPort,
    identity: Offset.destinationIdentity,
    workload: Offset.destinationWorkload,
  },
} as const;

/** Chunks that may hold one of more addresses than this are looked at. */
const MAX_ADDRESS_TERMS = 64;

/** Chunks that may hold one of these addresses, 16 bytes each. */
export function hasAddress(side: Side, addresses: readonly Buffer[]): ChunkTest {
  const terms = addresses.map((bytes) => addressTerm(offsetsOf[side].addressField, bytes, 0, 128));
  return (summaries, slot) =>
    terms.length > MAX_ADDRESS_TERMS || terms.some((one) => summaries.hasTerm(slot, one));
}
