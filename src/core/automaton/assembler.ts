// SPDX-License-Identifier: Apache-2.0
import { CR, HTAB, LF, SP, lowerByte } from '../http/grammar.ts';
import { Reject, type RejectReason } from '../http/reasons.ts';
import type { Dfa } from '../regex/dfa.ts';
import { Undecidable } from './component.ts';
import { exitReason } from './exits.ts';
import { ACTION_BIT, MAX_STATES, Op } from './format.ts';

/** What a transition does; absent parts are zero. Fields as in the action records of the format. */
export interface Action {
  readonly op: number;
  readonly register?: number;
  /** Register of the field that begins after this byte, if it has lanes. */
  readonly open?: number;
  readonly id?: number;
  readonly next?: number;
  readonly flags?: number;
  /** For Reject its reason; else the reason to reject with if one of `flags` is set already. */
  readonly reject?: RejectReason;
  /** Class for Set. */
  readonly value?: number;
}

/** An exit no field uses. */
const SINK_EXIT = -2;

/** Collects states, transitions by byte, and actions. State 0 is a sink that nothing leaves. */
export class Assembler {
  readonly rows: Uint16Array[] = [new Uint16Array(256)];
  readonly accept: number[] = [0];
  readonly alive: number[] = [0xffffffff];
  readonly actions: Required<Action>[] = [];
  readonly #maxStates: number;
  readonly #interned = new Map<string, number>();

  constructor(maxStates: number) {
    this.#maxStates = Math.min(maxStates, MAX_STATES);
  }

  /** A state that rejects every byte until told otherwise. */
  state(reason: RejectReason): number {
    return this.rawState(new Uint16Array(256).fill(this.rejection(reason)));
  }

  rawState(row: Uint16Array): number {
    if (this.rows.length >= this.#maxStates) throw new Undecidable(`more than ${this.#maxStates} states`);
    this.accept.push(0);
    this.alive.push(0xffffffff);
    return this.rows.push(row) - 1;
  }

  /** The transition entry of an action. */
  action(given: Action): number {
    const action = {
      register: 0,
      open: 0,
      id: 0,
      next: 0,
      flags: 0,
      value: 0,
      reject: Reject.None,
      ...given,
    };
    const key = Object.values(action).join(',');
    let known = this.#interned.get(key);
    if (known === undefined) {
      if (this.actions.length >= ACTION_BIT) throw new Undecidable('too many actions');
      known = this.actions.push(action) - 1;
      this.#interned.set(key, known);
    }
    return known | ACTION_BIT;
  }

  rejection(reject: RejectReason): number {
    return this.action({ op: Op.Reject, reject });
  }

  /** Sets transitions of a state for the bytes of a set or a single one. */
  on(state: number, bytes: Uint8Array | number, entry: number): void {
    const row = this.rows[state] as Uint16Array;
    if (typeof bytes === 'number') row[bytes] = entry;
    else for (let byte = 0; byte < 256; byte++) if (bytes[byte] === 1) row[byte] = entry;
  }

  /** Both cases of a letter. */
  onLetter(state: number, byte: number, entry: number): void {
    const lower = lowerByte(byte);
    this.on(state, lower, entry);
    if (lower >= 0x61 && lower <= 0x7a) this.on(state, lower - 0x20, entry);
  }

  onSpace(state: number, entry: number): void {
    this.on(state, SP, entry);
    this.on(state, HTAB, entry);
  }

  /** Line ends for states inside a line: CR goes on, LF is bare. */
  onLineEnd(state: number, cr: number): void {
    this.on(state, CR, cr);
    this.on(state, LF, this.rejection(Reject.BareLf));
  }

  /** Copies a state's transitions into a new one. */
  copy(state: number): number {
    const to = this.rawState((this.rows[state] as Uint16Array).slice());
    this.accept[to] = this.accept[state] as number;
    return to;
  }

  /**
   * Adds an automaton; returns the first of its states, the others follow. Labels become accept ids. `soften` may
   * put another transition in the place of a rejection.
   */
  place(
    dfa: Dfa,
    leave: (exit: number) => number,
    soften?: (byte: number, state: number) => number | undefined,
  ): number {
    const entries = new Map<number, number>();
    const entryOf = (exit: number): number => {
      let entry = entries.get(exit);
      if (entry === undefined) {
        const reason = exitReason(exit);
        entry = reason === undefined ? leave(exit) : this.rejection(reason as RejectReason);
        entries.set(exit, entry);
      }
      return entry;
    };
    const base = this.rows.length;
    for (let state = 0; state < dfa.size; state++) {
      const row = new Uint16Array(256);
      for (let byte = 0; byte < 256; byte++) {
        const to = dfa.next[state * dfa.classes + (dfa.classOf[byte] as number)] as number;
        const rejects = soften !== undefined && exitReason(to) !== undefined;
        row[byte] = to >= 0 ? base + to : ((rejects ? soften(byte, state) : undefined) ?? entryOf(to));
      }
      this.rawState(row);
      this.accept[base + state] = dfa.label[state] as number;
    }
    return base;
  }

  /** Adds an automaton that only classifies: whatever would leave it falls into the sink. */
  placeLane(dfa: Dfa): number {
    return this.place({ ...dfa, next: dfa.next.map((to) => (to < 0 ? SINK_EXIT : to)) }, () => 0);
  }

  /** Optional white space, a word in any case, optional white space, CR; anything else is rejected. */
  keyword(word: string, reason: RejectReason, cr: number): number {
    const start = this.state(reason);
    this.onSpace(start, start);
    this.on(start, LF, this.rejection(Reject.BareLf));
    let state = start;
    for (let i = 0; i < word.length; i++) {
      const after = this.state(reason);
      this.onLetter(state, word.charCodeAt(i), after);
      state = after;
    }
    const trail = this.state(reason);
    for (const last of [state, trail]) {
      this.onSpace(last, trail);
      this.onLineEnd(last, cr);
    }
    return start;
  }
}
