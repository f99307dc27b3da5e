// SPDX-License-Identifier: Apache-2.0
import { CR, DIGITS, HOST_NAME, HTAB, IPV6, LF, SP, lowerByte } from '../http/grammar.ts';
import { Reject } from '../http/reasons.ts';
import { type Dfa, explore } from '../regex/dfa.ts';
import { minimise } from '../regex/minimise.ts';
import { type Component, Undecidable } from './component.ts';
import { Exit, rejectExit } from './exits.ts';
import { advance, labelOf } from './lane-steps.ts';

const At = { Lead: 0, Label: 1, Dot: 2, Literal: 3, LiteralEnd: 4, Colon: 5, Port: 6, Trail: 7 } as const;
const PLACES = 8;

/**
 * The automaton of a Host value (header) or of the target of CONNECT: `host[:port]`, lower-cased, one dot at the
 * end of the name ignored, port not compared. CONNECT must name a port. Labels are label + 1.
 */
export function hostField(lane: Component, kind: 'header' | 'connect', limit: number): Dfa {
  const { dfa } = lane;
  const width = dfa.size + 1;
  const pair = (last: number, current: number, place: number): number =>
    ((last + 1) * width + current + 1) * PLACES + place;
  const field = explore(
    {
      start: pair(0, 0, At.Lead),
      step: (key, byte) => {
        const place = hostStep(key % PLACES, byte, kind);
        if (place < 0) return place;
        const current = (Math.floor(key / PLACES) % width) - 1;
        const last = Math.floor(key / PLACES / width) - 1;
        if (place === At.Lead) return key;
        if (place >= At.Colon) return pair(last, current, place);
        const to = advance(dfa, current, lowerByte(byte));
        return pair(place === At.Label || place === At.LiteralEnd ? to : last, to, place);
      },
      label: (key) => 1 + labelOf(dfa, Math.floor(key / PLACES / width) - 1),
    },
    limit,
  );
  if (field === undefined) throw new Undecidable('the hosts have too many states');
  return minimise(field);
}

function exitOf(kind: 'header' | 'connect'): number {
  return kind === 'header' ? Exit.LineEnd : Exit.Space;
}

/** RFC 9110 7.2 lets Host be empty; a port may be empty after its colon (RFC 3986 3.2.3), except for CONNECT. */
function endsAt(place: number, kind: 'header' | 'connect'): boolean {
  if (kind === 'connect') return place === At.Port;
  return place !== At.Literal;
}

/** The grammar: the next place, or an exit. The name's bytes lead to places below Colon. */
function hostStep(place: number, byte: number, kind: 'header' | 'connect'): number {
  const bad = rejectExit(Reject.BadHost);
  if (byte === LF) return rejectExit(Reject.BareLf);
  if (byte === (kind === 'header' ? CR : SP)) return endsAt(place, kind) ? exitOf(kind) : bad;
  if (byte === SP || byte === HTAB) {
    if (kind === 'connect') return bad;
    return place === At.Lead ? place : endsAt(place, kind) ? At.Trail : bad;
  }
  switch (place) {
    case At.Literal:
      return byte === 0x5d ? At.LiteralEnd : IPV6[byte] === 1 ? place : bad;
    case At.LiteralEnd:
      return byte === 0x3a ? At.Colon : bad;
    case At.Colon:
    case At.Port:
      return DIGITS[byte] === 1 ? At.Port : bad;
    case At.Trail:
      return bad;
  }
  return nameStep(place, byte);
}

function nameStep(place: number, byte: number): number {
  const bad = rejectExit(Reject.BadHost);
  if (byte === 0x5b && place === At.Lead) return At.Literal;
  if (byte === 0x3a && place !== At.Lead) return At.Colon;
  if (byte === 0x2e) return place === At.Label ? At.Dot : bad;
  return HOST_NAME[byte] === 1 ? At.Label : bad;
}
