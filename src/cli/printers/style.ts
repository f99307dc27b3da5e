// SPDX-License-Identifier: Apache-2.0
import { styleText } from 'node:util';

/** Gives text a meaning that colour shows; without colour it stays as it is. */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly strong: (text: string) => string;
}

export function createStyle(color: boolean): Style {
  const paint = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    color ? styleText(format, text, { validateStream: false }) : text;
  return {
    good: paint('green'),
    bad: paint(['red', 'bold']),
    warning: paint('yellow'),
    faint: paint('dim'),
    strong: paint('bold'),
  };
}
