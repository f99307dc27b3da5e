// SPDX-License-Identifier: Apache-2.0
// Makes build/perigee-VERSION-image.tar, an OCI image: the release's tarball on the few Debian packages that it needs.
import { execFileSync } from 'node:child_process';
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeImage } from './archive.ts';

/** What Node.js and the addon link, and a shell for the launcher and for whoever looks inside. */
const packages = ['busybox-static', 'libatomic1', 'libc6', 'libgcc-s1', 'libstdc++6'];
/** Programs of busybox that are there by their own names. */
const applets = ['cat', 'grep', 'ls', 'ps', 'readlink', 'sh', 'sleep', 'test'];
/** What of the packages nobody here reads; the copyright files stay. */
const unread = [
  'usr/share/man',
  'usr/share/locale',
  'usr/share/lintian',
  'usr/share/doc/*/changelog*',
  'usr/lib/*/gconv',
];

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
const reference = `perigee.dev/perigee:${version}`;
const root = 'build/image/root';
const downloads = 'build/image/debs';

function run(command: string, args: readonly string[], cwd = '.'): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}

rmSync(root, { recursive: true, force: true });
for (const folder of [root, downloads]) mkdirSync(folder, { recursive: true });
chmodSync(root, 0o755);
const missing = packages.filter((name) => globSync(`${downloads}/${name}_*.deb`).length === 0);
// apt checks signatures and takes the release that this machine has.
if (missing.length > 0)
  run('apt-get', ['-q', '-o', 'APT::Sandbox::User=', 'download', ...missing], downloads);
for (const deb of globSync(`${downloads}/*.deb`).toSorted()) run('dpkg-deb', ['-x', deb, root]);
for (const path of globSync(unread, { cwd: root })) rmSync(join(root, path), { recursive: true });
for (const folder of [
  'dev',
  'etc/perigee',
  'host/cgroup',
  'opt',
  'proc',
  'run/perigee',
  'sys',
  'tmp',
  'usr/bin',
])
  mkdirSync(join(root, folder), { recursive: true });
chmodSync(join(root, 'tmp'), 0o1777);
for (const applet of applets) symlinkSync('/bin/busybox', join(root, 'usr/bin', applet));
// The launcher is a script of the shell.
symlinkSync('busybox', join(root, 'bin/sh'));
mkdirSync(join(root, 'opt/perigee'));
run('tar', [
  '-xzf',
  `build/perigee-${version}-linux-x64.tar.gz`,
  '--strip-components=1',
  '-C',
  join(root, 'opt/perigee'),
]);
symlinkSync('/opt/perigee/bin/perigee', join(root, 'usr/bin/perigee'));
const file = `build/perigee-${version}-image.tar`;
writeImage({
  file,
  reference,
  root,
  entrypoint: ['/usr/bin/perigee'],
  labels: {
    'org.opencontainers.image.title': 'perigee',
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': 'Apache-2.0',
  },
});
console.log(file);
