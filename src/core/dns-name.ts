// SPDX-License-Identifier: Apache-2.0
import { matchesRegex, parseRegex } from './regex/regex.ts';
import { PerigeeError } from '../lib/errors.ts';

/** RFC 1035, 2.3.4, in text without the last dot. */
const MAX_NAME = 253;
/** DNS bears any bytes in a label (RFC 2181, 11); hosts have these, and services underscores (RFC 2782). */
const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Whether the text is a name that a host may have, in lower case: nothing in it can reach a terminal, a log or a page. */
export function isDnsName(text: string): boolean {
  return text.length <= MAX_NAME && NAME.test(text);
}

/** A pattern of Hubble's: `*` stands for any characters of names, dots included. Case and a last dot don't matter. */
export function dnsNamePattern(text: string): string {
  const pattern = text.trim().toLowerCase().replace(/\.$/, '');
  if (pattern.length <= MAX_NAME && /^[-a-z0-9_.*]*[-a-z0-9_*]$/.test(pattern)) return pattern;
  throw new PerigeeError('ERR_FILTER_INVALID', `not a pattern of DNS names: ${JSON.stringify(text)}`, {
    hint: 'Write it as api.example.com or *.example.com',
  });
}

/** Judges names in lower case by patterns, of which one has to match. Takes time in proportion to both. */
export function dnsNameTest(patterns: readonly string[]): (name: string) => boolean {
  const regexes = patterns.map((text) => {
    const source = dnsNamePattern(text).replaceAll('.', '\\.').replaceAll('*', '[-a-z0-9_.]*');
    const parsed = parseRegex(source);
    if ('problem' in parsed) throw new PerigeeError('ERR_FILTER_INVALID', parsed.problem.message);
    return parsed.regex;
  });
  return (name) => regexes.some((regex) => matchesRegex(regex, Buffer.from(name)));
}
