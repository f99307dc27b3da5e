// SPDX-License-Identifier: Apache-2.0
// Makes the images of the test cluster: the pause container, and `tools`, a server and clients in one.
// usage: images.ts BIN IMAGES
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeImage } from '../image/archive.ts';

interface Recipe {
  readonly name: string;
  /** Where a file goes, and where it comes from. */
  readonly files: Readonly<Record<string, string>>;
  /** Links of busybox. */
  readonly applets?: readonly string[];
  readonly entrypoint: readonly string[];
}

const [bin = '', images = ''] = process.argv.slice(2);

const recipes: readonly Recipe[] = [
  { name: 'pause', files: { '/pause': join(bin, 'node-helper') }, entrypoint: ['/pause', 'pause'] },
  {
    name: 'tools',
    files: { '/bin/agnhost': join(bin, 'agnhost'), '/bin/busybox': '/bin/busybox' },
    applets: ['cat', 'env', 'ip', 'kill', 'nc', 'netstat', 'sh', 'sleep', 'true', 'wget'],
    entrypoint: ['/bin/agnhost'],
  },
];

/** Newer than everything that it is made from. */
function isCurrent(file: string, { files }: Recipe): boolean {
  if (!existsSync(file)) return false;
  const made = statSync(file).mtimeMs;
  return [import.meta.filename, ...Object.values(files)].every((source) => statSync(source).mtimeMs < made);
}

function make(file: string, { name, files, applets = [], entrypoint }: Recipe): void {
  const root = mkdtempSync(join(tmpdir(), 'perigee-root-'));
  try {
    chmodSync(root, 0o755);
    for (const folder of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp']) mkdirSync(join(root, folder));
    chmodSync(join(root, 'tmp'), 0o1777);
    for (const [to, from] of Object.entries(files)) {
      mkdirSync(dirname(join(root, to)), { recursive: true });
      copyFileSync(from, join(root, to));
      chmodSync(join(root, to), 0o755);
    }
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    writeImage({ file, reference: `perigee.test/${name}:1`, root, entrypoint });
  } finally {
    rmSync(root, { recursive: true });
  }
}

for (const recipe of recipes) {
  const file = join(images, `${recipe.name}.tar`);
  if (isCurrent(file, recipe)) continue;
  make(file, recipe);
  console.log(file);
}
