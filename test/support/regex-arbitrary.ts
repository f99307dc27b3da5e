// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';

const ATOMS = [
  ...Array.from('abAB01_-/. :@%=k'),
  ...[
    '.',
    '\\d',
    '\\D',
    '\\w',
    '\\W',
    '\\s',
    '\\S',
    '[a-c]',
    '[^a]',
    '[^a-z0-9]',
    '[]a]',
    '[a-]',
    '[-b]',
    '[\\d_]',
  ],
  ...[
    '[[:alpha:]]',
    '[[:^digit:]b]',
    '[\\x41-\\x43]',
    '\\x61',
    '\\.',
    '\\-',
    '\\/',
    '\\Qa.b\\E',
    '\\n',
    '[a\\]b]',
    '\\t',
  ],
  ...[
    '^',
    '$',
    '\\b',
    '\\B',
    '\\A',
    '\\z',
    '(?i)',
    '(?s)',
    '(?m)',
    '(?-i)',
    '\\x{e9}',
    '[\\xe0-\\xff]',
    '\\101',
  ],
];
const REPEATS = [
  '*',
  '+',
  '?',
  '{2}',
  '{1,3}',
  '{0,2}',
  '{2,}',
  '*?',
  '+?',
  '??',
  '{0}',
  '{,2}',
  '{3,1}',
  '{01}',
  '{',
  '**',
  '{1001}',
];
const RARE = [
  '(?=a)',
  '(?!a)',
  '\\1',
  '\\Z',
  '\\y',
  '(?<n>a)',
  '(?P<n>b)',
  '(',
  ')',
  '[',
  '[z-a]',
  '[[:nope:]]',
  '\\',
  ']',
  '}',
];

/** Expressions in RE2 syntax over ASCII, a few of them wrong. */
export const regexPattern: fc.Arbitrary<string> = fc.letrec<{ expression: string; term: string }>((tie) => ({
  term: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...ATOMS) },
    { weight: 2, arbitrary: tie('expression').map((e) => `(${e})`) },
    { weight: 2, arbitrary: tie('expression').map((e) => `(?:${e})`) },
    { weight: 1, arbitrary: tie('expression').map((e) => `(?i:${e})`) },
  ),
  expression: fc
    .array(
      fc.tuple(
        tie('term'),
        fc.oneof(
          { weight: 4, arbitrary: fc.constant('') },
          { weight: 2, arbitrary: fc.constantFrom(...REPEATS) },
        ),
        fc.oneof({ weight: 8, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constant('|') }),
        fc.oneof(
          { weight: 60, arbitrary: fc.constant('') },
          { weight: 1, arbitrary: fc.constantFrom(...RARE) },
        ),
      ),
      { minLength: 1, maxLength: 4 },
    )
    .map((parts) => parts.flat().join('')),
})).expression;

/** Values in bytes, made of what the expressions talk about. */
export const byteString: fc.Arbitrary<string> = fc
  .array(
    fc.constantFrom(
      ...Array.from('abcABCkK01_-/. :@%=\n\t'),
      '\xe9',
      '\xff',
      '\x80',
      '\x00',
      'a.b',
      'aa',
      'ab',
    ),
    {
      maxLength: 8,
    },
  )
  .map((parts) => parts.join(''));
