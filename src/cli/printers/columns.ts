// SPDX-License-Identifier: Apache-2.0
import { table } from 'table';

const none = '';
const borderless = {
  topBody: none,
  topJoin: none,
  topLeft: none,
  topRight: none,
  bottomBody: none,
  bottomJoin: none,
  bottomLeft: none,
  bottomRight: none,
  bodyLeft: none,
  bodyRight: none,
  bodyJoin: '  ',
  joinBody: none,
  joinLeft: none,
  joinRight: none,
  joinJoin: none,
};

/** Aligned columns without borders; the first row is the heading. Cells must be free of control characters. */
export function columns(rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const text = table(
    rows.map((row) => [...row]),
    {
      border: borderless,
      columnDefault: { paddingLeft: 0, paddingRight: 0 },
      drawHorizontalLine: () => false,
    },
  );
  return text.replace(/ +$/gm, '');
}
