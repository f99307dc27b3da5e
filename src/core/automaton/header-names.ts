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
  /** Framing or policy reads it: the same name with underscores for dashes (CGI folds them) is rejected. */
  readonly guarded: boolean;
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
      const entry = entryAt(asm, headers, prefix + letter, folded);
      asm.on(child, 0x3a, entry ?? unknown);
      asm.onLetter(state, lowerByte(letter.charCodeAt(0)), child);
      nodes.push({ state: child, prefix: prefix + letter, folded });
      const twin = letter === '-' ? UNDERSCORE : letter === '_' ? DASH : 0;
      if (twin === 0 || next.has(String.fromCharCode(twin))) continue;
      const foldedChild = nameState(asm);
      asm.on(foldedChild, TOKEN, other);
      asm.on(foldedChild, 0x3a, entryAt(asm, headers, prefix + letter, true) ?? unknown);
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

function entryAt(
  asm: Assembler,
  headers: readonly NamedHeader[],
  name: string,
  folded: boolean,
): number | undefined {
  const header = headers.find((candidate) => candidate.name === name);
  if (header === undefined) return undefined;
  if (!folded) return header.entry;
  return header.guarded ? asm.rejection(Reject.AmbiguousName) : undefined;
}

/** What tokens of a list do. */
export interface TokenList {
  /** Flags that a token, in lower case, sets. */
  readonly flagsOf: ReadonlyMap<string, number>;
  /** Tokens that reject the head. */
  readonly guarded: ReadonlySet<string>;
  readonly otherFlags: number;
}

/** The Connection value: a list of tokens in any case, each of which may set flags. */
export function placeTokenList(asm: Assembler, list: TokenList, lineEnd: number): number {
  const { flagsOf, guarded, otherFlags } = list;
  const step = (flags: number, next: number): number => asm.action({ op: Op.Step, flags, next });
  const separator = asm.state(Reject.BadConnection);
  const after = asm.state(Reject.BadConnection);
  const ends = (state: number, flags: number | undefined): void => {
    for (const [bytes, next] of [
      [[0x2c], separator],
      [[SP, HTAB], after],
      [[CR], lineEnd],
    ] as const) {
      const entry =
        flags === undefined
          ? asm.rejection(Reject.GuardedNomination)
          : flags === 0
            ? next
            : step(flags, next);
      for (const byte of bytes) asm.on(state, byte, entry);
    }
    asm.on(state, LF, asm.rejection(Reject.BareLf));
  };
  asm.onSpace(separator, separator);
  asm.on(separator, 0x2c, separator);
  asm.onLineEnd(separator, lineEnd);
  ends(after, 0);
  const other = asm.state(Reject.BadConnection);
  asm.on(other, TOKEN, other);
  ends(other, otherFlags);
  asm.on(separator, TOKEN, other);
  const words = [...flagsOf.keys(), ...guarded];
  const nodes = [{ state: separator, prefix: '' }];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const { prefix, state } = node;
    for (const letter of new Set(words.filter((w) => w.startsWith(prefix)).map((w) => w[prefix.length]))) {
      if (letter === undefined) continue;
      const child = asm.state(Reject.BadConnection);
      const word = prefix + letter;
      asm.on(child, TOKEN, other);
      ends(child, flagsOf.get(word) ?? (guarded.has(word) ? undefined : otherFlags));
      asm.onLetter(state, letter.charCodeAt(0), child);
      nodes.push({ state: child, prefix: word });
    }
  }
  return separator;
}
