// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../lib/errors.ts';

/** Says how the path of a request, as it was sent, is shown to whoever asks. */
export type PathRedaction = (path: string) => string;

/** One element of a template: a text that must be there, any, or one whose place a name takes. */
type Part =
  | 'any'
  | { readonly text: string; readonly rest?: false }
  | { readonly shown: string; readonly rest: boolean };

const PARAMETER = /^\{([A-Za-z][\w-]{0,31})(\.\.\.)?\}$/;

/** What a server compares: decoded, without the parameters that some let follow an element. */
function meaning(element: string): string {
  const [name = ''] = element.split(';', 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function partOf(element: string, isLast: boolean): Part | undefined {
  if (element === '*') return 'any';
  const [, name, rest] = PARAMETER.exec(element) ?? [];
  if (name !== undefined && (rest === undefined || isLast))
    return { shown: element, rest: rest !== undefined };
  return /[{}*?#]/.test(element) || element === '' ? undefined : { text: meaning(element) };
}

function partsOf(template: string): readonly Part[] {
  const [before, ...elements] = template.split('/');
  const parts = elements.map((element, index) => partOf(element, index === elements.length - 1));
  if (before === '' && parts.length > 0 && parts.every((part) => part !== undefined)) return parts;
  throw new PerigeeError(
    'ERR_TEMPLATE_INVALID',
    `not a template of paths: ${JSON.stringify(template)}; write it as /reset/{token}, /users/*/keys/{key} or /files/{path...}`,
  );
}

/** The pieces of a path: elements, and between them what separates those, also for a server that decodes first. */
const SEPARATOR = /(\/|%2f)/i;

/** Places of the elements that a path comes to once a server has resolved `.`, `..` and `//`. */
function resolved(pieces: readonly string[], elements: readonly number[]): readonly number[] {
  const places: number[] = [];
  for (const place of elements) {
    const text = meaning(pieces[place] ?? '');
    if (text === '..') places.pop();
    else if (text !== '' && text !== '.') places.push(place);
  }
  return places;
}

/** Puts what is shown in the place of elements, if those at `places` begin as the template does. */
function replace(
  parts: readonly Part[],
  pieces: readonly string[],
  places: readonly number[],
  shown: Map<number, string>,
): void {
  const found: [number, string][] = [];
  for (const [index, part] of parts.entries()) {
    const place = places[index];
    if (place === undefined) return;
    if (part === 'any') continue;
    if ('shown' in part) found.push([place, part.shown]);
    else if (meaning(pieces[place] ?? '') !== part.text) return;
    if (part.rest === true)
      for (let later = place + 1; later < pieces.length; later += 1) found.push([later, '']);
  }
  for (const [place, text] of found) shown.set(place, text);
}

/**
 * Compiles templates of paths: `{name}` stands in the place of one element, `{name...}` of all that are left, `*` is any
 * element and stays. Paths that begin as a template does are shown as that; others as they are. Templates are compared
 * with all that a server may take the path for, so that another spelling hides no less. Undefined without templates.
 * Throws ERR_TEMPLATE_INVALID.
 */
export function pathRedaction(templates: readonly string[]): PathRedaction | undefined {
  const all = templates.map(partsOf);
  if (all.length === 0) return undefined;
  return (path) => {
    const pieces = path.split(SEPARATOR);
    if (pieces[0] !== '') return path;
    const elements = pieces.flatMap((_, place) => (place > 0 && place % 2 === 0 ? [place] : []));
    const shown = new Map<number, string>();
    for (const parts of all)
      for (const places of [elements, resolved(pieces, elements)]) replace(parts, pieces, places, shown);
    return shown.size === 0 ? path : pieces.map((piece, place) => shown.get(place) ?? piece).join('');
  };
}
