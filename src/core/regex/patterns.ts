// SPDX-License-Identifier: Apache-2.0
import { type Regex, matchesRegex, parseRegex } from './regex.ts';

/** Expressions that are asked again and again, parsed once; with a bound on what one round of asking costs. */
export class Patterns {
  /** The round cost more than its bound: answers since then are not to be relied on. */
  isExhausted = false;
  readonly #known = new Map<string, Regex | undefined>();
  readonly #maxSteps: number;
  #steps = 0;

  /** @param maxSteps of a round: bytes looked at, times the size of the expression that looks */
  constructor(maxSteps = Infinity) {
    this.#maxSteps = maxSteps;
  }

  /** Begins a round. */
  begin(): void {
    this.#steps = 0;
    this.isExhausted = false;
  }

  /** Whether the whole value matches; an expression that can't be parsed never does. */
  matches(pattern: string, value: Uint8Array): boolean {
    const regex = this.#parse(pattern);
    if (regex === undefined) return false;
    this.#steps += (value.length + 1) * regex.program.ops.length;
    if (this.#steps > this.#maxSteps) this.isExhausted = true;
    return !this.isExhausted && matchesRegex(regex, value);
  }

  #parse(pattern: string): Regex | undefined {
    if (this.#known.has(pattern)) return this.#known.get(pattern);
    const parsed = parseRegex(pattern);
    const regex = 'regex' in parsed ? parsed.regex : undefined;
    this.#known.set(pattern, regex);
    return regex;
  }
}
