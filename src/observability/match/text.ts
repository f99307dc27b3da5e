// SPDX-License-Identifier: Apache-2.0
import type { PathPattern } from '../../core/flow-filter.ts';
import type { PathRedaction } from '../../core/redact.ts';
import { pathTest } from '../../core/flow-matches.ts';
import { Offset, RECORD_SIZE } from '../record-layout.ts';
import { compilePattern } from './path-pattern.ts';
import { Field, pathPrefixTerm, textTerm } from '../terms.ts';
import { any, type Matcher, unsummarised } from './matcher.ts';
import { hostAt, pathAt, type Predicate } from './predicate.ts';

const SLASH = 0x2f;
const QUESTION_MARK = 0x3f;

function sameBytes(bytes: Buffer, start: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index += 1)
    if (bytes[start + index] !== wanted[index]) return false;
  return true;
}

/** Methods have case (RFC 9110 section 9.1); a filter written in lower case means the usual ones. */
export function methodMatcher(methods: readonly string[]): Matcher {
  const texts = new Set(methods.flatMap((method) => [method, method.toUpperCase()]));
  const wanted = [...texts].map((text) => Buffer.from(text, 'latin1'));
  const terms = wanted.map((text) => textTerm(Field.method, text, 0, text.length));
  return {
    record: ({ bytes }, at) => {
      const length = bytes[at + Offset.methodLength] ?? 0;
      for (const method of wanted) {
        if (method.length === length && sameBytes(bytes, at + RECORD_SIZE, method)) return true;
      }
      return false;
    },
    chunk: (summaries, slot) => terms.some((one) => summaries.hasTerm(slot, one)),
  };
}

/** The path begins with `value`, which ends where the path ends, its query begins or, for a prefix, an element ends. */
function literalPath(wanted: Buffer, isPrefix: boolean): Predicate {
  return ({ bytes, u16 }, at) => {
    const length = u16[(at + Offset.pathLength) >> 1] ?? 0;
    if (length < wanted.length) return false;
    const start = at + RECORD_SIZE + (bytes[at + Offset.methodLength] ?? 0);
    if (!sameBytes(bytes, start, wanted)) return false;
    const next = length === wanted.length ? QUESTION_MARK : bytes[start + wanted.length];
    return next === QUESTION_MARK || (isPrefix && next === SLASH);
  };
}

function regexPath(value: string): Predicate {
  const test = compilePattern(value);
  return ({ bytes, u16 }, at) => {
    const start = at + RECORD_SIZE + (bytes[at + Offset.methodLength] ?? 0);
    return test(bytes, start, start + (u16[(at + Offset.pathLength) >> 1] ?? 0));
  };
}

function literalMatcher({ type, value }: PathPattern): Matcher {
  const isPrefix = type === 'PathPrefix';
  const wanted = Buffer.from(isPrefix && value.endsWith('/') ? value.slice(0, -1) : value);
  const record = literalPath(wanted, isPrefix);
  // A path is compared without its query, so it never has one.
  if (wanted.includes(QUESTION_MARK)) return any([]);
  // There is no term of no elements.
  if (wanted.length === 0) return unsummarised(record);
  const one = isPrefix ? pathPrefixTerm(wanted) : textTerm(Field.pathExact, wanted, 0, wanted.length);
  return { record, chunk: (summaries, slot) => summaries.hasTerm(slot, one) };
}

/** Paths are compared as they are shown: a filter must not tell what a template hides. */
export function pathMatcher(pattern: PathPattern, redacted?: PathRedaction): Matcher {
  const { type, value } = pattern;
  if (redacted === undefined)
    return type === 'RegularExpression' ? unsummarised(regexPath(value)) : literalMatcher(pattern);
  const test = pathTest(pattern);
  const record: Predicate = (memory, at) => test(redacted(pathAt(memory, at)));
  // What is shown as sent has the terms of what was sent.
  const isSent = type !== 'RegularExpression' && !value.includes('{');
  return isSent ? { record, chunk: literalMatcher(pattern).chunk } : unsummarised(record);
}

/** Host names have no case. */
export function hostMatcher(hosts: readonly string[]): Matcher {
  const wanted = new Set(hosts.map((host) => host.toLowerCase()));
  return unsummarised((memory, at) => wanted.has(hostAt(memory, at).toLowerCase()));
}

/** Found anywhere in the URL, as Hubble's filter has it. */
export function urlMatcher(patterns: readonly string[], redacted?: PathRedaction): Matcher {
  const tests = patterns.map((pattern) => compilePattern(`(?s:.*)(?:${pattern})(?s:.*)`));
  return unsummarised((memory, at) => {
    const path = pathAt(memory, at);
    const url = Buffer.from(`http://${hostAt(memory, at)}${redacted?.(path) ?? path}`);
    return tests.some((test) => test(url, 0, url.length));
  });
}
