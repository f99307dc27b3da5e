// SPDX-License-Identifier: Apache-2.0
import { HTAB, LF, CR, SP, TOKEN, lowerByte } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import type { Assembler } from './assembler.ts';
import { Op } from './format.ts';

/** A header name of interest, and the transition taken at its colon. */
export interface NamedHeader {
  /** Lower case. */
  readonly name: string;
  readonly entry: number;
  /**
   * Taken at the colon of the same name with underscores for dashes, which CGI folds; absent: as of an unknown
   * name. Where framing or policy reads the header it is a rejection.
   */
  readonly folded?: number;
}

interface Node {
  readonly state: number;
  /** Letters so far, lower case. */
  readonly prefix: string;
  /** An underscore stood for a dash, or the other way round. */
  readonly folded: boolean;
}

const DASH = 0x2d;
const UNDERSCORE = 0x5f;

/**
 * Fills `start`, the state at a line's first byte, so that names are recognised in any case. `unknown` is taken at
 * the colon of any other name; `empty` at the CR of the empty line.
 */
export function placeHeaderNames(
  asm: Assembler,
  start: number,
  headers: readonly NamedHeader[],
  unknown: number,
  empty: number,
): void {
  const other = nameState(asm);
  asm.on(other, TOKEN, other);
  asm.on(other, 0x3a, unknown);
  asm.on(start, TOKEN, other);
  asm.on(start, 0x3a, asm.rejection(Reject.EmptyName));
  asm.onSpace(start, asm.rejection(Reject.ObsFold));
  asm.onLineEnd(start, empty);
  const nodes: Node[] = [{ state: start, prefix: '', folded: false }];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const { prefix, folded, state } = node;
    const next = new Set(
      headers.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => name[prefix.length]),
    );
    for (const letter of next) {
      if (letter === undefined) continue;
      const child = nameState(asm);
      asm.on(child, TOKEN, other);
      const entry = entryAt(headers, prefix + letter, folded);
      asm.on(child, 0x3a, entry ?? unknown);
      asm.onLetter(state, lowerByte(letter.charCodeAt(0)), child);
      nodes.push({ state: child, prefix: prefix + letter, folded });
      const twin = letter === '-' ? UNDERSCORE : letter === '_' ? DASH : 0;
      if (twin === 0 || next.has(String.fromCharCode(twin))) continue;
      const foldedChild = nameState(asm);
      asm.on(foldedChild, TOKEN, other);
      asm.on(foldedChild, 0x3a, entryAt(headers, prefix + letter, true) ?? unknown);
      asm.on(state, twin, foldedChild);
      nodes.push({ state: foldedChild, prefix: prefix + letter, folded: true });
    }
  }
}

function nameState(asm: Assembler): number {
  const state = asm.state(Reject.BadName);
  asm.onSpace(state, asm.rejection(Reject.SpaceBeforeColon));
  asm.on(state, CR, asm.rejection(Reject.BadName));
  asm.on(state, LF, asm.rejection(Reject.BareLf));
  return state;
}

function entryAt(headers: readonly NamedHeader[], name: string, folded: boolean): number | undefined {
  const header = headers.find((candidate) => candidate.name === name);
  if (header === undefined) return undefined;
  return folded ? header.folded : header.entry;
}

/** What tokens of a list do. */
export interface TokenList {
  /** Flags that a token, in lower case, sets. */
  readonly flagsOf: ReadonlyMap<string, number>;
  /** Tokens that reject the head. */
  readonly guarded: ReadonlySet<string>;
  /** Tokens that set register `ambiguous`. */
  readonly soft: ReadonlySet<string>;
  readonly ambiguous: number;
  readonly otherFlags: number;
}

/** The Connection value: a list of tokens in any case, each of which may set flags. */
export function placeTokenList(asm: Assembler, list: TokenList, lineEnd: number): number {
  const { flagsOf, guarded, soft, ambiguous, otherFlags } = list;
  const step = (flags: number, next: number): number => asm.action({ op: Op.Step, flags, next });
  const separator = asm.state(Reject.BadConnection);
  const after = asm.state(Reject.BadConnection);
  const entryOf = (next: number, flags: number, word: string): number => {
    if (flagsOf.has(word)) return flags === 0 ? next : step(flags, next);
    if (guarded.has(word)) return asm.rejection(Reject.GuardedNomination);
    if (soft.has(word))
      return asm.action({ op: Op.Set, register: ambiguous, value: 1, flags: otherFlags, next });
    return flags === 0 ? next : step(flags, next);
  };
  const ends = (state: number, flags: number, word: string): void => {
    for (const [bytes, next] of [
      [[0x2c], separator],
      [[SP, HTAB], after],
      [[CR], lineEnd],
    ] as const) {
      const entry = entryOf(next, flags, word);
      for (const byte of bytes) asm.on(state, byte, entry);
    }
    asm.on(state, LF, asm.rejection(Reject.BareLf));
  };
  asm.onSpace(separator, separator);
  asm.on(separator, 0x2c, separator);
  asm.onLineEnd(separator, lineEnd);
  ends(after, 0, '');
  const other = asm.state(Reject.BadConnection);
  asm.on(other, TOKEN, other);
  ends(other, otherFlags, '');
  asm.on(separator, TOKEN, other);
  const words = [...flagsOf.keys(), ...guarded, ...soft];
  const nodes = [{ state: separator, prefix: '' }];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const { prefix, state } = node;
    for (const letter of new Set(words.filter((w) => w.startsWith(prefix)).map((w) => w[prefix.length]))) {
      if (letter === undefined) continue;
      const child = asm.state(Reject.BadConnection);
      const word = prefix + letter;
      asm.on(child, TOKEN, other);
      ends(child, flagsOf.get(word) ?? otherFlags, word);
      asm.onLetter(state, letter.charCodeAt(0), child);
      nodes.push({ state: child, prefix: word });
    }
  }
  return separator;
}
