// SPDX-License-Identifier: Apache-2.0

/** Text for a table cell: pipes and line ends would end it. */
export function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');
}

export function markdownTable(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('\n');
}

/** A page of the reference; nobody edits it by hand. */
export function page(title: string, source: string, parts: readonly string[]): string {
  const note = `<!-- Generated from ${source} by tools/generate-reference.ts. Do not edit. -->`;
  return `${[note, `# ${title}`, ...parts].join('\n\n')}\n`;
}
