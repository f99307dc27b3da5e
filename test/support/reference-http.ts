// SPDX-License-Identifier: Apache-2.0
import { RE2JS } from 're2js';
import type { HttpMatch, NamedMatch, RuleSet } from '../../src/core/automaton/rules.ts';

/** What a complete head means, worked out with strings and RE2: slow, plain, and sharing no code with the automaton. */
export interface ReferenceHead {
  readonly length: number;
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  readonly framing: 'none' | 'length' | 'chunked';
  readonly contentLength: number;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  readonly expectContinue: boolean;
  readonly allowed: boolean;
  readonly rule: number;
}

class Refused extends Error {}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([^ ]+) HTTP/1\\.([01])$`);
const HEADER_LINE = new RegExp(`^(${TOKEN}):[ \\t]*([\\t -~\\x80-\\xff]*?)[ \\t]*$`);
const HOST = /^(?:(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9a-fA-F:.]*\])(?::\d*)?)?$/;
const GUARDED = [
  'authorization',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
].concat([
  'connection',
  'expect',
  'host',
  'proxy-authorization',
  'set-cookie',
  'trailer',
  'transfer-encoding',
]);

/** The head at the beginning of `text` (one character per byte), `undefined` if it isn't complete, or why not. */
export function referenceHead(text: string, rules: RuleSet): ReferenceHead | string | undefined {
  try {
    return read(text, rules);
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

function read(text: string, rules: RuleSet): ReferenceHead | undefined {
  if (text.startsWith('\r\n')) throw new Refused('empty line first');
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...rest] = text.slice(0, end).split('\r\n');
  const line = REQUEST_LINE.exec(first);
  if (line === null) throw new Refused('request line');
  const [, method = '', target = '', minor = ''] = line;
  const headers = rest.map((one): [string, string] => {
    const match = HEADER_LINE.exec(one);
    if (match === null) throw new Refused(`header line ${JSON.stringify(one)}`);
    return [(match[1] ?? '').toLowerCase(), match[2] ?? ''];
  });
  const all = (name: string): string[] => headers.filter(([n]) => n === name).map(([, value]) => value);
  const matches = rules.flatMap((rule) => rule.matches);
  const readHeaders = matches.flatMap((m) => m.headers ?? []).map(({ name }) => name.toLowerCase());
  checkNames(headers, readHeaders);
  const options = all('connection').flatMap((value) => connectionOptions(value, readHeaders));
  const { framing, contentLength } = readFraming(all, minor === '0', method);
  const hosts = readHosts(all, minor === '1');
  const expects = all('expect');
  if (!expects.every((value) => value.toLowerCase() === '100-continue')) throw new Refused('Expect');
  const parts = readTarget(method, target, matches);
  const upgrades = all('upgrade').length > 0;
  const close = options.includes('close');
  const verdict = decide(rules, method, parts, method === 'CONNECT' ? target : hosts[0], all);
  if (method === 'CONNECT' && hosts[0] !== undefined && mismatch(rules, target, hosts[0]))
    throw new Refused('Host mismatch');
  return {
    length: end + 4,
    method,
    target,
    minor: minor === '0' ? 0 : 1,
    framing,
    contentLength,
    keepAlive: !close && (minor === '1' || options.includes('keep-alive')),
    upgrade: upgrades && options.includes('upgrade') && minor === '1',
    expectContinue: expects.length > 0 && minor === '1',
    ...verdict,
  };
}

function readHosts(all: (name: string) => string[], required: boolean): string[] {
  const hosts = all('host');
  if (hosts.length > 1 || (hosts.length === 0 && required)) throw new Refused('number of Host lines');
  if (!hosts.every((host) => HOST.test(host))) throw new Refused('Host');
  return hosts;
}

function checkNames(headers: readonly (readonly [string, string])[], readHeaders: readonly string[]): void {
  const fixed = ['content-length', 'transfer-encoding', 'connection', 'host', 'expect', 'upgrade'];
  const known = new Set([...fixed, ...readHeaders]);
  const fold = (name: string): string => name.replaceAll('_', '-');
  for (const [name] of headers) {
    if (known.has(name)) continue;
    if ([...known].some((other) => fold(other) === fold(name))) throw new Refused(`ambiguous name ${name}`);
  }
}

function connectionOptions(value: string, readHeaders: readonly string[]): string[] {
  const options = value.split(',').map((option) => option.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase());
  for (const option of options) {
    if (option === '') continue;
    if (!new RegExp(`^${TOKEN}$`).test(option)) throw new Refused('Connection');
    if (option !== 'upgrade' && (GUARDED.includes(option) || readHeaders.includes(option)))
      throw new Refused('nomination');
  }
  return options;
}

function readFraming(
  all: (name: string) => string[],
  http10: boolean,
  method: string,
): Pick<ReferenceHead, 'framing' | 'contentLength'> {
  const lengths = all('content-length');
  const codings = all('transfer-encoding');
  if (lengths.length + codings.length > 1) throw new Refused('several framings');
  if (lengths.length + codings.length > 0 && method === 'CONNECT') throw new Refused('body on CONNECT');
  if (codings.length === 1) {
    if (codings[0]?.toLowerCase() !== 'chunked' || http10) throw new Refused('Transfer-Encoding');
    return { framing: 'chunked', contentLength: 0 };
  }
  if (lengths.length === 0) return { framing: 'none', contentLength: 0 };
  if (!/^\d+$/.test(lengths[0] ?? '')) throw new Refused('Content-Length');
  const contentLength = Number(lengths[0]);
  if (contentLength >= 9007199254740990) throw new Refused('Content-Length too large');
  return { framing: contentLength > 0 ? 'length' : 'none', contentLength };
}

interface Target {
  readonly path: string | undefined;
  readonly params: readonly (readonly [string, string])[];
}

function readTarget(method: string, target: string, matches: readonly HttpMatch[]): Target {
  if (method === 'CONNECT') {
    if (!/:\d+$/.test(target) || target.startsWith(':') || !HOST.test(target)) throw new Refused('authority');
    return { path: undefined, params: [] };
  }
  if (target === '*' && method === 'OPTIONS') return { path: undefined, params: [] };
  const [rawPath = '', ...more] = target.split('?');
  const query = more.length === 0 ? undefined : more.join('?');
  if (!/^\/[A-Za-z0-9/:@!$&'()*+,;=._~[\]|%-]*$/.test(rawPath)) throw new Refused('path');
  if (query !== undefined && !/^[!$-;=?-~]*$/.test(query)) throw new Refused('query');
  const readsPath = matches.some((match) => match.path !== undefined);
  const names = new Set(matches.flatMap((match) => match.queryParams ?? []).map(({ name }) => name));
  const params =
    query === undefined || names.size === 0
      ? []
      : query.split('&').map((pair): [string, string] => {
          const equals = pair.indexOf('=');
          const name = unescapeForm(equals < 0 ? pair : pair.slice(0, equals));
          return [name, names.has(name) && equals >= 0 ? unescapeForm(pair.slice(equals + 1)) : ''];
        });
  return { path: readsPath ? safePath(rawPath) : rawPath, params };
}

function unescapeForm(text: string): string {
  return unescape(text.replaceAll('+', ' '));
}

function unescape(text: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw new Refused('escape');
  return text.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function safePath(raw: string): string {
  if (/%(?:2f|5c|[01].|7f)/i.test(raw)) throw new Refused('encoded slash, backslash or control');
  if (/%(?:2d|2e|3[0-9]|4[1-9a-f]|5[0-9a]|5f|6[1-9a-f]|7[0-9ae])/i.test(raw))
    throw new Refused('encoded unreserved');
  if (raw.includes('//')) throw new Refused('double slash');
  if (raw.split('/').some((segment) => /^\.\.?(?:$|;|%3b)/i.test(segment))) throw new Refused('dot segment');
  return unescape(raw);
}

function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function matchesRe2(pattern: string, value: string): boolean {
  return RE2JS.compile(pattern).matcher(value).matches();
}

function hostHolds(patterns: readonly string[], value: string): boolean {
  const name = value
    .toLowerCase()
    .replace(/:\d*$/, (port) => (value.startsWith('[') && !value.includes(']:') ? port : ''))
    .replace(/\.$/, '');
  return patterns.some((pattern) => {
    const wanted = pattern.toLowerCase();
    return wanted.startsWith('*')
      ? name.endsWith(wanted.slice(1)) && name.length >= wanted.length
      : name === wanted;
  });
}

function pathHolds({ type, value }: NonNullable<HttpMatch['path']>, path: string): boolean {
  if (type === 'RegularExpression') return matchesRe2(value, path);
  const wanted = unescape(utf8(value));
  if (type === 'Exact') return path === wanted;
  const prefix = wanted.replace(/\/$/, '');
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** CONNECT's target and its Host must be the same to every host condition. */
function mismatch(rules: RuleSet, target: string, host: string): boolean {
  return rules.some((rule) =>
    rule.matches.some(
      ({ host: hosts }) => hosts !== undefined && hostHolds(hosts, target) !== hostHolds(hosts, host),
    ),
  );
}

function namedHolds(match: NamedMatch, values: readonly string[], deny: boolean): boolean {
  if (match.type === 'Present') return values.length > 0;
  const holds = (value: string): boolean =>
    match.type === 'Exact' ? value === utf8(match.value ?? '') : matchesRe2(match.value ?? '', value);
  if (deny) return values.some(holds);
  const [only] = values;
  return values.length === 1 && only !== undefined && holds(only);
}

function decide(
  rules: RuleSet,
  method: string,
  { path, params }: Target,
  host: string | undefined,
  all: (name: string) => string[],
): Pick<ReferenceHead, 'allowed' | 'rule'> {
  const holds = (match: HttpMatch, deny: boolean): boolean => {
    const headers = match.headers ?? [];
    const namesUpgrade = headers.some(({ name }) => name.toLowerCase() === 'upgrade');
    if (!deny && all('upgrade').length > 0 && !namesUpgrade) return false;
    if (match.methods === undefined ? method === 'CONNECT' && !deny : !match.methods.includes(method))
      return false;
    if (match.host !== undefined && (host === undefined || !hostHolds(match.host, host))) return false;
    if (match.path !== undefined && (path === undefined || !pathHolds(match.path, path))) return false;
    const values = (name: string): string[] => params.filter(([n]) => n === name).map(([, value]) => value);
    return (
      headers.every((one) => namedHolds(one, all(one.name.toLowerCase()), deny)) &&
      (match.queryParams ?? []).every((one) => namedHolds(one, values(one.name), deny))
    );
  };
  const found = (action: 'Allow' | 'Deny'): number =>
    rules.find(
      (rule) =>
        rule.action === action &&
        (rule.matches.length === 0 ? [{}] : rule.matches).some((match) => holds(match, action === 'Deny')),
    )?.rule ?? 0;
  const deny = found('Deny');
  const allow = found('Allow');
  return { allowed: deny === 0 && allow !== 0, rule: deny === 0 ? allow : deny };
}
