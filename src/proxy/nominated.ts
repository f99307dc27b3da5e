// SPDX-License-Identifier: Apache-2.0
import { HeaderId } from '../core/automaton/executor.ts';
import type { HeadMachine } from '../core/automaton/head-machine.ts';
import { lowerByte } from '../core/http/grammar.ts';

const COMMA = 0x2c;
const COLON = 0x3a;
const LF = 0x0a;

/** Header lines `[start, end)` that Connection names, beyond the well-known ones (RFC 9110 7.6.1). */
export function nominatedLines(head: HeadMachine, bytes: Uint8Array, start: number): [number, number][] {
  const names = new Set<string>();
  for (let index = 0; index < head.lines; index++) {
    if (head.lineId(index) !== HeaderId.Connection) continue;
    const value = text(bytes, start + head.lineValue(index), start + head.lineEnd(index));
    for (const name of value.split(String.fromCharCode(COMMA))) names.add(name.trim());
  }
  const lines: [number, number][] = [];
  let from = nextLine(bytes, start, start + head.length);
  while (from < start + head.length) {
    const to = nextLine(bytes, from, start + head.length);
    const colon = bytes.indexOf(COLON, from);
    if (colon > from && colon < to && names.has(text(bytes, from, colon)))
      lines.push([from - start, to - start]);
    from = to;
  }
  return lines;
}

function nextLine(bytes: Uint8Array, from: number, end: number): number {
  const lf = bytes.indexOf(LF, from);
  return lf < 0 || lf >= end ? end : lf + 1;
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...Array.from(bytes.subarray(from, to), lowerByte));
}

/** Whether the Upgrade lines name h2c or HTTP/2: a change to HTTP/2 would take the requests out of sight. */
export function asksForHttp2(head: HeadMachine, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < head.lines; index++) {
    if (head.lineId(index) !== HeaderId.Upgrade) continue;
    const value = text(bytes, start + head.lineValue(index), start + head.lineEnd(index));
    if (value.split(',').some((protocol) => /^(h2|http)/.test(protocol.trim()))) return true;
  }
  return false;
}
