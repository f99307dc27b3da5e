// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { PlantedTree, repository, type Outcome } from '../support/planted-tree.ts';

const apache = '// SPDX-License-Identifier: Apache-2.0\n';
const dual = '// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n';
const lock = '{ "packages": {} }';
/** Joined here so that the check doesn't find them in this file. */
const mark = ['TO', 'DO'].join('');
const silence = ['eslint', 'disable'].join('-');
const skip = ['test', 'skip("later", () => {});'].join('.');

const lawful = {
  'package-lock.json': lock,
  Makefile: '# SPDX-License-Identifier: Apache-2.0\n',
  'src/a.ts': apache,
  'bin/a': '#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n',
  'bpf/a.bpf.c': dual,
  'test/bpf/programs/a.bpf.c': dual,
  'test/bpf/a.test.ts': apache,
};

/** By what is wrong: the one file that differs from a lawful tree, and what is said of it. */
const planted: Readonly<Record<string, readonly [path: string, content: string, said: RegExp]>> = {
  'a source without its licence': ['src/b.ts', 'export {};\n', /src\/b\.ts:1 must begin with .*Apache-2\.0/],
  'a kernel source under Apache-2.0': [
    'bpf/lib/b.h',
    apache,
    /bpf\/lib\/b\.h:1 must begin with .*GPL-2\.0-only OR/,
  ],
  'a script without its licence': ['tools/b.sh', '#!/bin/sh\n', /tools\/b\.sh:1 must begin/],
  'a mark of unfinished work': ['src/b.ts', `${apache}// ${mark}: later\n`, /src\/b\.ts:2 unfinished/],
  'a merge conflict': ['src/b.ts', `${apache}${'<'.repeat(7)} ours\n`, /src\/b\.ts:2 a merge conflict/],
  'a test that is skipped': ['test/unit/b.test.ts', `${apache}${skip}\n`, /b\.test\.ts:2 every test runs/],
  'a check silenced without a reason': [
    'src/b.ts',
    `${apache}// ${silence}-next-line eqeqeq\n`,
    /src\/b\.ts:2 a silenced/,
  ],
  'a lock file with hosts': [
    'package-lock.json',
    '{\n"resolved": "x" }',
    /package-lock\.json:2 names a host/,
  ],
};

function check(files: Readonly<Record<string, string>>): Outcome {
  using tree = new PlantedTree(files);
  return tree.run(process.execPath, [`${repository}/tools/check-house.ts`]);
}

suite('licences and leftovers', () => {
  test('a lawful tree passes', () => {
    const { status, stdout, stderr } = check(lawful);
    assert.equal(stderr, '');
    assert.match(stdout, /^6 files, 0 complaints$/m);
    assert.equal(status, 0);
  });

  for (const [what, [path, content, said]] of Object.entries(planted)) {
    test(`${what} fails`, () => {
      const { status, stderr } = check({ ...lawful, [path]: content });
      assert.match(stderr, said);
      assert.equal(stderr.trim().split('\n').length, 1);
      assert.equal(status, 1);
    });
  }

  test('a silenced check with its reason passes', () => {
    const content = `${apache}// ${silence}-next-line eqeqeq -- null and undefined alike\n`;
    assert.equal(check({ ...lawful, 'src/b.ts': content }).status, 0);
  });
});

suite('formats', () => {
  test('prettier refuses another style', () => {
    using tree = new PlantedTree({ 'a.ts': 'export const a = "one"' });
    tree.copy('.prettierrc.json');
    assert.equal(tree.runPackage('prettier', ['--check', '.']).status, 1);
    tree.write('a.ts', "export const a = 'one';\n");
    assert.equal(tree.runPackage('prettier', ['--check', '.']).status, 0);
  });

  for (const [path, good, bad] of [
    ['bpf/a.c', 'int a(void)\n{\n\treturn 1;\n}\n', 'int a(void) {\n  return 1;\n}\n'],
    ['native/a.cc', 'int* A(int* a) { return a + 1; }\n', 'int *A(int *a)\n{\n\treturn a + 1;\n}\n'],
  ] as const) {
    test(`clang-format refuses another style of ${path}`, () => {
      using tree = new PlantedTree({ 'test/a.txt': '', 'bpf/b.txt': '', 'native/b.txt': '', [path]: bad });
      tree.copy('bpf/.clang-format', 'native/.clang-format', 'tools/clang-format.sh');
      assert.notEqual(tree.run('sh', ['tools/clang-format.sh', '--dry-run', '-Werror']).status, 0);
      tree.write(path, good);
      const { status, stderr } = tree.run('sh', ['tools/clang-format.sh', '--dry-run', '-Werror']);
      assert.equal(status, 0, stderr);
    });
  }
});
