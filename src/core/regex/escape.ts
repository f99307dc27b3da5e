// SPDX-License-Identifier: Apache-2.0
import { RegexSyntaxError } from './syntax.ts';

const CONTROL: ReadonlyMap<string, number> = new Map([
  ['a', 7],
  ['f', 12],
  ['t', 9],
  ['n', 10],
  ['r', 13],
  ['v', 11],
]);

/** A character read from an expression: a byte (escapes up to \xff, ASCII) or a code point above that. */
export interface Char {
  readonly code: number;
  readonly end: number;
  /** Written as an escape, so that 0x80..0xff means that byte and not a code point. */
  readonly escaped: boolean;
}

/** Reads the escape whose backslash is at `at`, where it stands for one character. */
export function readEscape(pattern: string, at: number): Char {
  const c = pattern[at + 1];
  if (c === undefined) throw new RegexSyntaxError('trailing backslash', at);
  const done = (code: number, end: number): Char => ({ code, end, escaped: true });
  if (c >= '1' && c <= '7' && !isOctal(pattern[at + 2]))
    throw new RegexSyntaxError('backreferences are not supported', at);
  if (c >= '0' && c <= '7') {
    let end = at + 2;
    while (end < at + 4 && isOctal(pattern[end])) end++;
    const code = Number.parseInt(pattern.slice(at + 1, end), 8);
    return done(code, end);
  }
  if (c === 'x') return readHex(pattern, at);
  const control = CONTROL.get(c);
  if (control !== undefined) return done(control, at + 2);
  if (/[89]/.test(c)) throw new RegexSyntaxError('backreferences are not supported', at);
  if (/[A-Za-z]/.test(c)) throw new RegexSyntaxError(`escape \\${c} is not supported here`, at);
  const code = pattern.codePointAt(at + 1) as number;
  if (code > 0x7f) throw new RegexSyntaxError('only ASCII punctuation can be escaped', at);
  return done(code, at + 2);
}

function isOctal(c: string | undefined): boolean {
  return c !== undefined && c >= '0' && c <= '7';
}

function readHex(pattern: string, at: number): Char {
  const match = /^(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/.exec(pattern.slice(at + 2));
  const digits = match?.[1] ?? match?.[2];
  if (match === null || digits === undefined)
    throw new RegexSyntaxError('\\x needs two digits or {digits}', at);
  const code = Number.parseInt(digits, 16);
  if (code > 0x10ffff) throw new RegexSyntaxError('code point out of range', at);
  return { code, end: at + 2 + match[0].length, escaped: true };
}
