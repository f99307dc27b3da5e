// SPDX-License-Identifier: Apache-2.0
import type { RejectReason } from '../http/reasons.ts';

/** How a field's automaton is left; negative, below DEAD. Rejections carry their reason. */
export const Exit = { Space: -2, Question: -3, Ampersand: -4, Equals: -5, LineEnd: -6 } as const;

const FIRST_REJECT = -100;

export function rejectExit(reason: RejectReason): number {
  return FIRST_REJECT - reason;
}

const FIRST_SETTLE = -1_000_000;
const SETTLE_PLACES = 64;

/** Left because the class is certain; `place` is where the field's bare grammar goes on. */
export function settleExit(value: number, place: number): number {
  return FIRST_SETTLE - value * SETTLE_PLACES - place;
}

/** The class and place of a settling exit, or undefined for another one. */
export function settled(exit: number): { value: number; place: number } | undefined {
  if (exit > FIRST_SETTLE) return undefined;
  const code = FIRST_SETTLE - exit;
  return { value: Math.floor(code / SETTLE_PLACES), place: code % SETTLE_PLACES };
}

/** The reason of a rejecting exit, or undefined for another one. */
export function exitReason(exit: number): number | undefined {
  return exit <= FIRST_REJECT && exit > FIRST_SETTLE ? FIRST_REJECT - exit : undefined;
}
