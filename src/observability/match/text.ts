// SPDX-License-Identifier: Apache-2.0
import type { PathPattern } from '../../core/flow-filter.ts';
import { Offset, RECORD_SIZE } from '../record-layout.ts';
import { compilePattern } from './path-pattern.ts';
import type { Predicate } from './predicate.ts';

const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;

function sameBytes(bytes: Buffer, start: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index += 1)
    if (bytes[start + index] !== wanted[index]) return false;
  return true;
}

/** Methods have case (RFC 9110 section 9.1); a filter written in lower case means the usual ones. */
export function methodPredicate(methods: readonly string[]): Predicate {
  const wanted = methods.flatMap((method) =>
    [method, method.toUpperCase()].map((text) => Buffer.from(text, 'latin1')),
  );
  return ({ bytes }, at) => {
    const length = bytes[at + Offset.methodLength] ?? 0;
    for (const method of wanted) {
      if (method.length === length && sameBytes(bytes, at + RECORD_SIZE, method)) return true;
    }
    return false;
  };
}

/** The path begins with `value`, which ends where the path ends, its query begins or, for a prefix, an element ends. */
function literalPath(value: string, isPrefix: boolean): Predicate {
  const wanted = Buffer.from(value);
  return ({ bytes, u16 }, at) => {
    const length = u16[(at + Offset.pathLength) >> 1] ?? 0;
    if (length < wanted.length) return false;
    const start = at + RECORD_SIZE + (bytes[at + Offset.methodLength] ?? 0);
    if (!sameBytes(bytes, start, wanted)) return false;
    const next = length === wanted.length ? QUESTION_MARK : bytes[start + wanted.length];
    return next === QUESTION_MARK || (isPrefix && next === SLASH);
  };
}

export function pathPredicate({ type, value }: PathPattern): Predicate {
  if (type === 'Exact') return literalPath(value, false);
  if (type === 'PathPrefix') return literalPath(value.endsWith('/') ? value.slice(0, -1) : value, true);
  const test = compilePattern(value);
  return ({ bytes, u16 }, at) => {
    const start = at + RECORD_SIZE + (bytes[at + Offset.methodLength] ?? 0);
    const end = start + (u16[(at + Offset.pathLength) >> 1] ?? 0);
    let query = start;
    while (query < end && bytes[query] !== QUESTION_MARK) query += 1;
    return test(bytes, start, query);
  };
}
