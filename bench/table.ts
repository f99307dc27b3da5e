// SPDX-License-Identifier: Apache-2.0

/** A table of Markdown; the first column is text, the others are numbers. */
export function table(lines: readonly (readonly string[])[]): string {
  const [header = [], ...rows] = lines;
  const rule = header.map((_, index) => (index === 0 ? '---' : '---:'));
  return [header, rule, ...rows].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
