// SPDX-License-Identifier: Apache-2.0
import type { Machine } from './machine-use.ts';
import type { Ratio } from './statistics.ts';

/** What rules compile to. */
export interface TableFacts {
  readonly rules: number;
  readonly states: number;
  readonly bytes: number;
  readonly compileMs: number;
}

export interface RulesResults {
  readonly machine: Machine;
  readonly date: string;
  readonly rounds: number;
  /** Rate by 1,000 rules by that by one. */
  readonly ratio: Ratio;
  readonly tables: readonly TableFacts[];
}

/** The section of docs/performance.md. */
export function renderRules({ machine, date, rounds, ratio, tables }: RulesResults): string {
  const rows = tables.map(
    ({ rules, states, bytes, compileMs }) =>
      `| ${rules.toLocaleString('en')} | ${states.toLocaleString('en')} | ${bytes.toLocaleString('en')} | ${compileMs.toFixed(0)} |`,
  );
  return `## A thousand rules

Measured on ${date.slice(0, 10)}: ${String(machine.cores)} cores of ${machine.cpu}, Linux ${machine.kernel}; ${String(rounds)} interleaved rounds, 64 connections kept open, inline.
1,000 rules on one port (500 exact paths, 300 prefixes, 200 expressions with a header condition, of which the last
decides) against that last one alone: ${ratio.median.toFixed(2)} of its rate (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}).
\`make bench-rules\` repeats it.

| rules | states | table bytes | compile ms |
| ---: | ---: | ---: | ---: |
${rows.join('\n')}
`;
}
