// SPDX-License-Identifier: Apache-2.0
import { Offset, RECORD_SIZE, type RecordMemory, traceIdAt } from './record-layout.ts';

const TRACE_ID = 16;

/** What a summary doesn't say of a single record, or says of each: times, sizes, the connection, the client's port. */
const different: readonly number[] = [
  Offset.time,
  Offset.time + 4,
  Offset.connection,
  Offset.connection + 4,
  Offset.duration,
  Offset.duration + 4,
  Offset.bytesSent,
  Offset.bytesSent + 4,
  Offset.bytesReceived,
  Offset.bytesReceived + 4,
  Offset.rtt,
  Offset.retransmits,
  Offset.boosted,
  Offset.sourcePort, // the server's is in the same word, and looked at
];

/** Words of a record, and which of them differ without a difference. */
const WORDS = RECORD_SIZE / 4;
const isIgnored = Uint8Array.from({ length: WORDS }, (_, word) => (different.includes(word * 4) ? 1 : 0));

/** Equal for records that are alike, mostly different for others. */
export function likeness({ u16, u32 }: RecordMemory, at: number): number {
  const first = at >> 2;
  const path = u32[first + (RECORD_SIZE >> 2) + 1] ?? 0;
  const ends = Math.imul(u32[first + ((Offset.sourceAddress + 12) >> 2)] ?? 0, 0x9e3779b1);
  const server =
    (u32[first + ((Offset.destinationAddress + 12) >> 2)] ?? 0) ^ (u16[(at + Offset.status) >> 1] ?? 0);
  const mixed = Math.imul(ends ^ server ^ path, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

function sameBytes({ bytes, u32 }: RecordMemory, one: number, other: number, length: number): boolean {
  let done = 0;
  // Texts of records begin at multiples of 4; what lies behind them may not.
  if (((one | other) & 3) === 0)
    for (; done + 4 <= length; done += 4)
      if (u32[(one + done) >> 2] !== u32[(other + done) >> 2]) return false;
  for (; done < length; done += 1) if (bytes[one + done] !== bytes[other + done]) return false;
  return true;
}

/** Whether two records add the same to a summary, but for time and the client's port. */
export function sameSummary(memory: RecordMemory, one: number, other: number): boolean {
  const { bytes, u16, u32 } = memory;
  const [a, b] = [one >> 2, other >> 2];
  for (let word = 0; word < WORDS; word += 1)
    if (u32[a + word] !== u32[b + word] && isIgnored[word] === 0) return false;
  if (u16[(one + Offset.destinationPort) >> 1] !== u16[(other + Offset.destinationPort) >> 1]) return false;
  const texts =
    (bytes[one + Offset.methodLength] ?? 0) +
    (u16[(one + Offset.pathLength) >> 1] ?? 0) +
    (u16[(one + Offset.hostLength) >> 1] ?? 0);
  if (!sameBytes(memory, one + RECORD_SIZE, other + RECORD_SIZE, texts)) return false;
  const trace = traceIdAt(memory, one);
  return trace === -1 || sameBytes(memory, trace, traceIdAt(memory, other), TRACE_ID);
}
