// SPDX-License-Identifier: Apache-2.0
import { negate, ranges } from './syntax.ts';

const D = [0x30, 0x39] as const;
const U = [0x41, 0x5a] as const;
const L = [0x61, 0x7a] as const;

const DIGIT = ranges(D);
const SPACE = ranges([9, 10], [12, 13], [0x20, 0x20]);
export const WORD = ranges(D, U, L, [0x5f, 0x5f]);

/** Perl classes, ASCII only as in RE2. */
export const PERL: ReadonlyMap<string, Uint8Array> = new Map([
  ['d', DIGIT],
  ['D', negate(DIGIT)],
  ['s', SPACE],
  ['S', negate(SPACE)],
  ['w', WORD],
  ['W', negate(WORD)],
]);

/** POSIX classes, written inside brackets as `[:name:]`. */
export const POSIX: ReadonlyMap<string, Uint8Array> = new Map([
  ['alnum', ranges(D, U, L)],
  ['alpha', ranges(U, L)],
  ['ascii', ranges([0, 0x7f])],
  ['blank', ranges([9, 9], [0x20, 0x20])],
  ['cntrl', ranges([0, 0x1f], [0x7f, 0x7f])],
  ['digit', DIGIT],
  ['graph', ranges([0x21, 0x7e])],
  ['lower', ranges(L)],
  ['print', ranges([0x20, 0x7e])],
  ['punct', ranges([0x21, 0x2f], [0x3a, 0x40], [0x5b, 0x60], [0x7b, 0x7e])],
  ['space', ranges([9, 13], [0x20, 0x20])],
  ['upper', ranges(U)],
  ['word', WORD],
  ['xdigit', ranges(D, [0x41, 0x46], [0x61, 0x66])],
]);
