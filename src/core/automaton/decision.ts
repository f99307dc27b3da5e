// SPDX-License-Identifier: Apache-2.0
import { Undecidable } from './component.ts';
import { CAN_ALLOW_BIT, FINAL_BIT } from './format.ts';

/** All of one match's conditions: per register, the classes that satisfy it, ascending. */
export interface DecisionMatch {
  readonly rule: number;
  readonly deny: boolean;
  readonly conditions: ReadonlyMap<number, readonly number[]>;
}

/** The rule list over the registers as a decision diagram: one look-up per register that still matters. */
export interface Decision {
  readonly words: Uint32Array;
  readonly root: number;
  /** Pairs of rule and 1 (Allow) or 0. Verdict 0: nothing matched. */
  readonly verdicts: Uint32Array;
}

export interface Verdict {
  readonly rule: number;
  readonly allow: boolean;
}

/** The diagram of a destination where nothing is enforced: every request passes by no rule. */
export const PASS_ALL: Decision = {
  words: Uint32Array.of(),
  root: FINAL_BIT + 1,
  verdicts: Uint32Array.of(0, 0, 0, 1),
};

const NOTHING: Decision = { words: Uint32Array.of(), root: FINAL_BIT, verdicts: Uint32Array.of(0, 0) };

/** Compilation steps (matches looked at) after which a diagram is given up. */
const MAX_WORK = 20_000_000;

/**
 * `classCounts[r]`: number of classes of register r. Of several matches the first in the list decides, of none
 * `otherwise`. The words and verdicts of `before` come first, so that both diagrams are one section.
 */
export function buildDecision(
  matches: readonly DecisionMatch[],
  classCounts: readonly number[],
  maxWords: number,
  before = NOTHING,
  otherwise: Verdict = { rule: 0, allow: false },
): Decision {
  const builder = new DecisionBuilder(matches, classCounts, maxWords, before, otherwise);
  const root = builder.node(
    matches.map((_, index) => index),
    0,
    -1,
    -1,
  );
  return { words: Uint32Array.from(builder.words), root, verdicts: Uint32Array.from(builder.verdicts) };
}

class DecisionBuilder {
  readonly words: number[];
  readonly verdicts: number[];
  readonly #otherwise: Verdict;
  readonly #matches: readonly DecisionMatch[];
  readonly #classCounts: readonly number[];
  readonly #maxWords: number;
  readonly #known = new Map<string, number>();
  readonly #verdictOf = new Map<number, number>();
  /** Registers each match reads, ascending. */
  readonly #reads: readonly (readonly number[])[];
  /** For each of those: an identity of the conditions from there on. */
  readonly #rests: readonly (readonly number[])[];
  #work = 0;

  constructor(
    matches: readonly DecisionMatch[],
    classCounts: readonly number[],
    maxWords: number,
    before: Decision,
    otherwise: Verdict,
  ) {
    this.words = [...before.words];
    this.verdicts = [...before.verdicts];
    for (let at = 0; at < this.verdicts.length; at += 2)
      this.#verdictOf.set((this.verdicts[at] ?? 0) * 2 + (this.verdicts[at + 1] ?? 0), at / 2);
    this.#otherwise = otherwise;
    this.#matches = matches;
    this.#classCounts = classCounts;
    this.#maxWords = maxWords;
    this.#reads = matches.map(({ conditions }) => [...conditions.keys()].sort((a, b) => a - b));
    const known = new Map<string, number>();
    this.#rests = matches.map(({ conditions }, index) => {
      const reads = this.#reads[index] ?? [];
      const rests: number[] = [];
      let rest = 0;
      for (let i = reads.length - 1; i >= 0; i--) {
        const register = reads[i] ?? 0;
        const key = `${register}:${conditions.get(register)?.join()};${rest}`;
        rest = known.get(key) ?? known.size + 1;
        known.set(key, rest);
        rests[i] = rest;
      }
      return rests;
    });
  }

  /** The word for: these matches are left, registers below `from` are known, and these matched already. */
  node(left: readonly number[], from: number, allowed: number, denied: number): number {
    const pending: number[] = [];
    let allow = allowed;
    let deny = denied;
    let register = Infinity;
    for (const index of left) {
      if (this.#nextRead(index, from) >= 0) {
        pending.push(index);
        continue;
      }
      if (this.#matches[index]?.deny === true) deny = deny < 0 ? index : Math.min(deny, index);
      else allow = allow < 0 ? index : Math.min(allow, index);
    }
    // Of matches with the same action and the same conditions left, only the first can ever decide.
    const seen = new Set<number>();
    const open = pending.filter((index) => {
      const isDeny = this.#matches[index]?.deny === true;
      if (deny >= 0 ? !isDeny || index > deny : !isDeny && allow >= 0 && index > allow) return false;
      const rest = (this.#rests[index]?.[this.#nextRead(index, from)] ?? 0) * 2 + (isDeny ? 1 : 0);
      if (seen.has(rest)) return false;
      seen.add(rest);
      return true;
    });
    if (deny >= 0) allow = -1;
    for (const index of open)
      register = Math.min(register, this.#reads[index]?.[this.#nextRead(index, from)] ?? Infinity);
    this.#work += left.length + 1;
    if (this.#work > MAX_WORK) throw new Undecidable('the rules combine in too many ways');
    if (open.length === 0) return this.#final(deny >= 0 ? deny : allow);
    const key = `${register};${allow},${deny};${open.join(',')}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const word = this.#branch(open, register, allow, deny);
    this.#known.set(key, word);
    return word;
  }

  /** Index into the match's reads of its first register from `from` on, or -1. */
  #nextRead(index: number, from: number): number {
    const reads = this.#reads[index] ?? [];
    for (let i = 0; i < reads.length; i++) if ((reads[i] ?? 0) >= from) return i;
    return -1;
  }

  #branch(open: readonly number[], register: number, allow: number, deny: number): number {
    const count = this.#classCounts[register] as number;
    const byClass: number[][] = Array.from({ length: count }, () => []);
    const always: number[] = [];
    for (const index of open) {
      const holds = this.#matches[index]?.conditions.get(register);
      if (holds === undefined) always.push(index);
      else for (const k of holds) byClass[k]?.push(index);
      this.#work += (holds?.length ?? 0) / 16;
    }
    const children = byClass.map((some) => {
      const left = some.length === 0 ? always : [...always, ...some].sort((a, b) => a - b);
      return this.node(left, register + 1, allow, deny);
    });
    if (children.every((child) => child === children[0])) return children[0] as number;
    const canAllow = children.some((child) =>
      child >= FINAL_BIT
        ? this.verdicts[(child - FINAL_BIT) * 2 + 1] === 1
        : ((this.words[child] as number) & CAN_ALLOW_BIT) !== 0,
    );
    if (this.words.length + count + 1 > this.#maxWords)
      throw new Undecidable('the rules need too large a decision');
    const at = this.words.push(register | (canAllow ? CAN_ALLOW_BIT : 0)) - 1;
    for (const child of children) this.words.push(child);
    return at;
  }

  #final(index: number): number {
    const match = this.#matches[index];
    const { rule, allow } = match === undefined ? this.#otherwise : { rule: match.rule, allow: !match.deny };
    const identity = rule * 2 + (allow ? 1 : 0);
    let known = this.#verdictOf.get(identity);
    if (known === undefined) {
      known = this.verdicts.push(rule, allow ? 1 : 0) / 2 - 1;
      this.#verdictOf.set(identity, known);
    }
    return FINAL_BIT + known;
  }
}
