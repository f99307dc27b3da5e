// SPDX-License-Identifier: Apache-2.0
// The charts and the image as people use them: installed by helm, tried by pods, upgraded under requests, uninstalled.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { STARTUP_TAINT } from '../../src/controller/startup-taint.ts';
import {
  addressOf,
  apply,
  freshNamespace,
  get,
  helm,
  installDefinitions,
  kubectl,
  loadImage,
  nodes,
  onNode,
  pod,
  ready,
  rebootNode,
  repository,
  restarts,
  server,
  start,
  tryHelm,
  tryKubectl,
} from '../support/cluster.ts';
import { leftOn } from '../support/cluster-release.ts';
import { answersDuring, type ClusterClient, heldConnection } from '../support/cluster-load.ts';
import { until } from '../support/lab.ts';

const system = 'perigee-system';
const namespace = 'test-chart';
const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly version: string;
};
const image = join(repository, `build/perigee-${version}-image.tar`);
const release = ['perigee', 'charts/perigee', '--namespace', system, '--create-namespace'];
const values = ['--set', 'image.pullPolicy=Never'];

/** `perigee` in the agent of a node. */
function perigee(node: string, ...args: readonly string[]): string {
  const selector = 'app.kubernetes.io/component=agent';
  const name = kubectl(
    ...['-n', system, 'get', 'pods', '-l', selector, '--field-selector', `spec.nodeName=${node}`],
    ...['-o', 'jsonpath={.items[0].metadata.name}'],
  );
  return kubectl('-n', system, 'exec', name, '-c', 'agent', '--', 'perigee', ...args);
}

function render(...args: readonly string[]): string {
  return helm(
    'template',
    'perigee',
    'charts/perigee',
    '--namespace',
    system,
    '--kube-version',
    '1.35.0',
    ...args,
  );
}

const rollout = ['-n', system, 'rollout', 'status', '--timeout=150s'];
const rolled = [
  'daemonset/perigee-agent',
  'daemonset/perigee-proxy',
  'deployment/perigee-controller',
] as const;

/** What helm calls ready is not yet on every node. */
async function roll(change: readonly string[]): Promise<void> {
  await start('helm', ...change);
  for (const set of rolled) await start('kubectl', ...rollout, set);
}

before(() => {
  assert.ok(existsSync(image), `${image} is missing: run make image`);
  loadImage(image);
  installDefinitions();
  freshNamespace(namespace);
});
after(() => {
  kubectl('delete', 'namespace', namespace, '--wait=false');
  tryHelm('uninstall', 'perigee', '--namespace', system);
});

for (const chart of ['charts/perigee', 'charts/perigee-crds']) {
  test(`helm lint ${chart}`, () => {
    assert.match(
      helm('lint', '--strict', '--kube-version', '1.35.0', chart),
      /1 chart\(s\) linted, 0 chart\(s\) failed/,
    );
  });
}

for (const [name, args] of Object.entries({
  default: [],
  cleanup: ['--set', 'cleanup=true'],
  custom: [
    ...[
      '--set',
      'mesh=disabled,pending=Refuse,networkPolicy=off,services=disabled,metricsAddress=0.0.0.0:9000,proxy.workers=4,proxy.drainSeconds=60',
    ],
    ...['--set', 'settings.logLevel=debug,settings.flowStoreBytes=8388608,imagePullSecrets[0].name=registry'],
    ...['--set', 'otlp.endpoint=https://collector:4318,otlp.existingSecret=otlp,otlp.caConfigMap=otlp-ca'],
    ...['--set', 'settings.otlp.logs=denied'],
  ],
})) {
  test(`templates with ${name} values`, () => {
    const golden = join(repository, `test/golden/charts/${name}.yaml`);
    assert.equal(render(...args), readFileSync(golden, 'utf8'));
  });
}

for (const [what, setting, message] of [
  ['a misspelt value', 'meshh=enabled', /meshh/],
  ['a mode that there is not', 'mesh=on', /mesh/],
  ['a word for pods to come that there is not', 'pending=Deny', /pending/],
  ['a mode of Services that there is not', 'services=off', /services/],
  ['an address without a port', 'metricsAddress=127.0.0.1', /metricsAddress/],
  ['a collector that is no address', 'otlp.endpoint=collector:4318', /endpoint/],
  ['more workers than there may be', 'proxy.workers=65', /workers/],
] as const) {
  test(`helm refuses ${what}`, () => {
    const { status, stderr } = tryHelm(
      'template',
      'perigee',
      'charts/perigee',
      '--kube-version',
      '1.35.0',
      '--set',
      setting,
    );
    assert.notEqual(status, 0);
    assert.match(stderr, message);
  });
}

test('installed: every node has an agent and a proxy, and no container is privileged', () => {
  const notes = helm('upgrade', '--install', ...release, ...values);
  for (const set of rolled) kubectl(...rollout, set);
  assert.match(notes, /Perigee governs the pods of every node/);
  for (const node of nodes)
    assert.match(perigee(node, 'status'), /Agent +ready .*\n.*\nProxy +running \(external\)/);
  const given = kubectl(
    '-n',
    system,
    'get',
    'pods',
    '-o',
    'jsonpath={.items[*].spec.containers[*].securityContext}',
  );
  assert.doesNotMatch(given, /privileged/);
});

test('two pods: an AccessPolicy allows GET /items and refuses the rest, with a reference that `observe` finds', async () => {
  apply(server({ namespace, name: 'api', node: 'node1' }), pod({ namespace, name: 'web', node: 'node2' }), {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { namespace, name: 'api' },
    spec: {
      selector: { matchLabels: { app: 'api' } },
      ingress: [
        {
          action: 'Allow',
          from: [{ podSelector: { matchLabels: { app: 'web' } } }],
          http: [{ methods: ['GET'], path: { type: 'Exact', value: '/items' } }],
        },
      ],
    },
  });
  ready(namespace, 'api', 'web');
  const address = `${addressOf(namespace, 'api')}:8080`;
  await until('policy', () => get(namespace, 'web', address, '/admin').status === 403);
  assert.equal(get(namespace, 'web', address, '/items').status, 200);
  const { status, reference } = get(namespace, 'web', address, '/items/7');
  assert.equal(status, 403);
  assert.ok(reference);
  const seen = (): string => {
    try {
      return perigee('node1', 'observe', '--reference', reference, '--why');
    } catch {
      return ''; // not there yet
    }
  };
  await until('the flow', () => seen() !== '');
  const accepted = (): string =>
    kubectl('-n', namespace, 'get', 'apol', 'api', '-o', 'jsonpath={.status.conditions[*].status}');
  await until('the controller', () => accepted() === 'True');
  assert.match(
    seen(),
    new RegExp(`${namespace}/api:8080 .*GET /items/7 403 .*DENIED.*AccessPolicy ${namespace}/api`, 's'),
  );
});

test('a pod that asks to be governed and can’t be is told of by an Event', async () => {
  const labels = { 'perigee.dev/mesh': 'enabled' };
  apply(pod({ namespace, name: 'host', node: 'node1', labels, spec: { hostNetwork: true } }));
  const events = ['-n', namespace, 'get', 'events', '--field-selector', 'reason=NotCaptured', '-o'];
  const message = (): string =>
    kubectl(...events, 'jsonpath={range .items[*]}{.involvedObject.name}: {.message}{end}');
  await until('the Event', () => message() !== '', 60_000);
  assert.match(message(), /^host: Perigee does not govern this pod: .*hostNetwork/);
  kubectl('-n', namespace, 'delete', 'pod', 'host');
});

test('helm test makes a request that is allowed and one that is refused', () => {
  assert.match(helm('test', 'perigee', '--namespace', system, '--timeout', '120s'), /Phase: +Succeeded/);
  assert.equal(kubectl('-n', system, 'get', 'apol,svc', '-o', 'name').trim(), '');
});

test('a node whose agent is ready loses the start-up taint, and no other', async () => {
  const taints = (): string => kubectl('get', 'node', 'node2', '-o', 'jsonpath={.spec.taints[*].key}');
  kubectl(
    'taint',
    'nodes',
    'node2',
    'example.com/mine=:PreferNoSchedule',
    `${STARTUP_TAINT}=:NoSchedule`,
    '--overwrite',
  );
  try {
    await until('the removal', () => taints() === 'example.com/mine');
  } finally {
    tryKubectl(['taint', 'nodes', 'node2', `${STARTUP_TAINT}-`]);
    kubectl('taint', 'nodes', 'node2', 'example.com/mine-');
  }
});

const client = (): ClusterClient => ({
  namespace,
  name: 'web',
  address: `${addressOf(namespace, 'api')}:8080`,
});

test('upgraded and rolled back under requests: what is allowed is answered, what is not never', async () => {
  const changed = ['--set', 'settings.logLevel=debug,proxy.workers=2'];
  for (const change of [
    ['upgrade', ...release, ...values, ...changed],
    ['rollback', 'perigee', '1', '--namespace', system],
  ]) {
    const answers = await answersDuring(roll(change), client(), '/items', '/admin');
    // A refusal may wait for the next agent (0), but is one.
    const others = [...answers.keys()].filter(
      (answer) => !['/items 200', '/admin 403', '/admin 0'].includes(answer),
    );
    assert.deepEqual(others, [], JSON.stringify([...answers]));
    assert.ok((answers.get('/items 200') ?? 0) > 3);
    assert.equal(get(namespace, 'web', `${addressOf(namespace, 'api')}:8080`, '/admin').status, 403);
  }
});

test('a node that restarts, its bpffs empty, is governed again', async () => {
  const before = restarts(namespace, 'api');
  rebootNode('node1');
  await until('the node', () => onNode('node1', 'true').status === 0);
  await until('the server', () => restarts(namespace, 'api') > before, 120_000);
  ready(namespace, 'api');
  const statusOf = (path: string): number => get(namespace, 'web', client().address, path).status;
  await until('policy', () => statusOf('/admin') === 403, 60_000);
  assert.equal(statusOf('/items'), 200);
  assert.match(leftOn('node1'), /connect4/);
});

test('cleaned up and uninstalled under requests: none fails, nothing is left on the nodes, all is open', async () => {
  for (const node of nodes) assert.match(leftOn(node), /connect4/);
  const { answers, goOn } = heldConnection(client(), '/items');
  const cleanUp = async (): Promise<void> => {
    await start('helm', 'upgrade', ...release, ...values, '--set', 'cleanup=true');
    await start('kubectl', ...rollout, rolled[0]);
    assert.deepEqual(nodes.map(leftOn), ['', '']);
    await start('helm', 'uninstall', 'perigee', '--namespace', system, '--wait');
  };
  const others = [...(await answersDuring(cleanUp(), client(), '/items')).keys()];
  assert.deepEqual(others, ['/items 200']);
  goOn();
  assert.equal((await answers).split('HTTP/1.1 200').length - 1, 2, 'a connection that was open goes on');
  assert.equal(get(namespace, 'web', `${addressOf(namespace, 'api')}:8080`, '/admin').status, 200);
  const all = 'all,sa,cm,role,rolebinding,clusterrole,clusterrolebinding';
  const left = (): string =>
    kubectl('get', all, '-A', '-l', 'app.kubernetes.io/instance=perigee', '-o', 'name').trim();
  await until('the end of the pods', () => left() === '');
  assert.deepEqual(nodes.map(leftOn), ['', '']);
  // The definitions, and so the policies, stay.
  assert.match(kubectl('-n', namespace, 'get', 'apol', '-o', 'name'), /api/);
});
