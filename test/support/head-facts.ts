// SPDX-License-Identifier: Apache-2.0
import { Framing, HeadStatus, type RequestHead } from '../../src/core/automaton/executor.ts';
import type { HttpRequest } from '../../src/core/automaton/evaluate.ts';
import type { ReferenceHead } from './reference-http.ts';

/** Feeds a head in pieces, each in a buffer of its own, so that looking back can not go unnoticed. */
export function feed(head: RequestHead, text: string, cuts: readonly number[]): HeadStatus {
  head.reset();
  let status: HeadStatus = HeadStatus.NeedMore;
  let from = 0;
  for (const to of [...cuts, text.length]) {
    const piece = Buffer.from(text.slice(from, to), 'latin1');
    const padded = Buffer.concat([Buffer.from('??'), piece, Buffer.from('??')]);
    status = head.run(padded, 2, 2 + piece.length);
    if (status !== HeadStatus.NeedMore) return status;
    from = to;
  }
  return status;
}

/** What a finished head says, in the reference's words. */
export function factsOf(head: RequestHead, text: string): ReferenceHead {
  const framing = (
    { [Framing.None]: 'none', [Framing.Length]: 'length', [Framing.Chunked]: 'chunked' } as const
  )[head.framing as 0 | 1 | 2];
  return {
    length: head.length,
    method: text.slice(0, head.methodEnd),
    target: text.slice(head.targetStart, head.targetEnd),
    minor: head.minor,
    framing,
    contentLength: head.contentLength,
    keepAlive: head.keepAlive,
    upgrade: head.upgrade,
    expectContinue: head.expectContinue,
    allowed: head.allowed,
    rule: head.rule,
  };
}

/** A finished head as `evaluateHttp` takes it. */
export function requestOf(head: RequestHead, text: string): HttpRequest {
  const [, ...lines] = text.slice(0, head.length - 4).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
  });
  const { method, target } = factsOf(head, text);
  return { method, target, headers };
}

/** All that a run left behind, to compare runs with each other. */
export function traceOf(head: RequestHead, status: HeadStatus): unknown {
  const lines = Array.from({ length: head.lines }, (_, index) => [
    head.lineId(index),
    head.lineStart(index),
    head.lineValue(index),
    status === HeadStatus.Done ? head.lineEnd(index) : 0,
  ]);
  const { length, reason, flags, contentLength, methodEnd, pathEnd, targetEnd, allowed, rule } = head;
  const registers = [...head.fields.values.slice(0, head.table.registers)];
  return {
    status,
    length,
    reason,
    flags,
    contentLength,
    methodEnd,
    pathEnd,
    targetEnd,
    allowed,
    rule,
    lines,
    registers,
  };
}
