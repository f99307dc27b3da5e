// SPDX-License-Identifier: Apache-2.0

/** Something wrong in a file, in the terms of the person who wrote it. */
export interface ResourceError {
  readonly file: string;
  /** From 1; 0 if the fault is of the file as a whole. */
  readonly line: number;
  /** From 1, in UTF-16 units; 0 likewise. */
  readonly column: number;
  /** `spec.ingress[0].from[1].cidrs[0]`; empty for the document as a whole. */
  readonly field: string;
  readonly message: string;
  readonly hint?: string;
}

export type FieldPath = readonly (string | number)[];

export function formatField(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** One line: `shop.yaml:12:5: spec.mode: must be one of … (did you mean …?)`. */
export function formatResourceError(error: ResourceError): string {
  const place = error.line === 0 ? error.file : `${error.file}:${error.line}:${error.column}`;
  const field = error.field === '' ? '' : ` ${error.field}:`;
  const hint = error.hint === undefined ? '' : ` (${error.hint})`;
  return `${place}:${field} ${error.message}${hint}`;
}

/** By file, line and column, so that reports don't depend on the order of checks. */
export function sortResourceErrors(errors: readonly ResourceError[]): ResourceError[] {
  return [...errors].sort(
    (a, b) =>
      compare(a.file, b.file) || a.line - b.line || a.column - b.column || compare(a.message, b.message),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
