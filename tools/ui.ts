// SPDX-License-Identifier: Apache-2.0
// Bundles the page of `perigee ui` into a folder. usage: ui.ts FOLDER
import { copyFileSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { build } from 'esbuild';

const web = join(import.meta.dirname, '../src/cli/ui/web');

/** @returns paths of everything that went in, relative to the working folder */
export async function bundlePage(folder: string): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    entryPoints: [relative('.', join(web, 'main.tsx'))],
    outfile: join(folder, 'app.js'),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2024',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    metafile: true,
  });
  for (const file of ['index.html', 'app.css']) copyFileSync(join(web, file), join(folder, file));
  return Object.keys(metafile.inputs);
}

const [, program = '', folder] = process.argv;
if (import.meta.filename === program && folder !== undefined) await bundlePage(folder);
