// SPDX-License-Identifier: Apache-2.0
import type { Screen } from './screen.ts';

/** One promise of the story and whether it was kept. */
export interface Verdict {
  readonly when: string;
  readonly what: string;
  readonly expected: string;
  readonly seen: string;
}

/** Every verdict that the demo has expected and seen. */
export class Verdicts {
  readonly #all: Verdict[] = [];

  /** @returns whether it was as expected */
  record(verdict: Verdict): boolean {
    this.#all.push(verdict);
    return verdict.expected === verdict.seen;
  }

  get failed(): number {
    return this.#all.filter(({ expected, seen }) => expected !== seen).length;
  }

  print(screen: Screen): void {
    const header = { when: 'when', what: 'what', expected: 'expected', seen: 'seen' };
    const rows = [header, ...this.#all];
    const width = (field: keyof Verdict): number => Math.max(...rows.map((row) => row[field].length));
    const widths = {
      when: width('when'),
      what: width('what'),
      expected: width('expected'),
      seen: width('seen'),
    };
    for (const row of rows) {
      const line = [
        row.when.padEnd(widths.when),
        row.what.padEnd(widths.what),
        row.expected.padEnd(widths.expected),
        row.seen.padEnd(widths.seen),
      ].join('  ');
      if (row === header) screen.say(`    ${screen.strong(line.trimEnd())}`);
      else screen.verdict(row.expected === row.seen, line.trimEnd());
    }
    const count = this.#all.length;
    const summary =
      this.failed === 0
        ? screen.good(`all ${count} as expected`)
        : screen.bad(`${this.failed} of ${count} not as expected`);
    screen.say(`\n  ${summary}`);
  }
}
