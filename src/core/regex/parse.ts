// SPDX-License-Identifier: Apache-2.0
import { readBrackets } from './brackets.ts';
import { PERL } from './classes.ts';
import { readEscape } from './escape.ts';
import {
  Assertion,
  type AssertionKind,
  EMPTY,
  MAX_NESTING,
  MAX_PATTERN,
  MAX_REPEAT,
  type Node,
  RegexSyntaxError,
  UNBOUNDED,
  foldCase,
  negate,
  ranges,
} from './syntax.ts';

interface Flags {
  readonly fold: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
}

const ANY = ranges([0, 255]);
const ANY_BUT_NEWLINE = negate(ranges([10, 10]));
const ESCAPED_ASSERTIONS: ReadonlyMap<string, AssertionKind> = new Map<string, AssertionKind>([
  ['A', Assertion.BeginText],
  ['z', Assertion.EndText],
  ['b', Assertion.Word],
  ['B', Assertion.NotWord],
]);

/** Parses RE2 syntax into a tree; throws RegexSyntaxError. */
export function parseSyntax(pattern: string): Node {
  if (pattern.length > MAX_PATTERN)
    throw new RegexSyntaxError(`longer than ${MAX_PATTERN} characters`, MAX_PATTERN);
  const parser = new Parser(pattern);
  const tree = parser.alternation({ fold: false, multiLine: false, dotAll: false }, 0);
  if (parser.at < pattern.length) throw new RegexSyntaxError('unmatched )', parser.at);
  return tree;
}

class Parser {
  at = 0;
  readonly #pattern: string;
  readonly #names = new Set<string>();

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  /** Up to the closing parenthesis or the end. Flags set inside hold to the end of the group. */
  alternation(outer: Flags, depth: number): Node {
    if (depth > MAX_NESTING) throw new RegexSyntaxError('nested too deeply', this.at);
    let flags = outer;
    const branches: Node[] = [];
    let parts: Node[] = [];
    let repeatable = -1;
    let stacked = false;
    for (; this.at < this.#pattern.length;) {
      const start = this.at;
      const c = this.#pattern[start] as string;
      if (c === ')') break;
      if (c === '|') {
        branches.push({ kind: 'cat', parts });
        parts = [];
        repeatable = -1;
        stacked = false;
        this.at++;
        continue;
      }
      const bounds = this.#repetition();
      if (bounds !== undefined) {
        const operator = this.#pattern.slice(start, this.at);
        if (repeatable < 0) throw new RegexSyntaxError(`nothing to repeat: ${operator}`, start);
        if (stacked) throw new RegexSyntaxError(`stacked repetition: ${operator}`, start);
        const part: Node = { kind: 'repeat', part: parts[repeatable] as Node, ...bounds };
        if (!repeatFits(part, MAX_REPEAT))
          throw new RegexSyntaxError(`more than ${MAX_REPEAT} repetitions`, start);
        parts[repeatable] = part;
        stacked = true;
        continue;
      }
      stacked = false;
      if (c === '(') {
        const inner = this.#group(flags);
        if (inner.body) {
          parts.push(this.alternation(inner.flags, depth + 1));
          if (this.#pattern[this.at] !== ')') throw new RegexSyntaxError('missing )', start);
          this.at++;
          repeatable = parts.length - 1;
        } else {
          flags = inner.flags;
        }
        continue;
      }
      for (const part of this.#atoms(c, flags)) parts.push(part);
      repeatable = parts.length - 1;
    }
    branches.push({ kind: 'cat', parts });
    return branches.length === 1 ? (branches[0] as Node) : { kind: 'alt', parts: branches };
  }

  /** One atom, or the characters of \Q...\E. */
  #atoms(c: string, flags: Flags): readonly Node[] {
    const at = this.at;
    if (c === '\\') {
      const letter = this.#pattern[at + 1] ?? '';
      if (letter === 'Q') return this.#quoted(flags);
      const assertion = ESCAPED_ASSERTIONS.get(letter);
      const perl = PERL.get(letter);
      this.at = at + 2;
      if (assertion !== undefined) return [{ kind: 'assert', what: assertion }];
      if (perl !== undefined) return [{ kind: 'bytes', set: perl }];
      if (letter === 'C') return [{ kind: 'bytes', set: ANY }];
      if (letter === 'p' || letter === 'P')
        throw new RegexSyntaxError('Unicode classes are not supported: values are bytes', at);
      const { code, end } = readEscape(this.#pattern, at);
      this.at = end;
      return [literal(code, true, flags.fold)];
    }
    if (c === '[') {
      const { set, end } = readBrackets(this.#pattern, at, flags.fold);
      this.at = end;
      return [{ kind: 'bytes', set }];
    }
    const code = this.#pattern.codePointAt(at) as number;
    this.at += code > 0xffff ? 2 : 1;
    if (c === '.') return [{ kind: 'bytes', set: flags.dotAll ? ANY : ANY_BUT_NEWLINE }];
    if (c === '^')
      return [{ kind: 'assert', what: flags.multiLine ? Assertion.BeginLine : Assertion.BeginText }];
    if (c === '$') return [{ kind: 'assert', what: flags.multiLine ? Assertion.EndLine : Assertion.EndText }];
    return [literal(code, false, flags.fold)];
  }

  #quoted(flags: Flags): readonly Node[] {
    const close = this.#pattern.indexOf('\\E', this.at + 2);
    const text = this.#pattern.slice(this.at + 2, close < 0 ? this.#pattern.length : close);
    this.at = close < 0 ? this.#pattern.length : close + 2;
    return Array.from(text, (c) => literal(c.codePointAt(0) as number, false, flags.fold));
  }

  /** `(`, `(?:`, `(?P<name>`, `(?flags:` open a body; `(?flags)` doesn't. */
  #group(flags: Flags): { flags: Flags; body: boolean } {
    const start = this.at;
    const rest = this.#pattern.slice(start);
    if (rest[1] !== '?') {
      this.at++;
      return { flags, body: true };
    }
    if (/^\(\?(?:<?[=!])/.test(rest)) throw new RegexSyntaxError('look-around is not supported', start);
    const named = /^\(\?P?<(\w+)>/.exec(rest);
    if (named !== null) {
      const name = named[1] as string;
      if (this.#names.has(name)) throw new RegexSyntaxError(`group name ${name} used twice`, start);
      this.#names.add(name);
      this.at += named[0].length;
      return { flags, body: true };
    }
    const match = /^\(\?([imsU]*)(?:-([imsU]+))?([:)])/.exec(rest);
    if (match === null) throw new RegexSyntaxError('unknown group', start);
    const on = match[1] as string;
    const off = match[2] ?? '';
    const set = (letter: string, old: boolean): boolean =>
      off.includes(letter) ? false : on.includes(letter) ? true : old;
    this.at += match[0].length;
    return {
      flags: {
        fold: set('i', flags.fold),
        multiLine: set('m', flags.multiLine),
        dotAll: set('s', flags.dotAll),
      },
      body: match[3] === ':',
    };
  }

  /** A repetition operator with its lazy mark (which changes nothing for a whole match), if there is one here. */
  #repetition(): { min: number; max: number } | undefined {
    const start = this.at;
    const c = this.#pattern[start];
    let bounds: { min: number; max: number } | undefined;
    if (c === '*') bounds = { min: 0, max: UNBOUNDED };
    else if (c === '+') bounds = { min: 1, max: UNBOUNDED };
    else if (c === '?') bounds = { min: 0, max: 1 };
    if (bounds !== undefined) this.at++;
    else if (c === '{') {
      const match = /^\{(0|[1-9]\d*)(?:(,)(0|[1-9]\d*)?)?\}/.exec(this.#pattern.slice(start));
      if (match === null) return undefined;
      const min = Number(match[1]);
      const max = match[2] === undefined ? min : match[3] === undefined ? UNBOUNDED : Number(match[3]);
      if (min > MAX_REPEAT || max > MAX_REPEAT || (max !== UNBOUNDED && min > max))
        throw new RegexSyntaxError(`repetition bounds must rise and not pass ${MAX_REPEAT}`, start);
      bounds = { min, max };
      this.at += match[0].length;
    } else return undefined;
    if (this.#pattern[this.at] === '?') this.at++;
    return bounds;
  }
}

/** Counted repetitions inside each other multiply; RE2 bounds the product. */
function repeatFits(node: Node, bound: number): boolean {
  let left = bound;
  if (node.kind === 'repeat') {
    const count = node.max === UNBOUNDED ? node.min : node.max;
    if (node.max === 0) return true;
    if (count > left) return false;
    if (count > 0) left = Math.floor(left / count);
    return repeatFits(node.part, left);
  }
  if (node.kind === 'cat' || node.kind === 'alt') return node.parts.every((part) => repeatFits(part, left));
  return true;
}

/** One character: a byte, or the UTF-8 bytes of a code point in sequence. */
function literal(code: number, escaped: boolean, fold: boolean): Node {
  if (code <= (escaped ? 0xff : 0x7f)) {
    const set = ranges([code, code]);
    return { kind: 'bytes', set: fold ? foldCase(set) : set };
  }
  const character = String.fromCodePoint(code);
  const forms = fold ? [character, character.toLowerCase(), character.toUpperCase()] : [character];
  const single = [...new Set(forms)].filter((form) => Array.from(form).length === 1).map(utf8);
  return single.length === 1 ? (single[0] ?? EMPTY) : { kind: 'alt', parts: single };
}

function utf8(character: string): Node {
  const parts = Array.from(new TextEncoder().encode(character), (byte): Node => {
    return { kind: 'bytes', set: ranges([byte, byte]) };
  });
  return { kind: 'cat', parts };
}
