// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MAX_DOCUMENTS, readFolder, type Snapshot } from '../../src/control/source/files/read-folder.ts';
import { watchFiles } from '../../src/control/source/files/watch-files.ts';
import { formatResourceError, type ResourceError } from '../../src/core/resources/resource-error.ts';

const namespace = (name: string, label = 'x') =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}, labels: {v: ${label}}}\n`;

function folder(t: TestContext, files: Record<string, string> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'perigee-files-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

async function errorsOf(directory: string): Promise<string[]> {
  const read = await readFolder(directory);
  return 'errors' in read ? read.errors.map(formatResourceError) : [];
}

/** What a snapshot holds, in short: `shop=x bank=y`. */
function summary({ resources }: Snapshot): string {
  return resources
    .map((one) =>
      one.kind === 'Namespace' ? `${one.metadata.name}=${one.metadata.labels?.['v'] ?? ''}` : one.kind,
    )
    .join(' ');
}

class Watch {
  readonly events = new EventEmitter();
  readonly log: string[] = [];
  readonly controller = new AbortController();

  async start(t: TestContext, directory: string): Promise<this> {
    t.after(() => this.controller.abort());
    await watchFiles({
      directory,
      signal: this.controller.signal,
      onSnapshot: (snapshot) => this.#push(summary(snapshot)),
      onErrors: (errors: readonly ResourceError[]) =>
        this.#push(`! ${errors.map(formatResourceError).join('; ')}`),
    });
    return this;
  }

  #push(line: string): void {
    this.log.push(line);
    this.events.emit('line');
  }

  /** Waits until the newest report is the one expected. */
  async latest(expected: string | RegExp): Promise<void> {
    const matches = () => {
      const line = this.log.at(-1) ?? '';
      return typeof expected === 'string' ? line === expected : expected.test(line);
    };
    const signal = AbortSignal.timeout(10_000);
    while (!matches()) {
      await once(this.events, 'line', { signal }).catch(() =>
        assert.fail(`expected ${String(expected)}, saw ${this.log.join(' | ')}`),
      );
    }
  }
}

test('a folder is read whole: .yaml and .yml, one folder deep, in the order of names', async (t) => {
  const directory = folder(t, {
    'b.yml': namespace('b'),
    'a.yaml': `${namespace('a')}---\n${namespace('a2')}`,
    'sub/c.yaml': namespace('c'),
    'sub/deeper/d.yaml': 'kind: not read',
    'notes.txt': 'kind: not read',
    '.hidden.yaml': 'kind: not read',
    '.a.yaml.swp': 'kind: not read',
    'a.yaml~': 'kind: not read',
    '#a.yaml#': 'kind: not read',
    '#b.yaml': 'kind: not read',
    '..2026/e.yaml': 'kind: not read',
  });
  const read = await readFolder(directory);
  assert.ok('snapshot' in read);
  assert.equal(summary(read.snapshot), 'a=x a2=x b=x c=x');
  assert.deepEqual(read.snapshot.files, ['a.yaml', 'b.yml', 'sub/c.yaml']);
  assert.equal(read.snapshot.resources.at(-1)?.origin?.file, 'sub/c.yaml');
});

test('one broken file means no snapshot, and all errors are listed by file and line', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a'), 'b.yaml': 'kind: Namspace\n', 'c.yaml': 'a: [\n' });
  const errors = await errorsOf(directory);
  assert.equal(errors.length >= 2, true);
  assert.match(errors[0] ?? '', /^b\.yaml:1:7: kind: .*did you mean `Namespace`/);
  assert.match(errors[1] ?? '', /^c\.yaml:\d+:\d+: not valid YAML/);
});

test('a name defined in two files is an error that names both places', async (t) => {
  const directory = folder(t, {
    'a.yaml': `# first\n${namespace('shop')}`,
    'b.yaml': `${namespace('x')}---\n${namespace('shop')}`,
  });
  assert.deepEqual(await errorsOf(directory), [
    'b.yaml:5:1: metadata.name: Namespace shop is already defined at a.yaml:2 (rename or remove one of the two)',
  ]);
});

test('files that are no text of bearable size are refused by name', async (t) => {
  const directory = folder(t, {
    'big.yaml': '#'.repeat(1024 * 1024 + 1),
    'empty.yaml': '',
    'max.yaml': `${'#'.repeat(1024 * 1024 - 1)}\n`,
  });
  writeFileSync(join(directory, 'latin.yaml'), Buffer.from([0x61, 0xe9, 0x0a]));
  symlinkSync('nowhere', join(directory, 'link.yaml'));
  symlinkSync('loop.yaml', join(directory, 'loop.yaml'));
  execFileSync('mkfifo', [join(directory, 'pipe.yaml')]);
  assert.deepEqual(await errorsOf(directory), [
    'big.yaml: is longer than 1 MiB (split the file)',
    'empty.yaml: is empty (remove the file, or put a comment in it)',
    'latin.yaml: is not UTF-8 text',
    'link.yaml: does not exist (remove the link that leads nowhere)',
    'loop.yaml: is a symbolic link that leads back to itself',
    'pipe.yaml: is not a regular file',
  ]);
});

test('a folder with too many documents is refused', async (t) => {
  const many = Array.from({ length: MAX_DOCUMENTS / 2 }, (_, index) => namespace(`n${index}`)).join('---\n');
  const directory = folder(t, {
    'a.yaml': many,
    'b.yaml': many.replaceAll('name: n', 'name: m'),
    'c.yaml': namespace('last'),
  });
  assert.deepEqual(await errorsOf(directory), [
    'c.yaml: the folder has more than 10000 documents up to here',
  ]);
});

test('a folder that is not there is a fault at the start', async (t) => {
  const directory = folder(t, { file: 'x' });
  const signal = new AbortController().signal;
  const start = (path: string) =>
    watchFiles({ directory: path, signal, onSnapshot: () => assert.fail(), onErrors: () => assert.fail() });
  await assert.rejects(start(join(directory, 'none')), {
    code: 'ERR_CONFIG_FOLDER',
    message: /none does not exist/,
  });
  await assert.rejects(start(join(directory, 'file')), {
    code: 'ERR_CONFIG_FOLDER',
    message: /is not a folder/,
  });
});

test('new, changed and removed files are seen', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a') });
  const watch = await new Watch().start(t, directory);
  await watch.latest('a=x');
  writeFileSync(join(directory, 'b.yaml'), namespace('b'));
  await watch.latest('a=x b=x');
  writeFileSync(join(directory, 'b.yaml'), namespace('b', 'y'));
  await watch.latest('a=x b=y');
  mkdirSync(join(directory, 'sub'));
  writeFileSync(join(directory, 'sub/c.yaml'), namespace('c'));
  await watch.latest('a=x b=y c=x');
  writeFileSync(join(directory, 'sub/c.yaml'), namespace('c', 'y'));
  await watch.latest('a=x b=y c=y');
  rmSync(join(directory, 'sub'), { recursive: true });
  rmSync(join(directory, 'b.yaml'));
  await watch.latest('a=x');
});

test('files replaced by rename are seen, each time', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a') });
  const watch = await new Watch().start(t, directory);
  for (const label of ['one', 'two', 'three']) {
    writeFileSync(join(directory, '.a.yaml.tmp'), namespace('a', label));
    renameSync(join(directory, '.a.yaml.tmp'), join(directory, 'a.yaml'));
    await watch.latest(`a=${label}`);
  }
});

test('the versions of a ConfigMap mount are seen when their link is turned, each time', async (t) => {
  const directory = folder(t, { '..0/a.yaml': namespace('a', 'v0') });
  symlinkSync('..0', join(directory, '..data'));
  symlinkSync('..data/a.yaml', join(directory, 'a.yaml'));
  const watch = await new Watch().start(t, directory);
  await watch.latest('a=v0');
  for (const version of [1, 2, 3]) {
    mkdirSync(join(directory, `..${version}`));
    writeFileSync(join(directory, `..${version}/a.yaml`), namespace('a', `v${version}`));
    symlinkSync(`..${version}`, join(directory, '..data_tmp'));
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    rmSync(join(directory, `..${version - 1}`), { recursive: true });
    await watch.latest(`a=v${version}`);
  }
});

test('a broken file changes nothing but the report, and its repair is reported', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a'), 'b.yaml': namespace('b') });
  const watch = await new Watch().start(t, directory);
  await watch.latest('a=x b=x');
  writeFileSync(join(directory, 'a.yaml'), 'kind: nothing');
  await watch.latest(/^! a\.yaml:1:7/);
  // A good change beside a broken file is not taken alone.
  writeFileSync(join(directory, 'b.yaml'), namespace('b', 'y'));
  await delay(200);
  await watch.latest(/^! a\.yaml:1:7/);
  writeFileSync(join(directory, 'a.yaml'), namespace('a'));
  await watch.latest('a=x b=y');
  writeFileSync(join(directory, 'a.yaml'), 'kind: nothing');
  await watch.latest(/^! /);
  writeFileSync(join(directory, 'a.yaml'), namespace('a'));
  await watch.latest('a=x b=y');
});

test('a file cut to nothing does not take its policies away', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a') });
  const watch = await new Watch().start(t, directory);
  truncateSync(join(directory, 'a.yaml'));
  await watch.latest(/^! a\.yaml: is empty/);
  writeFileSync(join(directory, 'a.yaml'), namespace('a', 'y'));
  await watch.latest('a=y');
});

test('a folder that is broken at the start is reported, and read once it is repaired', async (t) => {
  const directory = folder(t, { 'a.yaml': 'kind: x' });
  const watch = await new Watch().start(t, directory);
  await watch.latest(/^! a\.yaml/);
  writeFileSync(join(directory, 'a.yaml'), namespace('a'));
  await watch.latest('a=x');
});

test('a removed folder is reported, keeps the last state, and is watched again when it is back', async (t) => {
  const parent = folder(t, { 'resources/a.yaml': namespace('a') });
  const directory = join(parent, 'resources');
  const watch = await new Watch().start(t, directory);
  renameSync(directory, join(parent, 'away'));
  await watch.latest(/^! .*resources: does not exist/);
  assert.ok(!watch.log.includes(''), 'no empty snapshot was handed out');
  mkdirSync(directory);
  writeFileSync(join(directory, 'a.yaml'), namespace('a', 'back'));
  await watch.latest('a=back');
  writeFileSync(join(directory, 'a.yaml'), namespace('a', 'again'));
  await watch.latest('a=again');
});

test('a link to the folder may be turned to another one', async (t) => {
  const parent = folder(t, { 'one/a.yaml': namespace('a', 'one'), 'two/a.yaml': namespace('a', 'two') });
  symlinkSync('one', join(parent, 'current'));
  const watch = await new Watch().start(t, join(parent, 'current'));
  await watch.latest('a=one');
  symlinkSync('two', join(parent, 'next'));
  renameSync(join(parent, 'next'), join(parent, 'current'));
  await watch.latest('a=two');
  writeFileSync(join(parent, 'two/a.yaml'), namespace('a', 'three'));
  await watch.latest('a=three');
});

test('what does not change the content is not reported', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a') });
  const watch = await new Watch().start(t, directory);
  writeFileSync(join(directory, 'a.yaml'), namespace('a'));
  writeFileSync(join(directory, 'notes.txt'), 'x');
  await delay(200);
  assert.deepEqual(watch.log, ['a=x']);
});

test('nothing is reported after the signal', async (t) => {
  const directory = folder(t, { 'a.yaml': namespace('a') });
  const watch = await new Watch().start(t, directory);
  writeFileSync(join(directory, 'a.yaml'), namespace('a', 'y'));
  watch.controller.abort();
  await delay(200);
  assert.deepEqual(watch.log, ['a=x']);
});
