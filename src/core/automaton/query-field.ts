// SPDX-License-Identifier: Apache-2.0
import { QUERY, SP, hexValue } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import { type Dfa, explore } from '../regex/dfa.ts';
import { minimise } from '../regex/minimise.ts';
import { type Component, Undecidable } from './component.ts';
import { Exit, rejectExit, settleExit } from './exits.ts';
import { advance, isSettled, labelOf } from './lane-steps.ts';
import { targetReason } from './path-grammar.ts';

/** Plain, after "%", and after "%" and a first digit (one state each). */
const PLACES = 18;
/** Any byte can be encoded in a query. */
const DECODED = new Uint8Array(256).fill(1);

/**
 * The automaton of a parameter's name or value, decoded as forms are (WHATWG URL, application/x-www-form-urlencoded:
 * "+" is a space). A name ends at "=", "&" or the space, a value at "&" or the space. Labels are label + 1. A value
 * whose class is certain is left by a settling exit into `queryGrammar`.
 */
export function queryField(lane: Component, isName: boolean, limit: number): Dfa {
  const { dfa } = lane;
  const settles = !isName && !isSettled(dfa, 0, DECODED);
  const field = explore(
    {
      start: PLACES,
      step: (key, byte) => {
        const place = key % PLACES;
        const state = Math.floor(key / PLACES) - 1;
        const step = queryStep(place, byte, isName);
        if (step < 0) return step;
        if (step >= PLACES) {
          const to = advance(dfa, state, step - PLACES);
          return settles && isSettled(dfa, to, DECODED)
            ? settleExit(1 + labelOf(dfa, to), 0)
            : (to + 1) * PLACES;
        }
        return (state + 1) * PLACES + step;
      },
      label: (key) => 1 + labelOf(dfa, Math.floor(key / PLACES) - 1),
    },
    limit,
  );
  if (field === undefined) throw new Undecidable('the query parameters have too many states');
  return minimise(field);
}

/** The grammar of a value alone, one state per place. */
export function queryGrammar(): Dfa {
  const next = new Int32Array(PLACES * 256);
  for (let place = 0; place < PLACES; place++)
    for (let byte = 0; byte < 256; byte++) {
      const step = queryStep(place, byte, false);
      next[place * 256 + byte] = step >= PLACES ? 0 : step;
    }
  const classOf = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  return { size: PLACES, classes: 256, classOf, next, label: new Int32Array(PLACES) };
}

/** An exit, the place in a pending escape, or PLACES plus the decoded byte. */
function queryStep(place: number, byte: number, isName: boolean): number {
  if (place > 0) {
    const digit = hexValue(byte);
    if (digit < 0) return rejectExit(Reject.BadEscape);
    return place === 1 ? 2 + digit : PLACES + (place - 2) * 16 + digit;
  }
  if (byte === SP) return Exit.Space;
  if (byte === 0x26) return Exit.Ampersand;
  if (byte === 0x3d && isName) return Exit.Equals;
  if (byte === 0x25) return 1;
  if (QUERY[byte] !== 1) return rejectExit(targetReason(byte));
  return PLACES + (byte === 0x2b ? SP : byte);
}

/** A query, or the value of a parameter, that no rule reads. Leaves at "&" only if asked to. */
export function freeQuery(stopAtAmpersand: boolean): Dfa {
  const dfa = explore(
    {
      start: 0,
      step: (_, byte) => {
        if (byte === SP) return Exit.Space;
        if (byte === 0x26 && stopAtAmpersand) return Exit.Ampersand;
        return QUERY[byte] === 1 ? 0 : rejectExit(targetReason(byte));
      },
      label: () => 1,
    },
    1,
  );
  return dfa as Dfa;
}
