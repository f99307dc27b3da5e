// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** Packages written as CommonJS expect these. Every output has them. */
const banner = [
  "import { createRequire as __createRequire } from 'node:module';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = import.meta.filename, __dirname = import.meta.dirname;',
].join('\n');

const here = 'perigee:dist';

/**
 * A source finds its files (the addon, eBPF objects, .proto) relative to itself. In a bundle it lies elsewhere, so its
 * `import.meta` is made to tell the place that it would have below dist/. All outputs lie one folder below that.
 */
function keepPlaces(sources: string): Plugin {
  return {
    name: 'keep-places',
    setup(builder): void {
      builder.onResolve({ filter: /^perigee:dist$/ }, () => ({ path: here, namespace: 'virtual' }));
      builder.onLoad({ filter: /.*/, namespace: 'virtual' }, () => ({
        contents: "export const dist = new URL('..', import.meta.url);",
        loader: 'js',
      }));
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (path.includes('node_modules') || !text.includes('import.meta')) return undefined;
        const place = JSON.stringify(relative(sources, path).split(sep).join('/').replace(/\.ts$/, '.js'));
        const contents = [
          `import { dist as __dist } from '${here}';`,
          "import { fileURLToPath as __toPath } from 'node:url';",
          `const __place = new URL(${place}, __dist).href;`,
          text
            .replaceAll('import.meta.url', '__place')
            .replaceAll('import.meta.dirname', "__toPath(new URL('.', __place))")
            .replaceAll('import.meta.filename', '__toPath(__place)')
            // A worker or program that is started by its file has been compiled.
            .replaceAll(/(new URL\('[^']+)\.ts'/g, "$1.js'"),
        ].join('\n');
        return { contents, loader: 'ts' };
      });
    },
  };
}

/**
 * An ES module that imports one of Node.js's own has all its exports evaluated, also those that are there on demand:
 * node:http then loads a whole HTTP client (undici), 8 MiB. Asked for as an object it gives what is asked for.
 */
const builtinsOnDemand: Plugin = {
  name: 'builtins-on-demand',
  setup(builder): void {
    builder.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined,
    );
    builder.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
      loader: 'js',
    }));
  },
};

/**
 * Bundles programs with all packages that they use. What is imported lazily stays in files of its own.
 * @returns paths of everything that went in, relative to the working folder
 */
export async function bundle(entryPoints: string[], sources: string, outdir: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints,
    outbase: sources,
    outdir,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node26',
    banner: { js: banner },
    sourcemap: 'linked',
    sourcesContent: false,
    sourceRoot: pathToFileURL('/perigee/').href,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins: [keepPlaces(sources), builtinsOnDemand],
  });
  return Object.keys(metafile.inputs);
}
