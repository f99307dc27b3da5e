// SPDX-License-Identifier: Apache-2.0
import { WORD } from './classes.ts';
import { Inst, type Program } from './program.ts';
import { Assertion } from './syntax.ts';

/** The byte before the current position, as far as assertions can tell. */
const Before = { Irrelevant: 0, Begin: 1, Word: 2, NewLine: 3, Other: 4 } as const;
/** In place of a byte: the end of the value. */
const END = -1;

/** Sorted instructions that wait for the next byte; assertions stay in it until that byte is known. */
export interface NfaState {
  readonly waiting: readonly number[];
  readonly before: number;
}

/** Steps a program through its state sets. One step costs at most the program's size. */
export class Stepper {
  readonly #program: Program;
  readonly #seen: Uint32Array;
  #round = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#seen = new Uint32Array(program.ops.length);
  }

  start(): NfaState {
    return this.#state([this.#program.start], Before.Begin);
  }

  step(state: NfaState, byte: number): NfaState {
    const { ops, args, next, sets } = this.#program;
    const reached: number[] = [];
    for (const pc of this.#resolved(state, byte))
      if (ops[pc] === Inst.Bytes && sets[args[pc] as number]?.[byte] === 1) reached.push(next[pc] as number);
    const before = byte === 10 ? Before.NewLine : WORD[byte] === 1 ? Before.Word : Before.Other;
    return this.#state(reached, before);
  }

  /** The value may end here. */
  accepts(state: NfaState): boolean {
    return this.#resolved(state, END).some((pc) => this.#program.ops[pc] === Inst.Match);
  }

  #state(entries: readonly number[], before: number): NfaState {
    const waiting = this.#closure(entries, () => false).sort((a, b) => a - b);
    const pending =
      this.#program.hasAssertions && waiting.some((pc) => this.#program.ops[pc] === Inst.Assert);
    return { waiting, before: pending ? before : Before.Irrelevant };
  }

  #resolved(state: NfaState, byte: number): readonly number[] {
    if (state.before === Before.Irrelevant) return state.waiting;
    return this.#closure(state.waiting, (what) => holds(what, state.before, byte));
  }

  #closure(entries: readonly number[], passes: (what: number) => boolean): number[] {
    const { ops, args, next, other } = this.#program;
    const round = ++this.#round;
    const found: number[] = [];
    const stack = [...entries];
    for (let pc = stack.pop(); pc !== undefined; pc = stack.pop()) {
      if (this.#seen[pc] === round) continue;
      this.#seen[pc] = round;
      if (ops[pc] === Inst.Split) stack.push(next[pc] as number, other[pc] as number);
      else {
        found.push(pc);
        if (ops[pc] === Inst.Assert && passes(args[pc] as number)) stack.push(next[pc] as number);
      }
    }
    return found;
  }
}

function holds(what: number, before: number, byte: number): boolean {
  const boundary = (before === Before.Word) !== (byte !== END && WORD[byte] === 1);
  switch (what) {
    case Assertion.BeginText:
      return before === Before.Begin;
    case Assertion.BeginLine:
      return before === Before.Begin || before === Before.NewLine;
    case Assertion.EndText:
      return byte === END;
    case Assertion.EndLine:
      return byte === END || byte === 10;
    case Assertion.Word:
      return boundary;
    default:
      return !boundary;
  }
}
