// SPDX-License-Identifier: Apache-2.0
import type { Dfa } from '../regex/dfa.ts';
import type { Assembler } from './assembler.ts';
import type { Component } from './component.ts';
import { settled } from './exits.ts';
import { Op } from './format.ts';
import type { CompiledField } from './registers.ts';

export const METHOD_REGISTER = 0;

/** What the request automaton is assembled from. */
export interface RequestFields {
  /** Names that have a class of their own, in class order from 2; class 1 is every other method. */
  readonly methods: readonly string[];
  readonly path: CompiledField | undefined;
  /** Which parameters are read: label l of the automaton means the field `meaning[l - 1][0]`. */
  readonly queryNames: Component | undefined;
  readonly query: readonly CompiledField[];
  readonly host: CompiledField;
  /** The target of CONNECT, by the same predicates and into the same register as `host`. */
  readonly connect: Dfa;
  readonly headers: readonly CompiledField[];
  readonly record: readonly string[];
}

/** A field's first lane, its register, and what to open if it has more. */
export function first(field: CompiledField): { dfa: Dfa; register: number; open: number } {
  const [dfa] = field.lanes;
  const [register] = field.registers;
  if (dfa === undefined || register === undefined) throw new RangeError('a field without lanes');
  return { dfa, register: register.number, open: register.lanes > 0 ? register.number : 0 };
}

/** Notes where a field's first lane begins. */
export function setStart(field: CompiledField, start: number): number {
  if (field.registers[0] !== undefined) field.registers[0].start = start;
  return start;
}

/** The action of a settling exit; `bare` is the first state of the grammar that goes on. */
export function settle(asm: Assembler, exit: number, register: number, bare: number): number | undefined {
  const certain = settled(exit);
  if (certain === undefined) return undefined;
  return asm.action({ op: Op.Set, register, value: certain.value, next: bare + certain.place });
}
