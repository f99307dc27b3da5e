// SPDX-License-Identifier: Apache-2.0
import { CR, FIELD_VALUE, HTAB, LF, SP } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import { type Dfa, explore } from '../regex/dfa.ts';
import { minimise } from '../regex/minimise.ts';
import { type Component, Undecidable } from './component.ts';
import { Exit, rejectExit, settleExit } from './exits.ts';
import { advance, isSettled, labelOf, splitClasses } from './lane-steps.ts';

const GRAMMAR_CLASS = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === SP || byte === HTAB ? 1 : byte === CR || byte === LF ? byte : FIELD_VALUE[byte] === 1 ? 2 : 0,
);

/**
 * The automaton of a header value that rules read, from after the colon to the CR, without the white space around
 * it. White space inside counts, so both the state before it and the one after it are kept until it is known which
 * it was. Labels are label + 1. Where the class is certain it is left by a settling exit.
 */
export function valueField(lane: Component, limit: number): Dfa {
  const { dfa } = lane;
  const width = dfa.size + 1;
  const pair = (last: number, current: number, begun: number): number =>
    ((last + 1) * width + current + 1) * 2 + begun;
  const settles = !isSettled(dfa, 0, FIELD_VALUE);
  const field = explore(
    {
      classOf: splitClasses(dfa.classOf, GRAMMAR_CLASS),
      start: pair(0, 0, 0),
      step: (key, byte) => {
        if (byte === CR) return Exit.LineEnd;
        if (FIELD_VALUE[byte] !== 1) return rejectExit(byte === LF ? Reject.BareLf : Reject.BadValue);
        const current = (Math.floor(key / 2) % width) - 1;
        const last = Math.floor(key / 2 / width) - 1;
        if (byte !== SP && byte !== HTAB) {
          const to = advance(dfa, current, byte);
          return settles && isSettled(dfa, to, FIELD_VALUE)
            ? settleExit(1 + labelOf(dfa, to), 0)
            : pair(to, to, 1);
        }
        if (key % 2 === 0) return key;
        const to = advance(dfa, current, byte);
        return pair(last, to, 1);
      },
      label: (key) => 1 + labelOf(dfa, Math.floor(key / 2 / width) - 1),
    },
    limit,
  );
  if (field === undefined) throw new Undecidable('the header values have too many states');
  return minimise(field);
}
