// SPDX-License-Identifier: Apache-2.0
import { determinise } from '../../core/regex/determinise.ts';
import { type Dfa } from '../../core/regex/dfa.ts';
import { matchesRegex, parseRegex } from '../../core/regex/regex.ts';
import { PerigeeError } from '../../lib/errors.ts';

/** Judges the path in bytes[start] to bytes[end - 1], which ends where a query begins. */
export type BytesTest = (bytes: Buffer, start: number, end: number) => boolean;

/** An automaton of more states is not worth building for one query; matching is linear either way. */
const MAX_STATES = 512;
const QUESTION_MARK = 0x3f;

function runDfa({ classes, classOf, next, label }: Dfa): BytesTest {
  return (bytes, start, end) => {
    let state = 0;
    for (let index = start; index < end && state >= 0; index += 1) {
      const byte = bytes[index] ?? 0;
      if (byte === QUESTION_MARK) break;
      state = next[state * classes + (classOf[byte] ?? 0)] ?? -1;
    }
    return state >= 0 && label[state] === 1;
  };
}

/** Compiles a regular expression in RE2 syntax, which must match the whole path. Throws ERR_FILTER_INVALID. */
export function compilePattern(pattern: string): BytesTest {
  const parsed = parseRegex(pattern);
  if ('problem' in parsed) {
    throw new PerigeeError('ERR_FILTER_INVALID', `not a regular expression: ${JSON.stringify(pattern)}`, {
      hint: `${parsed.problem.message}, at character ${String(parsed.problem.position + 1)}; the syntax is RE2's`,
    });
  }
  const { regex } = parsed;
  const dfa = determinise(regex.program, MAX_STATES);
  if (dfa !== undefined) return runDfa(dfa);
  return (bytes, start, end) => {
    const query = bytes.subarray(start, end).indexOf(QUESTION_MARK);
    return matchesRegex(regex, bytes.subarray(start, query === -1 ? end : start + query));
  };
}
