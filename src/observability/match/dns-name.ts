// SPDX-License-Identifier: Apache-2.0
import { flowKind } from '../../core/abi/flow.ts';
import { dnsNameTest } from '../../core/dns-name.ts';
import type { FlowNames } from '../flow-names.ts';
import { Offset, type RecordMemory } from '../record-layout.ts';
import type { ChunkTest, Matcher } from './matcher.ts';
import { hasAddress, offsetsOf, type Side } from './side.ts';

const NONE: readonly string[] = [];
const other = { source: 'destination', destination: 'source' } as const;

/** What the workload at the other end calls an end's address, the newest name first. */
export function dnsNamesOf(
  { dns }: FlowNames,
  side: Side,
  { bytes, u32 }: RecordMemory,
  at: number,
): readonly string[] {
  const workload = u32[(at + offsetsOf[other[side]].workload) >> 2] ?? 0;
  if (dns === undefined || workload === 0 || !dns.has(workload)) return NONE;
  const address = at + offsetsOf[side].address;
  const end = Number(bytes.readBigUInt64LE(at + Offset.time)) / 1e6;
  // A request is younger than its connection, whose beginning nobody has written down.
  const isConnection = bytes[at + Offset.kind] !== flowKind.request;
  const age = isConnection ? Number(bytes.readBigUInt64LE(at + Offset.duration)) / 1e6 : 0;
  return dns.of(workload, bytes.toString('latin1', address, address + 16), end - age, end);
}

/** Ends whose address somebody calls by a name that one of the patterns is for. */
export function dnsNameMatcher(side: Side, patterns: readonly string[], names: FlowNames): Matcher {
  const test = dnsNameTest(patterns);
  let version = -1;
  let chunk: ChunkTest = () => false;
  return {
    record: (memory, at) => dnsNamesOf(names, side, memory, at).some(test),
    chunk: (summaries, slot) => {
      const { dns } = names;
      if (dns !== undefined && dns.version !== version) {
        version = dns.version;
        chunk = hasAddress(side, dns.addresses(test));
      }
      return chunk(summaries, slot);
    },
  };
}
