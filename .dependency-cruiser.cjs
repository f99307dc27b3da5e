// SPDX-License-Identifier: Apache-2.0
// The rooms and the one import rule: lib ← core ← {control, proxy, observability, datapath, api} ← agent; cli uses api,
// core and lib. Every rule has a planted violation in test/unit/house-rooms.test.ts.

const rooms = '(control|proxy|observability|datapath|api)';
const programs = '^src/cli/commands/(agent|proxy|controller|check|cleanup)[.]ts$';
const addonLoader = '^src/datapath/native[.]ts$';
const everyRoot = '^src/(agent|proxy|cli|controller)/main[.]ts$|^src/proxy/worker[.]ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment:
        'Files that need each other to run are one thing cut in two. (Types may name each other: they are gone by then.)',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      comment: 'A source file that nothing imports is dead, or a program that no composition root knows.',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: [everyRoot, '[.]d[.]ts$'] },
      to: {},
    },
    {
      name: 'no-unresolvable',
      comment: 'An import that leads nowhere hides what it was meant to reach from every other rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'A package that package.json does not name comes and goes with somebody else’s dependencies.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-development-packages-in-src',
      comment: 'What ships runs with the packages that ship; types alone may come from elsewhere.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'lib-is-a-leaf',
      comment:
        'lib holds tools that know nothing of a mesh; with an import from here it would be part of one.',
      severity: 'error',
      from: { path: '^src/lib/' },
      to: { path: '^src/', pathNot: '^src/lib/' },
    },
    {
      name: 'core-knows-only-lib',
      comment:
        'core is the definition that every room shares; if it knew one of them, the others would depend on it.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { path: '^src/', pathNot: '^src/(core|lib)/' },
    },
    {
      name: 'core-is-pure',
      comment:
        'core decides and does nothing: no files, sockets, processes or timers, so that a test can run it on any input. (ESLint admits single pure functions of net and os.)',
      severity: 'error',
      from: { path: '^src/core/' },
      to: {
        dependencyTypes: ['core'],
        pathNot: '^(node:)?(assert|buffer|crypto|util|net|os)$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'siblings-never-meet',
      comment:
        'Rooms meet through the types and ports of core that a composition root passes in; then each can be replaced alone.',
      severity: 'error',
      from: { path: `^src/${rooms}/`, pathNot: '^src/proxy/(main|worker)[.]ts$' },
      to: { path: `^src/${rooms}/`, pathNot: '^src/$1/' },
    },
    {
      name: 'proxy-root-takes-only-sockets',
      comment:
        'The proxy’s composition root passes the socket reactor in; more of the datapath would make the proxy need the agent’s rights.',
      severity: 'error',
      from: { path: '^src/proxy/(main|worker)[.]ts$' },
      to: { path: `^src/${rooms}/`, pathNot: ['^src/proxy/', '^src/datapath/(native|reactor)'] },
    },
    {
      name: 'roots-are-imported-by-nobody',
      comment: 'A composition root wires the rooms; whoever imports it drags in all of them.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(agent|controller|cli)/' },
      to: { path: '^src/(agent|controller|cli)/' },
    },
    {
      name: 'cli-uses-api-core-lib',
      comment:
        'A command talks to the agent by its contract, so that it works for an agent that it was not built with.',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: programs },
      to: { path: '^src/', pathNot: '^src/(cli|api|core|lib)/' },
    },
    {
      name: 'programs-enter-by-roots',
      comment:
        'Commands that are a program (agent, proxy) or do without one (check, cleanup) use a composition root, not what it wires.',
      severity: 'error',
      from: { path: programs },
      to: {
        path: '^src/',
        pathNot: ['^src/(cli|api|core|lib|agent)/', '^src/(proxy|controller)/main[.]ts$'],
      },
    },
    {
      name: 'addon-in-one-place',
      comment:
        'One file loads the addon and checks what it gets; createRequire elsewhere would be a second door to it.',
      severity: 'error',
      from: { path: '^src/', pathNot: addonLoader },
      to: {
        path: ['^(node:)?module$', '[.]node$', '^node_modules/(node-addon-api|bindings|node-gyp-build)/'],
      },
    },
    {
      name: 'kubernetes-client-in-one-place',
      comment: 'Importing the client costs 128 MiB and 390 ms; a standalone agent must never load it.',
      severity: 'error',
      from: {
        path: '^(src|bench|demo|tools)/',
        pathNot: '^src/(control/source/kubernetes/|cli/cluster/kube[.]ts$)',
      },
      to: { path: '^node_modules/@kubernetes/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'grpc-at-the-contract',
      comment:
        'gRPC is how the agent is spoken to, not how its rooms speak; the proxy must not even load it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(api|cli|agent|controller)/' },
      to: { path: '^node_modules/@grpc/' },
    },
    {
      name: 'opentelemetry-on-demand',
      comment:
        'Its packages cost memory and time to load; one folder uses them, and the agent imports that lazily when a collector is named.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/observability/otlp/' },
      to: { path: '^node_modules/@opentelemetry/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'src-stands-alone',
      comment: 'What ships does not contain tests, benchmarks, the demo or build tools.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|demo|tools)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(build|dist)/' },
    // Imports of types count: a room that knows another's types knows the other.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
