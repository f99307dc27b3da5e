// SPDX-License-Identifier: Apache-2.0

/* Policies speak of requests in the automaton's terms; this is where the rest of the room gets them from. */
export type { HttpMatch, NamedMatch, PathMatch } from '../automaton/rules.ts';
