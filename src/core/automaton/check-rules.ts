// SPDX-License-Identifier: Apache-2.0
import { HOP_BY_HOP, SP, TOKEN } from '../http/grammar.ts';
import { Reject, describeReject } from '../http/reasons.ts';
import { parseRegex } from '../regex/regex.ts';
import { pathEnd, pathStep } from './path-grammar.ts';
import type { HttpMatch, NamedMatch, RuleSet } from './rules.ts';

/** What is wrong with a rule, and where: `[2].matches[0].path.value`. */
export interface RuleProblem {
  readonly path: string;
  readonly message: string;
}

/** Header names with a field of their own, or removed on the way. */
const NOT_AS_HEADER = new Set(
  ['host', 'content-length', 'transfer-encoding', 'expect', 'trailer', ...HOP_BY_HOP].filter(
    (n) => n !== 'upgrade',
  ),
);

/** Every fault in a rule set; an empty list means that it compiles. */
export function checkRules(rules: RuleSet): RuleProblem[] {
  const problems: RuleProblem[] = [];
  for (const [r, { rule, matches }] of rules.entries()) {
    if (!Number.isInteger(rule) || rule < 1 || rule > 0xffffffff)
      problems.push({ path: `[${r}].rule`, message: 'must be an integer from 1 to 2^32 - 1' });
    for (const [m, match] of matches.entries()) {
      const base = `[${r}].matches[${m}]`;
      for (const { path, message } of checkMatch(match)) problems.push({ path: `${base}.${path}`, message });
    }
  }
  return problems;
}

/** Every fault in one match, with paths relative to it. */
export function checkMatch(match: HttpMatch): RuleProblem[] {
  const problems: RuleProblem[] = [];
  const add = (path: string, message: string | undefined): void => {
    if (message !== undefined) problems.push({ path, message });
  };
  match.methods?.forEach((method, i) =>
    add(`methods[${i}]`, isToken(method) ? undefined : 'is not a method name'),
  );
  if (match.methods?.length === 0) add('methods', 'must not be empty');
  if (match.path !== undefined) {
    const { type, value } = match.path;
    add('path.value', type === 'RegularExpression' ? checkPattern(value) : checkPath(value));
  }
  match.host?.forEach((host, i) => add(`host[${i}]`, checkHost(host)));
  if (match.host?.length === 0) add('host', 'must not be empty');
  match.headers?.forEach((named, i) => {
    const name = named.name.toLowerCase();
    if (!isToken(name)) add(`headers[${i}].name`, 'is not a header name');
    if (name === 'host') add(`headers[${i}].name`, 'use the field host');
    else if (NOT_AS_HEADER.has(name))
      add(`headers[${i}].name`, 'concerns one connection only and can not be matched');
    add(`headers[${i}].value`, checkValue(named));
  });
  match.queryParams?.forEach((named, i) => {
    if (named.name === '') add(`queryParams[${i}].name`, 'must not be empty');
    add(`queryParams[${i}].value`, checkValue(named));
  });
  return problems;
}

function isToken(text: string): boolean {
  return text !== '' && Buffer.from(text, 'utf8').every((byte) => TOKEN[byte] === 1);
}

function checkPattern(pattern: string): string | undefined {
  const parsed = parseRegex(pattern);
  return 'problem' in parsed ? `${parsed.problem.message} (at ${parsed.problem.position})` : undefined;
}

function checkValue({ type, value }: NamedMatch): string | undefined {
  if (type === 'Present') return value === undefined ? undefined : 'Present takes no value';
  if (value === undefined) return `${type} needs a value`;
  return type === 'RegularExpression' ? checkPattern(value) : undefined;
}

/** A literal path must be one that a request can carry, or it would silently never match. */
function checkPath(value: string): string | undefined {
  let place = 0;
  for (const byte of Buffer.from(value, 'utf8')) {
    if (byte === 0x3f || byte === SP) return 'a path has no query and no space; encode the space as %20';
    const step = byte > 0x7f ? { place: 4 } : pathStep(place, byte);
    if (typeof step === 'number') return place === 0 ? 'must begin with "/"' : describeReject(step).text;
    place = step.place;
  }
  const reason = pathEnd(place);
  if (reason === Reject.None) return undefined;
  return place === 0 ? 'must begin with "/"' : describeReject(reason).text;
}

function checkHost(host: string): string | undefined {
  const label = '[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?';
  const name = new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`, 'i');
  if (name.test(host) || /^\[[0-9a-f:.]+\]$/i.test(host)) return undefined;
  return 'is neither a host name nor *.suffix nor an address (without port)';
}
