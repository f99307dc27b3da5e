// SPDX-License-Identifier: Apache-2.0
import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type LineCounter, type Pair } from 'yaml';
import type { Origin } from './origin.ts';
import type { FieldPath } from './resource-error.ts';

/**
 * Offset in the text of the field at the path: of its key if asked for or if its value is a map or list,
 * else of its value. A field that isn't there is placed at what should hold it.
 */
export function locate(document: Document.Parsed, path: FieldPath, atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const last = depth === path.length - 1;
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find((item) => keyOf(item) === String(part));
      if (pair === undefined) return offset;
      const value =
        last && !atKey && !isMap(pair.value) && !isSeq(pair.value) ? startOf(pair.value) : undefined;
      offset = value ?? startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function keyOf(pair: unknown): string | undefined {
  return isPair(pair) && isScalar(pair.key) ? String(pair.key.value) : undefined;
}

function startOf(node: unknown): number | undefined {
  const range = (node as { range?: readonly number[] | null } | null | undefined)?.range;
  return range?.[0];
}

/** Where the document, its directions and their rules stand. */
export function originOf(document: Document.Parsed, file: string, lines: LineCounter): Origin {
  const start = lines.linePos(startOf(document.contents) ?? 0);
  const directions: { -readonly [K in keyof Origin['directions']]: Origin['directions'][K] } = {};
  for (const direction of ['ingress', 'egress'] as const) {
    const list = document.getIn(['spec', direction], true);
    const resolved = isAlias(list) ? list.resolve(document) : list;
    if (!isSeq(resolved)) continue;
    const lineAt = (path: FieldPath) => lines.linePos(locate(document, path, true)).line;
    directions[direction] = {
      line: lineAt(['spec', direction]),
      rules: resolved.items.map((_, index) => lineAt(['spec', direction, index])),
    };
  }
  return { file, line: start.line, column: start.col, directions };
}
