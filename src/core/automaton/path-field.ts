// SPDX-License-Identifier: Apache-2.0
import { LETTERS, PATH, SP, UNRESERVED, hexValue } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import { type Dfa, explore } from '../regex/dfa.ts';
import { minimise } from '../regex/minimise.ts';
import { type Component, Undecidable } from './component.ts';
import { EscapeTargets } from './escape-targets.ts';
import { Exit, rejectExit, settleExit } from './exits.ts';
import { advance, isSettled, labelOf, splitClasses } from './lane-steps.ts';
import { At, PLACES, pathEnd, pathStep, startReason, targetReason } from './path-grammar.ts';

const QUESTION = 0x3f;
const PERCENT = 0x25;

/** What can be encoded in a path that passes its grammar. */
const ENCODABLE = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === 0x7f || byte === 0x2f || byte === 0x5c || UNRESERVED[byte] === 1 ? 0 : 1,
);

/** What a decoded path can hold. */
const DECODED = ENCODABLE.map((encodable, byte) => encodable | (PATH[byte] ?? 0));

/** Bytes that the grammar alone treats apart from others: each hexadecimal digit, and by set. */
const GRAMMAR_CLASS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (hexValue(byte) >= 0 || './%;? *#\\\r\n'.includes(String.fromCharCode(byte))) return byte;
  return LETTERS[byte] === 1 ? 0x67 : PATH[byte] === 1 ? 0x7e : 0;
});

/**
 * The automaton of a path that rules read: its grammar around one lane of predicates, which see it decoded. Labels
 * are label + 1. Where the predicates can not change any more it is left by a settling exit into `pathGrammar`.
 */
export function pathField(lane: Component, limit: number): Dfa {
  const { dfa } = lane;
  const targets = new EscapeTargets(dfa, ENCODABLE);
  const settles = !isSettled(dfa, 0, DECODED);
  // A key holds the place, the predicates' state, and whether that state is the one after the pending escape.
  const key = (state: number, after: boolean, place: number): number =>
    ((state + 1) * 2 + (after ? 1 : 0)) * PLACES + place;
  const field = explore(
    {
      start: key(0, false, At.Start),
      classOf: splitClasses(dfa.classOf, GRAMMAR_CLASS),
      step: (from, byte) => {
        const place = from % PLACES;
        const half = Math.floor(from / PLACES);
        const state = (half >> 1) - 1;
        if (byte === SP || byte === QUESTION) return endOf(place, byte);
        const step = pathStep(place, byte);
        if (typeof step === 'number') return rejectExit(step);
        if (step.emit >= 0) {
          const to = half % 2 === 1 ? state : advance(dfa, state, step.emit);
          if (settles && isSettled(dfa, to, DECODED)) return settleExit(1 + labelOf(dfa, to), step.place);
          return key(to, false, step.place);
        }
        if (half % 2 === 1) return key(state, true, step.place);
        const only = byte === PERCENT ? targets.any(state) : targets.withHigh(state, hexValue(byte));
        return only === undefined ? key(state, false, step.place) : key(only, true, step.place);
      },
      label: (from) => 1 + labelOf(dfa, (Math.floor(from / PLACES) >> 1) - 1),
    },
    limit,
  );
  if (field === undefined) throw new Undecidable('the paths have too many states');
  return minimise(field);
}

/** A further lane over the same path, whose grammar the first lane sees to. Labels are label + 1. */
export function pathLane(lane: Component, limit: number): Dfa {
  const { dfa } = lane;
  const targets = new EscapeTargets(dfa, ENCODABLE);
  // Places: 0 plain, 1 after "%", 2 one more digit, 3 + h after "%" and h; 1 and 2 know the state already if `after`.
  const places = 19;
  const key = (state: number, after: boolean, place: number): number =>
    ((state + 1) * 2 + (after ? 1 : 0)) * places + place;
  const field = explore(
    {
      start: key(0, false, 0),
      classOf: splitClasses(dfa.classOf, GRAMMAR_CLASS),
      step: (from, byte) => {
        const place = from % places;
        const half = Math.floor(from / places);
        const state = (half >> 1) - 1;
        if (place === 0) {
          if (byte !== PERCENT) return key(advance(dfa, state, byte), false, 0);
          const only = targets.any(state);
          return only === undefined ? key(state, false, 1) : key(only, true, 1);
        }
        const digit = hexValue(byte);
        if (digit < 0) return Exit.Space;
        if (half % 2 === 1) return place === 1 ? key(state, true, 2) : key(state, false, 0);
        if (place >= 3) return key(advance(dfa, state, (place - 3) * 16 + digit), false, 0);
        const only = targets.withHigh(state, digit);
        return only === undefined ? key(state, false, 3 + digit) : key(only, true, 2);
      },
      label: (from) => 1 + labelOf(dfa, (Math.floor(from / places) >> 1) - 1),
    },
    limit,
  );
  if (field === undefined) throw new Undecidable('the paths have too many states');
  return minimise(field);
}

/** The grammar alone, one state per place. */
export function pathGrammar(): Dfa {
  const next = new Int32Array(PLACES * 256);
  for (let place = 0; place < PLACES; place++)
    for (let byte = 0; byte < 256; byte++) {
      const ends = byte === SP || byte === QUESTION;
      const step = ends ? Reject.None : pathStep(place, byte);
      const rejected = typeof step === 'number' ? rejectExit(step) : step.place;
      next[place * 256 + byte] = ends ? endOf(place, byte) : rejected;
    }
  const classOf = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  return { size: PLACES, classes: 256, classOf, next, label: new Int32Array(PLACES) };
}

function endOf(place: number, byte: number): number {
  const reason = pathEnd(place);
  if (reason !== Reject.None) return rejectExit(reason);
  return byte === SP ? Exit.Space : Exit.Question;
}

/** The automaton of a path that no rule reads: any target in origin form. */
export function freePath(): Dfa {
  const dfa = explore(
    {
      start: 0,
      step: (key, byte) => {
        if (key === 0) {
          if (byte === 0x2f) return 1;
          return rejectExit(LETTERS[byte] === 1 ? Reject.AbsoluteForm : startReason(byte));
        }
        if (byte === SP) return Exit.Space;
        if (byte === QUESTION) return Exit.Question;
        return PATH[byte] === 1 || byte === PERCENT ? 1 : rejectExit(targetReason(byte));
      },
      label: () => 1,
    },
    2,
  );
  return dfa as Dfa;
}
