// SPDX-License-Identifier: Apache-2.0
import { parseSyntax } from './parse.ts';
import { type Program, buildProgram } from './program.ts';
import { Stepper } from './stepper.ts';
import { type RegexProblem, RegexSyntaxError } from './syntax.ts';

/** A checked regular expression in RE2 syntax, over bytes, matching whole values only. */
export interface Regex {
  readonly pattern: string;
  readonly program: Program;
}

/** Parses an expression; what is wrong with it is a value, for the person who wrote it. */
export function parseRegex(pattern: string): { readonly regex: Regex } | { readonly problem: RegexProblem } {
  try {
    return { regex: { pattern, program: buildProgram(parseSyntax(pattern)) } };
  } catch (error) {
    if (!(error instanceof RegexSyntaxError)) throw error;
    return { problem: { message: error.message, position: error.position } };
  }
}

/** Whether the whole value matches, by NFA simulation: linear in the value, for expressions of any shape. */
export function matchesRegex(regex: Regex, value: Uint8Array): boolean {
  const stepper = new Stepper(regex.program);
  let state = stepper.start();
  for (const byte of value) {
    state = stepper.step(state, byte);
    if (state.waiting.length === 0) return false;
  }
  return stepper.accepts(state);
}
