// SPDX-License-Identifier: Apache-2.0
// Real pods of real kubelets: enrolled as they are, and governed by the policies of the API server, on two nodes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ClusterAgent } from '../support/cluster-agent.ts';
import {
  addressOf,
  apply,
  controlPlane,
  type Fetched,
  freshNamespace,
  get,
  installDefinitions,
  kubectl,
  nodes,
  onNode,
  pod,
  ready,
  server,
} from '../support/cluster.ts';
import { until } from '../support/lab.ts';

const namespace = 'test-pods';
const [first, second] = nodes.map((node) => new ClusterAgent(node)) as [ClusterAgent, ClusterAgent];

const labelled = (app: string): object => ({ podSelector: { matchLabels: { app } } });
const items = {
  apiVersion: 'perigee.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { namespace, name: 'api' },
  spec: {
    selector: { matchLabels: { app: 'api' } },
    ingress: [
      {
        name: 'read-items',
        action: 'Allow',
        from: [labelled('near'), labelled('far')],
        to: [{ port: 'http' }],
        http: [{ methods: ['GET'], path: { type: 'PathPrefix', value: '/items' } }],
      },
    ],
  },
};

const fetchFrom = (client: string, path: string, host = 'api'): Fetched =>
  get(namespace, client, `${addressOf(namespace, host)}:8080`, path);
const statusOf = (client: string, path: string, host = 'api'): number => fetchFrom(client, path, host).status;
const field = (name: string, path: string): string =>
  kubectl('-n', namespace, 'get', 'pod', name, '-o', `jsonpath={${path}}`);
const governed = (name: string): Promise<void> =>
  until(`policy for ${name}`, () => first.isEnrolled(`${namespace}/${name}`, 'governed'));

/** Kills the first process of a container as the runtime of its node knows it. */
function kill(container: string): void {
  const { status, stderr } = onNode(
    'node1',
    'ctr',
    '-n',
    'k8s.io',
    'tasks',
    'kill',
    '-s',
    'SIGKILL',
    container,
  );
  assert.equal(status, 0, stderr);
}

before(async () => {
  installDefinitions();
  freshNamespace(namespace);
  // These are there before any agent is.
  apply(
    server({ namespace, name: 'api', node: 'node1' }),
    pod({ namespace, name: 'near', node: 'node1' }),
    pod({ namespace, name: 'far', node: 'node2' }),
    pod({ namespace, name: 'stranger', node: 'node2' }),
  );
  ready(namespace, 'api', 'near', 'far', 'stranger');
  await Promise.all([first.start(), second.start()]);
});
after(async () => {
  kubectl('delete', 'namespace', namespace, '--wait=false');
  await Promise.all([first.remove(), second.remove()]);
});

test('pods that ran before the agent are enrolled as they are', async () => {
  await until('the server', () => first.isEnrolled(`${namespace}/api`, 'open'));
  await until('a client of the other node', () => second.isEnrolled(`${namespace}/far`));
  assert.equal(field('api', '.status.containerStatuses[0].restartCount'), '0');
  assert.equal(statusOf('stranger', '/admin'), 200);
});

test('requests of pods on both nodes are judged one by one, and a stranger gets no connection', async () => {
  apply(items);
  await governed('api');
  for (const client of ['near', 'far']) {
    assert.equal(statusOf(client, '/items'), 200, client);
    assert.equal(statusOf(client, '/admin'), 403, client);
  }
  assert.equal(statusOf('stranger', '/items'), 0);
});

test('the reference of a refusal finds the flow, with the pods that it was between', async () => {
  const { reference } = fetchFrom('far', '/admin');
  assert.ok(reference);
  const find = () => first.run('observe', '--reference', reference, '-o', 'json');
  await until('the flow', async () => (await find().catch(() => '')) !== '');
  const text = await find();
  assert.match(text, /test-pods/);
  assert.match(text, /\/admin/);
  assert.match(await first.run('observe', '--reference', reference, '--why'), /AccessPolicy test-pods\/api/);
});

test('through the address of a Service the server’s policy is the same', () => {
  apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'api' },
    spec: { selector: { app: 'api' }, ports: [{ port: 80, targetPort: 'http' }] },
  });
  const service = kubectl('-n', namespace, 'get', 'service', 'api', '-o', 'jsonpath={.spec.clusterIP}');
  const ask = (path: string): number => get(namespace, 'far', `${service}:80`, path).status;
  return until('kube-proxy', () => ask('/items') === 200).then(() => assert.equal(ask('/admin'), 403));
});

test('the kubelet’s probes go on under a policy that does not name them', async () => {
  const since = field('api', '.status.conditions[?(@.type=="Ready")].lastTransitionTime');
  const probes = async (): Promise<number> => {
    const flows = await first.run('observe', '--last', '200', '--to', `${namespace}/api`);
    return flows.split('\n').filter((line) => line.includes('(Node)') && line.includes('ALLOWED')).length;
  };
  const before = await probes();
  await until('three probes', async () => (await probes()) >= before + 3);
  assert.equal(field('api', '.status.conditions[?(@.type=="Ready")].status'), 'True');
  assert.equal(field('api', '.status.conditions[?(@.type=="Ready")].lastTransitionTime'), since);
});

test('a pod that comes later is governed by the policy that is there', async () => {
  apply(server({ namespace, name: 'later', node: 'node1', labels: { app: 'api' } }));
  ready(namespace, 'later');
  await governed('later');
  assert.deepEqual([statusOf('near', '/items', 'later'), statusOf('near', '/admin', 'later')], [200, 403]);
});

test('a container that is started anew is governed all the while', async () => {
  const container = field('later', '.status.containerStatuses[0].containerID').replace('containerd://', '');
  kill(container);
  await until('the restart', () => field('later', '.status.containerStatuses[0].restartCount') === '1');
  ready(namespace, 'later');
  assert.deepEqual([statusOf('near', '/items', 'later'), statusOf('near', '/admin', 'later')], [200, 403]);
});

test('a pod that gets another network namespace is found there', async () => {
  const uid = field('later', '.metadata.uid');
  const sandbox = onNode(
    'node1',
    ...['ctr', '-n', 'k8s.io', 'containers', 'ls', '-q'],
    `labels."io.kubernetes.pod.uid"==${uid},labels."io.cri-containerd.kind"==sandbox`,
  ).stdout.trim();
  const place = async (): Promise<string | undefined> =>
    (await first.status()).workloads.find(({ key }) => key === `${namespace}/later`)?.path;
  const before = await place();
  kill(sandbox);
  await until('another place', async () => ![before, undefined].includes(await place()));
  await until('the restart', () => Number(field('later', '.status.containerStatuses[0].restartCount')) >= 2);
  ready(namespace, 'later');
  await governed('later');
  assert.deepEqual([statusOf('near', '/items', 'later'), statusOf('near', '/admin', 'later')], [200, 403]);
});

test('the label takes a pod out, and in again, while it runs', async () => {
  kubectl('-n', namespace, 'label', 'pod', 'later', 'perigee.dev/mesh=disabled');
  await until('its leave', async () => !(await first.isEnrolled(`${namespace}/later`)));
  assert.equal(statusOf('near', '/admin', 'later'), 200);
  kubectl('-n', namespace, 'label', 'pod', 'later', 'perigee.dev/mesh-');
  await governed('later');
  assert.equal(statusOf('near', '/admin', 'later'), 403);
});

test('a pod in the network of its node that asks to be governed is said not to be', async () => {
  const labels = { 'perigee.dev/mesh': 'enabled' };
  apply(pod({ namespace, name: 'host', node: 'node1', labels, spec: { hostNetwork: true } }));
  ready(namespace, 'host');
  const said = async (): Promise<string | undefined> =>
    (await first.status()).conditions.find(({ object }) => object === `Pod ${namespace}/host`)?.message;
  await until('word of it', async () => (await said()) !== undefined);
  assert.match((await said()) ?? '', /hostNetwork/);
});

test('a pod that has done its work is no workload any more', async () => {
  apply(pod({ namespace, name: 'job', node: 'node1', args: ['pause'], spec: { restartPolicy: 'Never' } }));
  ready(namespace, 'job');
  await until('the job', () => first.isEnrolled(`${namespace}/job`));
  kill(field('job', '.status.containerStatuses[0].containerID').replace('containerd://', ''));
  await until('its end', async () => !(await first.isEnrolled(`${namespace}/job`)));
});

test('a NetworkPolicy must allow, too', async () => {
  const spec = { podSelector: { matchLabels: { app: 'api' } }, ingress: [{ from: [labelled('far')] }] };
  apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'far' },
    spec,
  });
  await until('the refusal', () => statusOf('near', '/items') === 0);
  assert.deepEqual([statusOf('far', '/items'), statusOf('far', '/admin')], [200, 403]);
  kubectl('-n', namespace, 'delete', 'networkpolicy', 'far');
  await until('the permission', () => statusOf('near', '/items') === 200);
});

test('what a policy for the other namespace means follows the labels of that namespace', async () => {
  const from = [
    {
      namespaceSelector: { matchLabels: { team: 'shop' } },
      podSelector: { matchLabels: { app: 'stranger' } },
    },
  ];
  const [rule] = items.spec.ingress;
  apply({
    ...items,
    spec: { ...items.spec, ingress: [...items.spec.ingress, { ...rule, name: 'team', from }] },
  });
  assert.equal(statusOf('stranger', '/items'), 0);
  kubectl('label', 'namespace', namespace, 'team=shop');
  await until('the permission', () => statusOf('stranger', '/items') === 200);
  kubectl('label', 'namespace', namespace, 'team-');
  await until('the refusal', () => statusOf('stranger', '/items') === 0);
  apply(items);
});

test('while the API server is away policy stays in force and its age is told', async () => {
  const address = `${addressOf(namespace, 'api')}:8080`;
  const inside = (path: string): string => {
    const request = `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`;
    const [host = '', port = ''] = address.split(':');
    return onNode('node1', 'sh', '-c', `printf '${request}' | busybox nc -w 5 ${host} ${port}`).stdout;
  };
  controlPlane('stop', 'kube-apiserver');
  try {
    await until('word of it', async () =>
      (await first.status()).conditions.some(
        ({ type, message }) => type === 'Synced' && message.includes('stays in force'),
      ),
    );
    // The node itself is a stranger here: its probes are let through, on the port that they are for.
    assert.ok(await first.isEnrolled(`${namespace}/api`, 'governed'));
    assert.match(inside('/healthz'), /^HTTP\/1\.1 200/);
  } finally {
    controlPlane('start', 'kube-apiserver');
  }
  await until('the API server', async () =>
    (await first.status()).conditions.every(({ type }) => type !== 'Synced'),
  );
  assert.equal(statusOf('near', '/admin'), 403);
});

test('without its agent a node goes on enforcing, and the next agent takes over', async () => {
  await first.stop();
  assert.equal(statusOf('near', '/items'), 200);
  assert.equal(statusOf('stranger', '/items'), 0);
  await first.start();
  await governed('api');
  assert.deepEqual([statusOf('near', '/items'), statusOf('near', '/admin')], [200, 403]);
});
