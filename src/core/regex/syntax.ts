// SPDX-License-Identifier: Apache-2.0

/**
 * The syntax tree of a regular expression over bytes. Values are byte strings: every byte is one character
 * (RE2's Latin-1 mode), so no value can fail to be text. A non-ASCII character in an expression stands for its
 * UTF-8 bytes.
 */
export type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'bytes'; readonly set: Uint8Array }
  | { readonly kind: 'cat' | 'alt'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number }
  | { readonly kind: 'assert'; readonly what: AssertionKind };

/** Empty-width conditions. Words and lines as in RE2: ASCII word characters, "\n" ends lines. */
export const Assertion = { BeginText: 0, EndText: 1, BeginLine: 2, EndLine: 3, Word: 4, NotWord: 5 } as const;
export type AssertionKind = (typeof Assertion)[keyof typeof Assertion];

/** Unbounded `max` of a repeat. */
export const UNBOUNDED = -1;
/** RE2's bound on counted repetition, also for nested counts multiplied. */
export const MAX_REPEAT = 1000;
export const MAX_NESTING = 500;
export const MAX_PATTERN = 4096;

export const EMPTY: Node = { kind: 'empty' };

/** What is wrong with an expression, and where (UTF-16 index into it). */
export interface RegexProblem {
  readonly message: string;
  readonly position: number;
}

/** Thrown inside the parser only; `parseRegex` turns it into a value. */
export class RegexSyntaxError extends Error {
  readonly position: number;

  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

/** A set holding the bytes of inclusive ranges. */
export function ranges(...pairs: readonly (readonly [number, number])[]): Uint8Array {
  const set = new Uint8Array(256);
  for (const [from, to] of pairs) set.fill(1, from, to + 1);
  return set;
}

export function negate(set: Uint8Array): Uint8Array {
  return set.map((held) => 1 - held);
}

/** Adds `other` to `set`. */
export function unite(set: Uint8Array, other: Uint8Array): void {
  for (let byte = 0; byte < 256; byte++) if (other[byte] === 1) set[byte] = 1;
}

/** Closes a set under ASCII case. */
export function foldCase(set: Uint8Array): Uint8Array {
  const folded = Uint8Array.from(set);
  for (let upper = 0x41; upper <= 0x5a; upper++) {
    const held = (set[upper] ?? 0) | (set[upper + 32] ?? 0);
    folded[upper] = folded[upper + 32] = held;
  }
  return folded;
}
