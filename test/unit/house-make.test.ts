// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { chmodSync, cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { PlantedTree, repository, type Outcome } from '../support/planted-tree.ts';

const passing = "import { test } from 'node:test';\ntest('holds', () => {});\n";
const failing = "import { test } from 'node:test';\ntest('broken', () => { throw new RangeError('no'); });\n";
/** Joined here so that the check of the sources doesn't find it in this file. */
const skipped = `import { test } from 'node:test';\n${['test', "skip('later', () => {});"].join('.')}\n`;

function script(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Outcome {
  using tree = new PlantedTree({ 'mounts-v1': 'cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n' });
  const path = join(repository, 'tools', name);
  return tree.run('sh', [path, ...args], { PATH: process.env['PATH'], NO_COLOR: '1', ...env });
}

function runTests(files: Readonly<Record<string, string>>): Outcome {
  using tree = new PlantedTree(files);
  // Without this variable Node's runner doesn't take itself for a child of another.
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  return tree.run(process.execPath, [join(repository, 'tools/test.ts'), 'unit', 'netns'], env);
}

suite('steps', () => {
  test('a step says what it does and how long it took, and keeps the output to itself', () => {
    const { status, stdout } = script('step.sh', ['Counting sheep', 'echo', 'one sheep']);
    assert.match(stdout, /^▸ Counting sheep … \d+\.\d s\n$/);
    assert.equal(status, 0);
  });

  test('a failed step shows the output and keeps the status', () => {
    const { status, stdout, stderr } = script('step.sh', ['Counting', 'sh', '-c', 'echo lost >&2; exit 7']);
    assert.match(stdout, /^▸ Counting … failed after \d+\.\d s\n$/);
    assert.match(stderr, /^ {4}lost$/m);
    assert.equal(status, 7);
  });

  test('V=1 shows the output of a step that succeeds', () => {
    assert.match(script('step.sh', ['Counting', 'echo', 'one sheep'], { V: '1' }).stdout, /^one sheep$/m);
  });
});

suite('what the machine lacks', () => {
  test('without root one message says so and what to do', () => {
    using tree = new PlantedTree({});
    // Passed as text: another user may not enter the folder that it lies in.
    const text = readFileSync(join(repository, 'tools/preflight.sh'), 'utf8');
    const asNobody = process.getuid?.() === 0 ? ['--reuid=65534', '--clear-groups'] : [];
    const { status, stderr } = tree.run('setpriv', [...asNobody, 'sh', '-c', text, 'sh', 'root']);
    assert.match(stderr, /^perigee: this needs root.*\n {2}→ .*sudo.*\n$/);
    assert.equal(status, 1);
  });

  test('a kernel without BTF is named with the option that it needs', () => {
    const { status, stderr } = script('preflight.sh', ['btf'], { PERIGEE_BTF: '/nowhere' });
    assert.match(stderr, /^perigee: .*\/nowhere.*\n {2}→ .*CONFIG_DEBUG_INFO_BTF=y.*\n$/);
    assert.equal(status, 1);
  });

  test('a machine without cgroup v2 is told how to mount it', () => {
    const { status, stderr } = script('preflight.sh', ['cgroup2'], { PERIGEE_MOUNTS: 'mounts-v1' });
    assert.match(stderr, /^perigee: .*cgroup v2.*\n {2}→ .*mount -t cgroup2.*\n$/);
    assert.equal(status, 1);
  });

  test('a machine without apt is told which packages to bring', () => {
    using tree = new PlantedTree({});
    const path = join(repository, 'tools/deps-os.sh');
    const { status, stderr } = tree.run('/bin/sh', [path], { PATH: '/nowhere' });
    assert.match(stderr, /^perigee: .*no apt.*\n {2}→ .*SKIP_OS_DEPS=1.*clang.*nginx-light.*\n$/);
    assert.equal(status, 1);
  });
});

suite('the test runner', () => {
  test('closes with one summary over all folders', () => {
    const { status, stdout } = runTests({ 'test/unit/a.test.ts': passing, 'test/netns/b.test.ts': passing });
    assert.equal(stdout.match(/^ℹ tests 2$/gm)?.length, 1);
    assert.match(stdout, /^ℹ pass 2$/m);
    assert.equal(status, 0);
  });

  test('fails when a test does, and names it last', () => {
    const { status, stdout } = runTests({ 'test/unit/a.test.ts': passing, 'test/netns/b.test.ts': failing });
    assert.match(stdout, /^ℹ fail 1$/m);
    assert.match(stdout.slice(stdout.indexOf('failing tests:')), /broken/);
    assert.equal(status, 1);
  });

  test('fails when a test is skipped', () => {
    assert.equal(runTests({ 'test/unit/a.test.ts': passing, 'test/netns/b.test.ts': skipped }).status, 1);
  });

  test('runs files of namespaces side by side', () => {
    const meeting = (mine: string, other: string): string => `import { test } from 'node:test';
import { existsSync, writeFileSync } from 'node:fs';
test('the other one runs, too', async () => {
  writeFileSync('${mine}', '');
  while (!existsSync('${other}')) await new Promise((resolve) => setTimeout(resolve, 10));
});\n`;
    const files = { 'test/netns/a.test.ts': meeting('a', 'b'), 'test/netns/b.test.ts': meeting('b', 'a') };
    assert.equal(runTests(files).status, 0);
  });

  test('runs none beside a file that says so', () => {
    const jealous = `// Runs alone: it would find the other one.
import { test } from 'node:test';
import { unlinkSync, writeFileSync } from 'node:fs';
test('nobody else is here', async () => {
  writeFileSync('here', '', { flag: 'wx' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  unlinkSync('here');
});\n`;
    assert.equal(runTests({ 'test/netns/a.test.ts': jealous, 'test/unit/b.test.ts': jealous }).status, 0);
    const beside = jealous.replace('alone', 'along');
    assert.equal(runTests({ 'test/netns/a.test.ts': beside, 'test/netns/b.test.ts': beside }).status, 1);
  });

  test('fails when there is nothing to run', () => {
    assert.equal(runTests({ 'test/unit/a.txt': '' }).status, 1);
  });
});

suite('the launcher', () => {
  test('runs the Node.js of a release, found through a symbolic link from any folder', () => {
    using tree = new PlantedTree({ 'release/lib/node': '#!/bin/sh\necho "$@"\n' });
    cpSync(join(repository, 'bin/perigee'), join(tree.root, 'release/bin/perigee'));
    chmodSync(join(tree.root, 'release/lib/node'), 0o755);
    symlinkSync('release/bin/perigee', join(tree.root, 'perigee'));
    const { stdout } = tree.run('/bin/sh', [
      '-c',
      'cd / && exec "$0" observe "two words"',
      join(tree.root, 'perigee'),
    ]);
    const entry = `${tree.root}/release/dist/cli/main.js`;
    assert.equal(stdout, `--max-semi-space-size=2 --no-enable-source-maps ${entry} observe two words\n`);
  });

  test('in a checkout that is not built it says what to do', () => {
    using tree = new PlantedTree({}).copy('bin/perigee');
    const { status, stderr } = tree.run('bin/perigee', ['status']);
    assert.match(stderr, /^perigee: .*not built.*\n {2}→ .*make build.*\n$/);
    assert.equal(status, 2);
  });
});

suite('make', () => {
  test('help is the default and lists every target that a person calls', () => {
    using tree = new PlantedTree({}).copy('Makefile');
    const { stdout } = tree.run('make', [], { ...process.env, MAKEFLAGS: '' });
    const listed = [...stdout.matchAll(/^ {2}make ([a-z-]+) +\S/gm)].map(([, name]) => name);
    const wanted = [
      'help',
      'deps',
      'build',
      'test',
      'lint',
      'format',
      'bench',
      'demo',
      'dist',
      'clean',
      'clean-host',
    ];
    for (const target of wanted) assert.ok(listed.includes(target), target);
  });
});
