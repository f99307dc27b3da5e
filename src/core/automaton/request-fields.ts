// SPDX-License-Identifier: Apache-2.0
import type { Dfa } from '../regex/dfa.ts';
import type { Action, Assembler } from './assembler.ts';
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
  /** Register that says: what only rules in Audit mode read can be read in two ways. 0: no such rule. */
  readonly ambiguous: number;
}

/** Only Audit reads the field: what an enforced rule's reading would reject sets the register and goes on. */
export function isSoft({ plan }: CompiledField): boolean {
  return !plan.enforced;
}

/** The transition that takes the place of a rejection there. It ends lanes that are open. */
export function ambiguity(asm: Assembler, register: number, to: Pick<Action, 'next' | 'flags'>): number {
  return asm.action({ op: Op.Set, register, open: register, value: 1, ...to });
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
