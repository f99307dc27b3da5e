// SPDX-License-Identifier: Apache-2.0
import { PERL, POSIX } from './classes.ts';
import { type Char, readEscape } from './escape.ts';
import { RegexSyntaxError, foldCase, negate, unite } from './syntax.ts';

/** Reads the bracket expression whose "[" is at `at`; returns its set and the index after its "]". */
export function readBrackets(pattern: string, at: number, fold: boolean): { set: Uint8Array; end: number } {
  let set: Uint8Array = new Uint8Array(256);
  let i = at + 1;
  const negated = pattern[i] === '^';
  if (negated) i++;
  for (let first = true; first || pattern[i] !== ']'; first = false) {
    if (i >= pattern.length) throw new RegexSyntaxError('missing ]', at);
    const named = readNamed(pattern, i);
    if (named !== undefined) {
      unite(set, named.set);
      i = named.end;
      continue;
    }
    const low = readMember(pattern, i, at);
    let high = low;
    const next = pattern[low.end + 1];
    if (pattern[low.end] === '-' && next !== undefined && next !== ']')
      high = readMember(pattern, low.end + 1, at);
    if (high.code < low.code) throw new RegexSyntaxError('range out of order', i);
    set.fill(1, low.code, high.code + 1);
    i = high.end;
  }
  if (fold) set = foldCase(set);
  return { set: negated ? negate(set) : set, end: i + 1 };
}

/** `[:alpha:]`, `[:^alpha:]` or `\d` and its like, if there is one at `at`. */
function readNamed(pattern: string, at: number): { set: Uint8Array; end: number } | undefined {
  if (pattern.startsWith('[:', at)) {
    const close = pattern.indexOf(':]', at + 2);
    if (close < 0) return undefined;
    const inverted = pattern[at + 2] === '^';
    const set = POSIX.get(pattern.slice(at + (inverted ? 3 : 2), close));
    if (set === undefined) throw new RegexSyntaxError('unknown class name', at);
    return { set: inverted ? negate(set) : set, end: close + 2 };
  }
  if (pattern[at] !== '\\') return undefined;
  const letter = pattern[at + 1] ?? '';
  if (letter === 'p' || letter === 'P')
    throw new RegexSyntaxError('Unicode classes are not supported: values are bytes', at);
  const set = PERL.get(letter);
  return set === undefined ? undefined : { set, end: at + 2 };
}

function readMember(pattern: string, at: number, open: number): Char {
  if (at >= pattern.length) throw new RegexSyntaxError('missing ]', open);
  const code = pattern.codePointAt(at) as number;
  const member = code === 0x5c ? readEscape(pattern, at) : { code, end: at + 1, escaped: false };
  if (member.code > (member.escaped ? 0xff : 0x7f))
    throw new RegexSyntaxError('characters in brackets must be single bytes: write an alternation', at);
  return member;
}
