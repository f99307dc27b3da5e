// SPDX-License-Identifier: Apache-2.0
import * as z from 'zod';
import { checkMatch } from '../automaton/check-rules.ts';
import type { HttpMatch } from '../automaton/rules.ts';
import { cel, type Finding, findings } from './check.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

const CEL_METHODS = `[${KNOWN_METHODS.map((name) => `'${name}'`).join(', ')}]`;

/** Evaluating a broken expression is an error, which refuses the value. */
const regexRule = (value: string): string => `''.matches(${value}) in [true, false]`;

const method = z
  .string()
  .regex(TOKEN, 'must be a method name')
  .max(32, 'must be at most 32 characters long')
  .refine((text) => KNOWN_METHODS.includes(text) || !KNOWN_METHODS.includes(text.toUpperCase()), {
    error: ({ input }) => `is case-sensitive: did you mean \`${String(input).toUpperCase()}\`?`,
  })
  .meta(
    cel({
      rule: `self in ${CEL_METHODS} || !(self.upperAscii() in ${CEL_METHODS})`,
      message: 'is case-sensitive: write it in capitals',
    }),
  );

const pathMatch = z
  .strictObject({
    type: z
      .enum(['Exact', 'PathPrefix', 'RegularExpression'])
      .default('PathPrefix')
      .describe('How the path is compared; `PathPrefix` compares whole elements. Default: `PathPrefix`.'),
    value: z
      .string()
      .min(1, 'must not be empty')
      .max(1024, 'must be at most 1024 characters long')
      .describe(
        'Path without query; a regular expression is RE2 syntax and must match the whole path, decoded.',
      ),
  })
  .meta(
    cel(
      {
        rule: "self.type == 'RegularExpression' || self.value.matches('^/[^? ]*$')",
        message: 'a path begins with `/` and has no query and no space; encode the space as %20',
      },
      {
        rule: `self.type != 'RegularExpression' || ${regexRule('self.value')}`,
        message: 'must be a regular expression in RE2 syntax',
      },
    ),
  );

const host = z
  .string()
  .max(253, 'must be at most 253 characters long')
  .meta({ pattern: '^([*][.])?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$|^[[][0-9A-Fa-f:.]+]$' });

const value = z
  .string()
  .max(4096, 'must be at most 4096 characters long')
  .refine((text) => !/[\r\n\0]/.test(text), 'must not contain line ends or NUL');

function plainMatch(name: z.ZodString, what: string) {
  return z.strictObject({
    name: name.describe(`Name of the ${what}.`),
    type: z
      .enum(['Exact', 'RegularExpression', 'Present'])
      .default('Exact')
      .describe('How the value is compared; `Present` takes any value. Default: `Exact`.'),
    value: value
      .exactOptional()
      .describe(
        'Value; a regular expression is RE2 syntax and must match the whole value. Not for `Present`.',
      ),
  });
}

function valueMatch(name: z.ZodString, what: string) {
  return plainMatch(name, what).meta(
    cel({
      rule: "has(self.value) == (self.type != 'Present')",
      message: '`Present` takes no value, the others need one',
    }),
  );
}

const headerName = z.string().regex(TOKEN, 'must be a header name').max(256);
const header = valueMatch(headerName, 'header, in any case');
/** Without conditions in CEL, where its budget has no room for them. */
export const plainHeader = plainMatch(headerName, 'header, in any case');
const queryParam = valueMatch(
  z.string().min(1, 'must not be empty').max(256),
  'query parameter, case-sensitive',
);

export const httpMatchSchema = z
  .strictObject({
    methods: z
      .array(method)
      .min(1, 'must not be empty')
      .max(32)
      .exactOptional()
      .describe('Any of these methods, in capitals. Default: every method, for Allow all but CONNECT.'),
    path: pathMatch.exactOptional().describe('Path of the request. Default: every path.'),
    hosts: z
      .array(host)
      .min(1, 'must not be empty')
      .max(32)
      .exactOptional()
      .describe('Any of these hosts, in any case; `*.` stands for one or more labels. Default: every host.'),
    headers: z
      .array(header)
      .min(1, 'must not be empty')
      .max(16)
      .exactOptional()
      .describe('Headers that must all match. Default: none.'),
    queryParams: z
      .array(queryParam)
      .min(1, 'must not be empty')
      .max(16)
      .exactOptional()
      .describe('Query parameters that must all match. Default: none.'),
  })
  .check(findings(checkHttpFields));

type Fields = Omit<HttpMatch, 'host'> & { readonly hosts?: readonly string[] };

/** The automaton's own conditions, so that what is accepted here compiles there; and names given twice. */
export function* checkHttpFields({ hosts, ...match }: Fields): Generator<Finding> {
  for (const { path: text, message } of checkMatch(hosts === undefined ? match : { ...match, host: hosts })) {
    const path = text
      .split(/[.[\]]+/)
      .filter((part) => part !== '')
      .map((part) => (/^[0-9]+$/.test(part) ? Number(part) : part === 'host' ? 'hosts' : part));
    const what = isPattern(match, path) ? 'is not a regular expression in RE2 syntax: ' : '';
    yield { path, message: `${what}${message}` };
  }
  const { headers = [], queryParams = [] } = match;
  const lower = headers.map(({ name }) => name.toLowerCase());
  yield* repeated('headers', lower);
  yield* repeated(
    'queryParams',
    queryParams.map(({ name }) => name),
  );
}

function isPattern(match: HttpMatch, [field, index]: readonly (string | number)[]): boolean {
  if (field === 'path') return match.path?.type === 'RegularExpression';
  if ((field !== 'headers' && field !== 'queryParams') || typeof index !== 'number') return false;
  const named = match[field]?.[index];
  return named?.type === 'RegularExpression' && named.value !== undefined;
}

function* repeated(field: string, names: readonly string[]): Generator<Finding> {
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    const hint = 'join the two into one expression';
    yield { path: [field, index, 'name'], message: `\`${name}\` is there twice`, hint };
  }
}
