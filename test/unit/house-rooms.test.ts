// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { before, suite, test } from 'node:test';
import { PlantedTree, repository } from '../support/planted-tree.ts';

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

interface CruiseResult {
  readonly summary: { readonly totalCruised: number; readonly violations: readonly Violation[] };
}

interface Rule {
  readonly name: string;
  readonly comment?: string;
  readonly severity?: string;
}

const require = createRequire(import.meta.url);
const { forbidden } = require('../../.dependency-cruiser.cjs') as { forbidden: readonly Rule[] };

const packageJson = JSON.stringify({
  type: 'module',
  dependencies: { '@grpc/grpc-js': '1', '@kubernetes/client-node': '1', '@opentelemetry/api': '1', zod: '1' },
  devDependencies: { prettier: '1' },
});

/** Stand-ins, so that their paths lie inside the tree as those of installed packages do. */
const packages = Object.fromEntries(
  ['@grpc/grpc-js', '@kubernetes/client-node', '@opentelemetry/api', 'zod', 'prettier', 'undeclared'].flatMap(
    (name) => [
      [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })],
      [`node_modules/${name}/index.js`, 'module.exports = {};'],
    ],
  ),
);

const scaffold = { 'package.json': packageJson, ...packages };
const leaf = 'export const value = 1;';
const uses = (...paths: readonly string[]): string => paths.map((path) => `import '${path}';`).join('\n');

/** One file of each room, and every import that the rules are meant to allow. */
const lawful = {
  'src/lib/errors.ts': leaf,
  'src/core/flow.ts': uses('../lib/errors.ts', 'node:net'),
  'src/control/source/files/watch.ts': uses('../../../core/flow.ts', 'node:fs'),
  'src/control/source/kubernetes/watch.ts': uses('../../../core/flow.ts', '@kubernetes/client-node'),
  'src/datapath/native.ts': uses('../lib/errors.ts', 'node:module'),
  'src/datapath/loader.ts': uses('./native.ts', '../core/flow.ts', './map.ts'),
  // Types that name each other.
  'src/datapath/map.ts': "import type { value } from './map-entry.ts';\nexport type Map = typeof value;",
  'src/datapath/map-entry.ts': `import type { Map } from './map.ts';\n${leaf}\nexport type Entry = Map;`,
  'src/observability/store.ts': uses('../core/flow.ts'),
  'src/api/server.ts': uses('@grpc/grpc-js', '../core/flow.ts'),
  'src/proxy/pool.ts': uses('../core/flow.ts', 'node:net'),
  'src/proxy/main.ts': uses('./pool.ts', '../datapath/native.ts'),
  'src/agent/main.ts': uses(
    '../control/source/files/watch.ts',
    '../control/source/kubernetes/watch.ts',
    '../datapath/loader.ts',
    '../observability/store.ts',
    '../api/server.ts',
  ),
  'src/cli/main.ts': uses(
    './commands/agent.ts',
    './commands/proxy.ts',
    '../api/server.ts',
    '../core/flow.ts',
    '../lib/errors.ts',
    'zod',
  ),
  'src/cli/commands/agent.ts': uses('../../agent/main.ts'),
  'src/cli/commands/proxy.ts': uses('../../proxy/main.ts'),
  'test/unit/any.test.ts': uses('../../src/agent/main.ts', '../../src/proxy/pool.ts', 'prettier'),
};

/** By rule: the file with a violation of it, and what it imports. */
const planted: Readonly<Record<string, readonly [path: string, source: string]>> = {
  'no-circular': ['src/core/circle-back.ts', uses('./circle.ts')],
  'no-orphans': ['src/core/alone.ts', leaf],
  'no-unresolvable': ['src/core/nowhere.ts', uses('./is-not-there.ts')],
  'no-undeclared-packages': ['src/core/undeclared.ts', uses('undeclared')],
  'no-development-packages-in-src': ['src/core/development.ts', uses('prettier')],
  'lib-is-a-leaf': ['src/lib/mesh.ts', uses('../core/flow.ts')],
  'core-knows-only-lib': ['src/core/store.ts', uses('../observability/store.ts')],
  'core-is-pure': ['src/core/reader.ts', uses('node:fs')],
  'siblings-never-meet': ['src/proxy/loads.ts', uses('../datapath/loader.ts')],
  'proxy-root-takes-only-sockets': ['src/proxy/worker.ts', uses('../datapath/loader.ts')],
  'roots-are-imported-by-nobody': ['src/api/start.ts', uses('../agent/main.ts')],
  'cli-uses-api-core-lib': ['src/cli/commands/dump.ts', uses('../../datapath/loader.ts')],
  'programs-enter-by-roots': ['src/cli/commands/check.ts', uses('../../datapath/loader.ts')],
  'addon-in-one-place': ['src/datapath/second-door.ts', uses('node:module')],
  'kubernetes-client-in-one-place': ['src/control/join.ts', uses('@kubernetes/client-node')],
  'grpc-at-the-contract': ['src/observability/export.ts', uses('@grpc/grpc-js')],
  'opentelemetry-on-demand': ['src/agent/spans.ts', uses('@opentelemetry/api')],
  'src-stands-alone': ['src/core/tested.ts', uses('../../test/unit/any.test.ts')],
};

function cruise(files: Readonly<Record<string, string>>): CruiseResult {
  using tree = new PlantedTree({ ...scaffold, ...files });
  tree.copy('tsconfig.json', '.dependency-cruiser.cjs');
  const args = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src', 'test'];
  const { stdout, stderr } = tree.runPackage('depcruise', args);
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as CruiseResult;
}

suite('import rules', () => {
  let violations: readonly Violation[] = [];

  before(() => {
    const files = Object.fromEntries(Object.values(planted));
    violations = cruise({ ...lawful, ...files, 'src/core/circle.ts': uses('./circle-back.ts') }).summary
      .violations;
  });

  test('the lawful imports of every room pass', () => {
    const { totalCruised, violations: found } = cruise(lawful).summary;
    assert.deepEqual(found, []);
    // Some versions of compiler and tool together see nothing at all, and pass.
    assert.ok(totalCruised >= Object.keys(lawful).length);
  });

  for (const { name } of forbidden) {
    test(`a planted violation of ${name} fails`, () => {
      const [path] = planted[name] ?? assert.fail('no violation is planted for this rule');
      const froms = violations.filter(({ rule }) => rule.name === name).map(({ from }) => from);
      assert.ok(froms.includes(path), `${path} is not among: ${froms.join(', ')}`);
    });
  }

  test('every rule is an error and gives its reason', () => {
    for (const { name, comment = '', severity } of forbidden) {
      assert.equal(severity, 'error', name);
      assert.match(comment, /\w+ \w+.*[.]/, name);
    }
  });

  test('no violation is planted for a rule that has gone', () => {
    assert.deepEqual(Object.keys(planted).toSorted(), forbidden.map(({ name }) => name).toSorted());
  });

  test('make lint cruises the sources and fails on a violation', () => {
    using tree = new PlantedTree({ ...scaffold, ...lawful, 'src/lib/mesh.ts': uses('../core/flow.ts') });
    tree.copy('tsconfig.json', '.dependency-cruiser.cjs', 'Makefile', 'tools/step.sh');
    const env = {
      ...process.env,
      MAKEFLAGS: '',
      V: '1',
      PATH: `${repository}/node_modules/.bin:${process.env['PATH'] ?? ''}`,
    };
    const { status, stdout } = tree.run('make', ['lint-rooms'], env);
    assert.notEqual(status, 0);
    assert.match(stdout, /lib-is-a-leaf/);
  });
});
