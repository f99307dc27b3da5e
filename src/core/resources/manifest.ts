// SPDX-License-Identifier: Apache-2.0
import { type Document, isScalar, LineCounter, parseAllDocuments, visit, type YAMLError } from 'yaml';
import { didYouMean } from './did-you-mean.ts';
import { explainIssue, type FieldFault } from './explain-issue.ts';
import { type Resource, type ResourceKind, resourceKinds } from './kinds.ts';
import { locate, originOf } from './locate.ts';
import { formatField, type ResourceError, sortResourceErrors } from './resource-error.ts';
import { messageOf } from '../../lib/errors.ts';

export interface Manifest {
  /** Only what is without fault; use it only if `errors` is empty. */
  readonly resources: readonly Resource[];
  readonly errors: readonly ResourceError[];
  /** Documents that aren't empty. */
  readonly documents: number;
}

/** Longest text read, in UTF-16 units: 1 MiB of ASCII. */
export const MAX_MANIFEST_LENGTH = 1024 * 1024;
/** Uses of an anchor, and all that they expand to together; more is an alias bomb. */
const MAX_ALIASES = 100;
/** Faults reported of one file: the rest mostly follow from the first. */
const MAX_ERRORS = 20;

/** Reads YAML text of any number of documents. Never throws: every fault has its place in the text. */
export function parseManifest(text: string, file: string): Manifest {
  const refused = tooLong(text, file);
  if (refused !== undefined) return { resources: [], errors: [refused], documents: 0 };
  const lines = new LineCounter();
  const resources: Resource[] = [];
  const errors: ResourceError[] = [];
  const documents = parseDocuments(text, lines);
  let count = 0;
  for (const document of documents) {
    if (errors.length >= MAX_ERRORS) break;
    if (document.errors.length > 0) {
      errors.push(...document.errors.slice(0, MAX_ERRORS).map((error) => syntaxError(error, file, lines)));
    } else if (!isEmpty(document)) {
      count++;
      const read = readDocument(document);
      if ('resource' in read) resources.push({ ...read.resource, origin: originOf(document, file, lines) });
      else
        errors.push(...read.faults.slice(0, MAX_ERRORS).map((fault) => placed(fault, document, file, lines)));
    }
  }
  return { resources, errors: sortResourceErrors(errors).slice(0, MAX_ERRORS), documents: count };
}

function parseDocuments(text: string, lines: LineCounter): readonly Document.Parsed[] {
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
    uniqueKeys: false,
  });
  return Array.isArray(parsed) ? parsed : [];
}

function isEmpty({ contents }: Document.Parsed): boolean {
  return contents === null || (isScalar(contents) && contents.value === null);
}

function tooLong(text: string, file: string): ResourceError | undefined {
  if (text.length <= MAX_MANIFEST_LENGTH) return undefined;
  return { file, line: 1, column: 1, field: '', message: 'is longer than 1 MiB', hint: 'split the file' };
}

/**
 * Keys that would be lost on the way: the same one twice in a map (the parser's own check compares every key
 * with every other), and the one that JavaScript takes for an object's prototype.
 */
function lostKeys(document: Document.Parsed): FieldFault[] {
  const faults: FieldFault[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<unknown>(['__proto__']);
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const text = String(key.value);
        const message =
          text === '__proto__' ? `\`${text}\` cannot be a key` : `not valid YAML: \`${text}\` is there twice`;
        if (seen.has(key.value)) faults.push({ path: [], offset: key.range?.[0] ?? 0, atKey: true, message });
        seen.add(key.value);
      }
    },
  });
  return faults;
}

function syntaxError(error: YAMLError, file: string, lines: LineCounter): ResourceError {
  const { line, col } = lines.linePos(error.pos[0]);
  const message = error.message.startsWith('Maximum call stack') ? 'nested too deeply' : error.message;
  return { file, line, column: col, field: '', message: `not valid YAML: ${message}` };
}

function placed(
  fault: FieldFault,
  document: Document.Parsed,
  file: string,
  lines: LineCounter,
): ResourceError {
  const { line, col } = lines.linePos(fault.offset ?? locate(document, fault.path, fault.atKey));
  const hint = fault.hint === undefined ? {} : { hint: fault.hint };
  return { file, line, column: col, field: formatField(fault.path), message: fault.message, ...hint };
}

function readDocument(document: Document.Parsed): { resource: Resource } | { faults: FieldFault[] } {
  const lost = lostKeys(document);
  if (lost.length > 0) return { faults: lost };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    const message = messageOf(error);
    const hint = 'write the values out instead of using anchors';
    return { faults: [{ path: [], atKey: false, message: `cannot be expanded: ${message}`, hint }] };
  }
  const kind = findKind(value);
  if ('faults' in kind) return kind;
  const result = kind.schema.safeParse(value);
  if (result.success) return { resource: result.data };
  const { issues } = result.error;
  // A misspelt field makes its parent look empty: one report is enough.
  const unknown = new Set(
    issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path.join('/')),
  );
  const relevant = issues.filter(({ code, path }) => code !== 'custom' || !unknown.has(path.join('/')));
  return { faults: relevant.flatMap((issue) => explainIssue(issue, kind.schema, value)) };
}

function findKind(value: unknown): ResourceKind | { faults: FieldFault[] } {
  const at = (field: string, message: string, hint: string) => ({
    faults: [{ path: field === '' ? [] : [field], atKey: false, message, hint }],
  });
  const kinds = resourceKinds.map(({ kind }) => kind as string);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return at(
      '',
      'must be a map with `apiVersion`, `kind` and `metadata`',
      `kinds read here: ${kinds.join(', ')}`,
    );
  }
  const { kind, apiVersion } = value as Record<string, unknown>;
  if (kind === undefined) return at('kind', 'is required', `kinds read here: ${kinds.join(', ')}`);
  const found = resourceKinds.find((candidate) => candidate.kind === kind);
  if (found === undefined) {
    const text = typeof kind === 'string' ? kind : `a ${typeof kind}`;
    const near = didYouMean(text, kinds);
    const hint = near === undefined ? `kinds read here: ${kinds.join(', ')}` : `did you mean \`${near}\`?`;
    return at('kind', `\`${text}\` is not a kind that is read here`, hint);
  }
  if (apiVersion === found.apiVersion) return found;
  const hint = `write \`apiVersion: ${found.apiVersion}\``;
  return at(
    'apiVersion',
    apiVersion === undefined ? 'is required' : `is not the version of ${found.kind}`,
    hint,
  );
}
