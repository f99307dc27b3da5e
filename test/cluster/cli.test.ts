// SPDX-License-Identifier: Apache-2.0
// `kubectl perigee`: the command line of a person far from the nodes, whose kubeconfig is all there is.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Access } from '../support/cluster-access.ts';
import {
  addressOf,
  apply,
  clusterBin,
  freshNamespace,
  get,
  kubeconfig,
  kubectl,
  pod,
  ready,
  repository,
  server,
} from '../support/cluster.ts';
import { installRelease, removeRelease } from '../support/cluster-release.ts';
import { type CommandResult, until } from '../support/lab.ts';

const namespace = 'test-cli';
// As a person has it: kubectl finds its plug-ins in PATH.
const env = {
  ...process.env,
  KUBECONFIG: kubeconfig,
  PATH: `${join(repository, 'bin')}:${clusterBin}:${process.env['PATH'] ?? ''}`,
};

function perigee(...args: readonly string[]): CommandResult {
  const { status, stdout, stderr } = spawnSync('kubectl', ['perigee', ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function mustPerigee(...args: readonly string[]): string {
  const { status, stdout, stderr } = perigee(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

const web = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { namespace, name: 'web' },
  spec: {
    replicas: 2,
    selector: {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['front'] }],
    },
    template: {
      metadata: { labels: { app: 'web', tier: 'front' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          { name: 'main', image: 'perigee.test/tools:1', imagePullPolicy: 'Never', args: ['pause'] },
        ],
      },
    },
  },
};

const get200 = (from: string, path: string): number =>
  get(namespace, from, `${addressOf(namespace, 'api')}:8080`, path).status;

before(() => {
  installRelease();
  freshNamespace(namespace);
  apply(
    server({ namespace, name: 'api', node: 'node1' }),
    pod({ namespace, name: 'far', node: 'node2' }),
    web,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name: 'api' },
      spec: { selector: { app: 'api' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      apiVersion: 'perigee.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { namespace, name: 'api' },
      spec: {
        selector: { matchLabels: { app: 'api' } },
        ingress: [
          {
            action: 'Allow',
            from: [
              { podSelector: { matchLabels: { app: 'far' } } },
              { podSelector: { matchLabels: { app: 'web' } } },
            ],
            http: [{ methods: ['GET'], path: { type: 'Exact', value: '/items' } }],
          },
        ],
      },
    },
  );
  ready(namespace, 'api', 'far');
  kubectl('-n', namespace, 'rollout', 'status', 'deployment/web', '--timeout=90s');
});
after(() => {
  kubectl('delete', 'namespace', namespace, '--wait=false');
  removeRelease();
});

test('status has a line for each node, and of one node all', () => {
  const all = mustPerigee('status');
  assert.match(all, /^NODE +AGENT +VERSION/);
  for (const node of ['node1', 'node2']) assert.match(all, new RegExp(`^${node} +ready`, 'm'));
  assert.doesNotMatch(all, /NoPodsCgroup/);
  assert.match(mustPerigee('status', '-o', 'wide'), new RegExp(`^${namespace}/api +node1 `, 'm'));
  assert.match(mustPerigee('status', '--node', 'node2'), /^Node +node2 /);
  const { nodes } = JSON.parse(mustPerigee('status', '-o', 'json')) as { nodes: { node: string }[] };
  assert.deepEqual(
    nodes.map(({ node }) => node),
    ['node1', 'node2'],
  );
});

test('explain knows resources and names as kubectl does, and asks the node that knows best', async () => {
  const args = ['-n', namespace, '-p', '8080', '--method', 'GET', '--path'];
  await until('policy', () => perigee('explain', 'deploy/web', 'svc/api', ...args, '/admin').status === 1);
  assert.match(mustPerigee('explain', 'deployment/web', 'pod/api', ...args, '/items'), /ALLOW/i);
  assert.match(mustPerigee('explain', 'far', 'api', ...args, '/items'), new RegExp(`${namespace}/far`));
  const none = perigee('explain', 'deploy/none', 'api', ...args, '/items');
  assert.equal(none.status, 2);
  assert.match(none.stderr, /there is no deploy\/none in the namespace test-cli/);
});

test('observe merges the flows of all nodes in the order of their times', async () => {
  await until('policy', () => get200('far', '/admin') === 403);
  const [near = ''] = kubectl('-n', namespace, 'get', 'pods', '-l', 'app=web', '-o', 'name').split('\n');
  for (let round = 0; round < 3; round++) {
    assert.equal(get200('far', '/items'), 200);
    assert.equal(get200(near.replace('pod/', ''), '/items'), 200);
  }
  interface Line {
    readonly time: string;
    readonly source: { readonly workload?: string };
    readonly destination: { readonly workload?: string };
  }
  const flows = (...filter: string[]): Line[] =>
    mustPerigee('observe', '-n', namespace, '--last', '12', '-o', 'json', ...filter)
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  await until('the flows', () => flows('--to', 'svc/api').length === 12);
  // Its requests are judged and recorded on the server's node, where it has no number.
  const ofFar = (): Line[] => flows('--from', 'far', '--status', '200');
  await until('the flows of the pod on the other node', () => ofFar().length >= 3);
  assert.ok(ofFar().every(({ source }) => source.workload === 'far'));
  const times = flows('--to', 'svc/api').map(({ time }) => time);
  assert.deepEqual(times, times.toSorted());
  assert.ok(flows('--to', 'svc/api').every(({ destination }) => destination.workload === 'api'));
});

test('a reference is found on whichever node it was given', async () => {
  const { reference = '' } = get(namespace, 'far', `${addressOf(namespace, 'api')}:8080`, '/admin');
  assert.notEqual(reference, '');
  await until('the flow', () => perigee('observe', '--reference', reference).status === 0);
  assert.match(mustPerigee('observe', '--reference', reference, '--why'), /AccessPolicy test-cli\/api/);
});

test('observe -f shows flows as they come, until it is interrupted', async () => {
  const child = spawn('kubectl', ['perigee', 'observe', '-f', '-n', namespace, '--to', 'api'], { env });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  await until('a flow', () => {
    get200('far', '/items');
    return seen.includes('GET /items 200');
  });
  child.kill('SIGINT');
  await gone;
});

test('who may not enter the agents’ pods is told which right is missing', () => {
  apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'nobody' } });
  using access = new Access({ token: kubectl('-n', namespace, 'create', 'token', 'nobody').trim() });
  const { status, stderr } = perigee('status', '--kubeconfig', access.path);
  assert.equal(status, 2);
  assert.match(stderr, /cannot list resource "pods" in API group "" in the namespace "perigee-system"/);
});

test('contexts are told apart, and a cluster without agents says where it looked', () => {
  const unknown = perigee('status', '--context', 'elsewhere');
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /no context called elsewhere.*One of test/s);
  const empty = perigee('status', '--context', 'test', '--system-namespace', 'default');
  assert.equal(empty.status, 2);
  assert.match(empty.stderr, /no agent runs in the cluster.*namespace default/s);
});

test('what is about this machine is no command of the plug-in', () => {
  const { status, stderr } = perigee('cleanup');
  assert.equal(status, 2);
  assert.match(stderr, /unknown command 'cleanup'/);
});

test('kubectl completes its plug-in', () => {
  const { stdout } = spawnSync('kubectl', ['__complete', 'perigee', 'obs'], { env, encoding: 'utf8' });
  assert.match(stdout, /^observe/m);
});
