// SPDX-License-Identifier: Apache-2.0
import { QUERY, SP, hexValue } from '../http/grammar.ts';
import { Reject, type RejectReason } from '../http/reasons.ts';
import { Patterns } from '../regex/patterns.ts';
import { decodePath, hostPattern, prefixBytes } from './literal-values.ts';
import { pathEnd, pathStep, targetReason } from './path-grammar.ts';
import type { HttpMatch, NamedMatch, RuleSet } from './rules.ts';

/** A request as text, one character per byte (latin1). Its head's syntax is taken to be right. */
export interface HttpRequest {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  /** In order; values without the white space around them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The verdict on a request, with each match that held, for people to read. */
export interface HttpVerdict {
  /** The target can not be compared safely: refused before any rule. */
  readonly reject: RejectReason;
  readonly allowed: boolean;
  readonly rule: number;
  readonly held: readonly { readonly rule: number; readonly match: number }[];
}

interface Parts {
  readonly method: string;
  /** Decoded; undefined for CONNECT and `*`. */
  readonly path: Uint8Array | undefined;
  readonly params: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly host: string | undefined;
  readonly headers: ReadonlyMap<string, readonly Uint8Array[]>;
}

/**
 * Evaluates the rules directly, one after the other: for explanations, and for rule sets that fit no table. It is
 * the same meaning as the table's, and differential tests hold the two together.
 */
export function evaluateHttp(
  rules: RuleSet,
  request: HttpRequest,
  patterns: Patterns = new Patterns(),
): HttpVerdict {
  const parts = readParts(rules, request);
  if (typeof parts === 'number') return { reject: parts, allowed: false, rule: 0, held: [] };
  const held: { rule: number; match: number }[] = [];
  let allow = 0;
  let deny = 0;
  for (const { rule, action, matches } of rules) {
    for (const [match, conditions] of (matches.length === 0 ? [{}] : matches).entries()) {
      if (!matchHolds(conditions, parts, action === 'Deny', patterns)) continue;
      held.push({ rule, match });
      if (action === 'Deny') deny ||= rule;
      else allow ||= rule;
    }
  }
  return { reject: Reject.None, allowed: deny === 0 && allow !== 0, rule: deny || allow, held };
}

function matchHolds(match: HttpMatch, parts: Parts, deny: boolean, patterns: Patterns): boolean {
  const { method, path, params, host, headers } = parts;
  if (match.methods === undefined ? !deny && method === 'CONNECT' : !match.methods.includes(method))
    return false;
  if (match.path !== undefined && (path === undefined || !pathHolds(match.path, path, patterns)))
    return false;
  if (match.host !== undefined) {
    const name = latin1(host ?? '');
    if (host === undefined || !match.host.some((one) => patterns.matches(hostPattern(one), name)))
      return false;
  }
  const named = match.headers ?? [];
  const holds = (one: NamedMatch, values: readonly Uint8Array[] = []): boolean =>
    namedHolds(one, values, deny, patterns);
  if (!named.every((one) => holds(one, headers.get(one.name.toLowerCase())))) return false;
  if (!(match.queryParams ?? []).every((one) => holds(one, params.get(one.name)))) return false;
  // An upgrade leaves HTTP: only a match that names it allows it.
  return deny || !headers.has('upgrade') || named.some(({ name }) => name.toLowerCase() === 'upgrade');
}

function pathHolds(
  { type, value }: NonNullable<HttpMatch['path']>,
  path: Uint8Array,
  patterns: Patterns,
): boolean {
  if (type === 'RegularExpression') return patterns.matches(value, path);
  const wanted = decodePath(value);
  if (type === 'Exact') return Buffer.compare(wanted, path) === 0;
  const prefix = prefixBytes(wanted);
  const begins = Buffer.compare(prefix, path.subarray(0, prefix.length)) === 0;
  return begins && (path.length === prefix.length || path[prefix.length] === 0x2f);
}

/** Allow wants the field exactly once; for Deny any of its values counts. */
function namedHolds(
  { type, value = '' }: NamedMatch,
  values: readonly Uint8Array[],
  deny: boolean,
  patterns: Patterns,
): boolean {
  if (type === 'Present') return values.length > 0;
  if (!deny && values.length !== 1) return false;
  const wanted = Buffer.from(value, 'utf8');
  return values.some((one) =>
    type === 'Exact' ? Buffer.compare(wanted, one) === 0 : patterns.matches(value, one),
  );
}

function latin1(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}

function readParts(rules: RuleSet, { method, target, headers: lines }: HttpRequest): Parts | RejectReason {
  const matchList = rules.flatMap((rule) => rule.matches);
  const headers = new Map<string, Uint8Array[]>();
  for (const [name, value] of lines) {
    const values = headers.get(name.toLowerCase()) ?? [];
    values.push(latin1(value));
    headers.set(name.toLowerCase(), values);
  }
  const hostValue =
    method === 'CONNECT' ? target : lines.find(([name]) => name.toLowerCase() === 'host')?.[1];
  const host = hostValue === undefined ? undefined : hostName(hostValue);
  const parts = { method, host, headers, path: undefined, params: new Map<string, Uint8Array[]>() };
  if (method === 'CONNECT' || (method === 'OPTIONS' && target === '*')) return parts;
  const question = target.indexOf('?');
  const rawPath = latin1(question < 0 ? target : target.slice(0, question));
  const query = question < 0 ? '' : target.slice(question + 1);
  const path = matchList.some((match) => match.path !== undefined) ? readPath(rawPath) : undefined;
  if (typeof path === 'number') return path;
  const names = new Set(matchList.flatMap((match) => (match.queryParams ?? []).map(({ name }) => name)));
  const params = question < 0 || names.size === 0 ? parts.params : readQuery(query, names);
  return typeof params === 'number' ? params : { ...parts, path, params };
}

/** Lower case, without port and without a dot at the end. */
function hostName(value: string): string {
  const name = value.startsWith('[') ? value.slice(0, value.indexOf(']') + 1) : value.replace(/:.*$/, '');
  return name.toLowerCase().replace(/\.$/, '');
}

function readPath(raw: Uint8Array): Uint8Array | RejectReason {
  let place = 0;
  const decoded: number[] = [];
  for (const byte of raw) {
    const step = pathStep(place, byte);
    if (typeof step === 'number') return step;
    if (step.emit >= 0) decoded.push(step.emit);
    place = step.place;
  }
  const reason = pathEnd(place);
  return reason === Reject.None ? Uint8Array.from(decoded) : reason;
}

function readQuery(query: string, read: ReadonlySet<string>): Map<string, Uint8Array[]> | RejectReason {
  const params = new Map<string, Uint8Array[]>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const name = formDecode(equals < 0 ? pair : pair.slice(0, equals));
    if (typeof name === 'number') return name;
    const key = Buffer.from(name).toString('utf8');
    if (!read.has(key) || Buffer.compare(Buffer.from(key), name) !== 0) continue;
    const value = formDecode(equals < 0 ? '' : pair.slice(equals + 1));
    if (typeof value === 'number') return value;
    params.set(key, [...(params.get(key) ?? []), value]);
  }
  return params;
}

function formDecode(text: string): Uint8Array | RejectReason {
  const decoded: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i);
    if (byte === 0x25) {
      const high = hexValue(text.charCodeAt(i + 1));
      const low = hexValue(text.charCodeAt(i + 2));
      if (!(high >= 0 && low >= 0)) return Reject.BadEscape;
      decoded.push(high * 16 + low);
      i += 2;
    } else if (QUERY[byte] !== 1) return targetReason(byte);
    else decoded.push(byte === 0x2b ? SP : byte);
  }
  return Uint8Array.from(decoded);
}
