// SPDX-License-Identifier: Apache-2.0
import { type Component, Undecidable, unite } from './component.ts';

/** A union may have this many times its parts' states before it is split into lanes. */
const GROWTH = 2;
const SMALL_UNION = 1024;

/**
 * Packs the automata of one field into as few lanes as possible. Most expressions united stay about as large as
 * their sum and share a lane; those that must remember what each of them saw ("contains this") would multiply, so
 * they are kept apart and run side by side.
 */
export function packLanes(components: readonly Component[], maxStates: number): readonly Component[] {
  const lanes = split(components, maxStates);
  const [first, ...rest] = lanes;
  if (first === undefined) return [unite([], maxStates) as Component];
  const packed = [first];
  for (const lane of rest) {
    const last = packed[packed.length - 1] as Component;
    const joined = unite([last, lane], bound([last, lane], maxStates));
    if (joined === undefined) packed.push(lane);
    else packed[packed.length - 1] = joined;
  }
  return packed;
}

function split(components: readonly Component[], maxStates: number): readonly Component[] {
  if (components.length === 0) return [];
  const whole = unite(components, bound(components, maxStates));
  if (whole !== undefined && whole.dfa.size <= maxStates) return [whole];
  if (components.length === 1) throw new Undecidable('one expression has too many states');
  const half = components.length >> 1;
  return [...split(components.slice(0, half), maxStates), ...split(components.slice(half), maxStates)];
}

function bound(components: readonly Component[], maxStates: number): number {
  const sum = components.reduce((states, component) => states + component.dfa.size, 0);
  return Math.min(maxStates, Math.max(SMALL_UNION, GROWTH * sum));
}
