// SPDX-License-Identifier: Apache-2.0
import tseslint from 'typescript-eslint';

/** What the language allows and this house doesn't, each with its reason. */
const forbiddenSyntax = [
  {
    selector: 'ExportDefaultDeclaration',
    message: 'Export by name, so that a thing has one name everywhere.',
  },
  {
    selector:
      ':matches(Program > VariableDeclaration, Program > ExportNamedDeclaration > VariableDeclaration)[kind!="const"]',
    message: 'No module-level mutable state: give it to an object that a composition root makes.',
  },
  {
    selector:
      ':matches(Program > VariableDeclaration, Program > ExportNamedDeclaration > VariableDeclaration) > VariableDeclarator > NewExpression[arguments.length=0][callee.name=/^(Map|Set|WeakMap|WeakSet|Array)$/]',
    message: 'An empty collection at module level is mutable state: give it to an object.',
  },
];

const plainError = {
  selector: 'ThrowStatement > NewExpression[callee.name="Error"]',
  message: 'Faults are PerigeeErrors with a stable code (src/lib/errors.ts).',
};

const steadyClock = {
  object: 'Date',
  property: 'now',
  message: 'The wall clock may be set back: measure time by performance.now().',
};

/** The parts of node:net that only parse and compare addresses. */
const pureNetNames = ['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress'];

export default tseslint.config(
  { ignores: ['node_modules', 'build', 'dist', 'coverage'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      'max-lines': ['error', 300],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'max-depth': ['error', 4],
      'max-params': ['error', 5],
      // A switch counts once: the states of a parser belong side by side.
      complexity: ['error', { max: 20, variant: 'modified' }],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-restricted-syntax': ['error', ...forbiddenSyntax],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Counters and ports read better without String() around them.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // An arrow function that only calls says so in one line.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `table[i] as number` in a checked loop over bytes; `!` stays forbidden.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // What a port may leave out does nothing.
      '@typescript-eslint/no-empty-function': ['error', { allow: ['methods', 'arrowFunctions'] }],
      // Code points are what is meant: nothing here counts graphemes.
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // `while (true)` is how a reader loop is written.
      '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...forbiddenSyntax, plainError],
      'no-restricted-properties': ['error', steadyClock],
    },
  },
  {
    // What is shown, or compared with times of others.
    files: [
      'src/observability/{wall-clock,query}.ts',
      'src/agent/{metrics,otlp}.ts',
      'src/control/source/files/read-folder.ts',
      'src/api/client.ts',
      'src/cli/**/*.ts',
    ],
    rules: { 'no-restricted-properties': 'off' },
  },
  {
    files: ['src/core/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: 'node:net',
              allowImportNames: pureNetNames,
              message: 'core opens no sockets; addresses are its only part.',
            },
            {
              name: 'node:os',
              allowImportNames: ['endianness'],
              message: 'core asks nothing of the machine it runs on.',
            },
          ],
        },
      ],
    },
  },
  {
    // A table of tests is one long function, and node:test's own promises need no awaiting.
    files: ['test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            {
              from: 'package',
              package: 'node:test',
              name: ['test', 'it', 'describe', 'suite', 'before', 'after'],
            },
          ],
        },
      ],
    },
  },
  {
    // Programs that a person runs: what they print is what they are for.
    files: ['tools/**/*.ts', 'bench/**/*.ts', 'demo/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    ...tseslint.configs.disableTypeChecked,
  },
  {
    // The configuration formats of tools ask for these.
    files: ['eslint.config.js', '.dependency-cruiser.cjs'],
    rules: {
      'no-restricted-syntax': 'off',
      'max-lines': 'off',
      '@typescript-eslint/no-require-imports': 'off',
    },
  },
);
