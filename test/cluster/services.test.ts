// SPDX-License-Identifier: Apache-2.0
// Services of a real cluster, resolved for pods beside kube-proxy.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { ClusterAgent } from '../support/cluster-agent.ts';
import {
  apply,
  freshNamespace,
  installDefinitions,
  get,
  kubectl,
  pod,
  ready,
  server,
  tryKubectl,
} from '../support/cluster.ts';
import { heldConnection } from '../support/cluster-load.ts';
import { until } from '../support/lab.ts';

const namespace = 'test-services';
const agent = new ClusterAgent('node1');

function service(name: string, app: string, spec: object = {}): object {
  const ports = [
    { name: 'http', port: 80, targetPort: 'http' },
    { name: 'udp', port: 81, targetPort: 8081, protocol: 'UDP' },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { selector: { app }, ports, ...spec },
  };
}

const clusterAddress = (name: string): string =>
  kubectl('-n', namespace, 'get', 'service', name, '-o', 'jsonpath={.spec.clusterIP}');

/** Which pods answer the client's requests to a Service, each over a connection of its own; empty: none does. */
function answers(name: string, times: number, client = 'near'): readonly string[] {
  const request = String.raw`GET /hostname HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`;
  const once = `printf '${request}' | busybox timeout 5 nc ${clusterAddress(name)} 80 | tail -n 1; echo`;
  const script = `for i in $(seq ${String(times)}); do ${once}; done`;
  const { stdout } = tryKubectl(['-n', namespace, 'exec', client, '--', 'sh', '-c', script]);
  return [...new Set(stdout.split('\n').filter((line) => line !== ''))].sort();
}

const answersOf = (name: string, ...expected: readonly string[]): Promise<void> =>
  until(`answers of ${expected.join()}`, () => answers(name, 12).join() === expected.join());

before(async () => {
  installDefinitions();
  freshNamespace(namespace);
  apply(
    server({ namespace, name: 'one', node: 'node1', labels: { app: 'api' } }),
    server({ namespace, name: 'two', node: 'node2', labels: { app: 'api' } }),
    server({ namespace, name: 'other', node: 'node2' }),
    pod({ namespace, name: 'near', node: 'node1' }),
    pod({ namespace, name: 'free', node: 'node1' }),
    service('api', 'api'),
    service('other', 'other'),
    service('local', 'api', { internalTrafficPolicy: 'Local' }),
    service('sticky', 'api', { sessionAffinity: 'ClientIP' }),
    service('leaving', '', { selector: { stage: 'here' } }),
  );
  ready(namespace, 'one', 'two', 'other', 'near', 'free');
  await agent.start();
  await until('the client', () => agent.isEnrolled(`${namespace}/near`));
});
after(async () => {
  cable('up');
  kubectl('delete', 'namespace', namespace, '--wait=false');
  await agent.remove();
});

test('rules of a client hold for the pods behind a Service', async () => {
  await answersOf('api', 'one', 'two');
  apply({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'near' },
    spec: {
      podSelector: { matchLabels: { app: 'near' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'api' } } }] }],
    },
  });
  await until('the policy', () => answers('other', 1).length === 0);
  assert.deepEqual(answers('api', 12), ['one', 'two']);
  const flows = await agent.run('observe', '--last', '100', '--from', `${namespace}/near`);
  assert.match(flows, /via test-services\/api:80/);
  assert.match(flows, /DENIED.*via test-services\/other:80/);
});

test('a Service that says so is left to kube-proxy: rules of a client see its address', async () => {
  const label = (text: string): string => kubectl('-n', namespace, 'label', 'service', 'api', text);
  label('perigee.dev/services=disabled');
  await until('a refusal', () => answers('api', 1).length === 0);
  assert.equal(answers('api', 1, 'free').length, 1);
  label('perigee.dev/services-');
  await answersOf('api', 'one', 'two');
});

test('internalTrafficPolicy keeps to the node, session affinity to one backend', () => {
  assert.deepEqual(answers('local', 12), ['one']);
  assert.equal(answers('sticky', 12).length, 1);
});

test('datagrams reach a backend and their answers the client', () => {
  const command = ['agnhost', 'connect', '--timeout=5s', '--protocol=udp', `${clusterAddress('api')}:81`];
  const { status, stderr } = tryKubectl(['-n', namespace, 'exec', 'near', '--', ...command]);
  assert.equal(status, 0, stderr);
});

const label = (name: string, text: string): string =>
  kubectl('-n', namespace, 'label', 'pod', name, text, '--overwrite');
/** Of node2. */
function cable(state: 'up' | 'down'): void {
  execFileSync('ip', ['link', 'set', 'pk8s-node2', state]);
}
const flowsOf = (name: string): Promise<string> =>
  agent.run('observe', '--last', '20', '--from', `${namespace}/${name}`);
/** That a client has a connection to the pod `two`, asked for by the Service `leaving`. */
const connected = (name: string): Promise<void> =>
  until('the connection', async () =>
    (await flowsOf(name)).includes(
      '→ test-services/two:8080  tcp-connect  ALLOWED  (direct)  via test-services/leaving:80',
    ),
  );

test('a backend that leaves: new connections find another, open ones go on, and with none left all are refused', async () => {
  const client = { namespace, name: 'near', address: `${clusterAddress('leaving')}:80` };
  label('two', 'stage=here');
  await answersOf('leaving', 'two');
  const { answers: held, goOn } = heldConnection(client, '/hostname');
  await connected('near');
  label('one', 'stage=here');
  await answersOf('leaving', 'one', 'two');
  label('two', 'stage=gone');
  await answersOf('leaving', 'one');
  label('one', 'stage=gone');
  await answersOf('leaving');
  assert.equal(get(namespace, 'near', client.address, '/').status, 0);
  assert.match(await flowsOf('near'), /DENIED.*service-no-backend/);
  goOn();
  assert.equal((await held).split('HTTP/1.1 200').length - 1, 2);
});

// The client has no policy: one that names pods would forbid the address as soon as its pod is gone.
test('a backend whose node falls silent: its connections are closed with its pod, and not when they give up', async () => {
  label('two', 'stage=here');
  await answersOf('leaving', 'two');
  const address = `${clusterAddress('leaving')}:80`;
  const { answers: held, goOn } = heldConnection({ namespace, name: 'free', address }, '/hostname');
  const ended = held.catch(() => '');
  await connected('free');
  cable('down');
  kubectl('-n', namespace, 'delete', 'pod', 'two', '--force', '--grace-period=0');
  // By its Service: the pod, and with it its name, is gone.
  await until('the end of the connection', async () =>
    /tcp-close.*DENIED.*service-backend-gone.*via test-services\/leaving:80/.test(await flowsOf('free')),
  );
  cable('up');
  goOn();
  await ended;
});
