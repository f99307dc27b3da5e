// SPDX-License-Identifier: Apache-2.0
// What people see of a real cluster: the page, as the chart serves it and from afar, and what a collector is told.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openPage, serve, type UiScene } from '../support/browser.ts';
import { installRelease, removeRelease } from '../support/cluster-release.ts';
import {
  addressOf,
  apply,
  clusterBin,
  freshNamespace,
  get,
  hostAddress,
  installDefinitions,
  kubeconfig,
  kubectl,
  nodes,
  pod,
  ready,
  repository,
  server,
} from '../support/cluster.ts';
import { attributesOf, makeAuthority, OtlpCollector } from '../support/collector.ts';
import { until } from '../support/lab.ts';
import { freePort } from '../support/prometheus.ts';

const system = 'perigee-system';
const namespace = 'test-seen';
const TRACE = 'a'.repeat(32);
const SENDER = '00f067aa0ba902b7';
const env = {
  ...process.env,
  KUBECONFIG: kubeconfig,
  PATH: `${join(repository, 'bin')}:${clusterBin}:${process.env['PATH'] ?? ''}`,
};

const folder = mkdtempSync(join(tmpdir(), 'perigee-seen-'));
const made: { collector?: OtlpCollector } = {};

/** That of `before`. */
function collector(): OtlpCollector {
  assert.ok(made.collector);
  return made.collector;
}

/** Requests of `web` to `api`: the proxy of the client's node judges them, and the kernel of the server's. */
const ask = (path: string, ...headers: readonly string[]): number =>
  get(namespace, 'web', `${addressOf(namespace, 'api')}:8080`, path, ...headers).status;

function policy(name: string, rules: object): object {
  return {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { namespace, name },
    spec: { selector: { matchLabels: { app: name } }, ...rules },
  };
}

before(async () => {
  const port = await freePort();
  const tls = makeAuthority(folder, 'collector', hostAddress);
  made.collector = await OtlpCollector.start({
    ...{ host: hostAddress, port, file: join(folder, 'received.json') },
    tls,
  });
  installDefinitions();
  freshNamespace(namespace);
  const inSystem = ['-n', system, 'create'];
  kubectl('-n', system, 'delete', '--ignore-not-found', 'secret/seen', 'configmap/seen');
  kubectl(...inSystem, 'secret', 'generic', 'seen', '--from-literal=authorization=Bearer of-a-secret');
  kubectl(...inSystem, 'configmap', 'seen', `--from-file=ca.crt=${tls.ca}`);
  installRelease(
    'ui.enabled=true',
    `otlp.endpoint=https://${hostAddress}:${String(port)},otlp.existingSecret=seen,otlp.caConfigMap=seen`,
    'settings.otlp.logs=all,settings.otlp.metricsIntervalMs=1000',
  );
  const http = [{ methods: ['GET'], path: { type: 'PathPrefix', value: '/' } }];
  const others = [{ methods: ['GET'], path: { type: 'PathPrefix', value: '/admin' } }];
  apply(
    server({ namespace, name: 'api', node: 'node1' }),
    pod({ namespace, name: 'web', node: 'node2' }),
    policy('web', { egress: [{ action: 'Allow', http }] }),
    policy('api', {
      ingress: [
        { name: 'requests', action: 'Allow', http },
        { name: 'not-the-admin-pages', action: 'Deny', http: others },
      ],
    }),
  );
  ready(namespace, 'api', 'web');
  await until('policy', () => ask('/admin') === 403);
  assert.equal(ask('/items'), 200);
});
after(async () => {
  await made.collector?.end();
  kubectl('delete', 'namespace', namespace, '--wait=false');
  removeRelease();
  kubectl('-n', system, 'delete', 'secret/seen', 'configmap/seen');
  rmSync(folder, { recursive: true });
});

/** What the page calls the edge, once that says what it should. */
async function edgeOf({ page }: UiScene, expected: RegExp): Promise<void> {
  const edge = page.getByRole('button', { name: new RegExp(`^${namespace}/web to ${namespace}/api`) });
  await edge.waitFor();
  await until(`an edge like ${String(expected)}`, async () => {
    ask('/again');
    return expected.test((await edge.getAttribute('aria-label')) ?? '');
  });
}

for (const [node, path, expected] of [
  ['node1', 'inline', /[1-9]\d* refused.* inline/],
  ['node2', 'proxied', /[1-9]\d*(\.\d)? requests a second.* proxied/],
] as const) {
  test(`the page of the chart, through a port of the pod on ${node}: an edge of real traffic, ${path}`, async () => {
    const selected = ['-l', 'app.kubernetes.io/component=agent', '--field-selector', `spec.nodeName=${node}`];
    const agent = kubectl('-n', system, 'get', 'pods', ...selected, '-o', 'name').trim();
    const [, token = ''] = /\?token=(\S+)/.exec(kubectl('-n', system, 'logs', agent, '-c', 'ui')) ?? [];
    const forward = await serve(['kubectl', '-n', system, 'port-forward', agent, ':4255'], env);
    const [address = ''] = /127\.0\.0\.1:\d+/.exec(forward.said) ?? [];
    const scene = await openPage(`http://${address}/?token=${token}`);
    try {
      await edgeOf(scene, expected);
      assert.deepEqual(scene.complaints, []);
    } finally {
      await scene.end();
      await forward.end();
    }
  });
}

test('kubectl perigee ui: the page of all nodes, whose edge has its rules and flows', async () => {
  const page = await serve(['kubectl', 'perigee', 'ui', '--listen', '127.0.0.1:0'], env);
  const scene = await openPage(page.said);
  try {
    await edgeOf(scene, /(inline.*proxied|proxied.*inline)/);
    await scene.page.getByRole('button', { name: new RegExp(`^${namespace}/web to`) }).click();
    const detail = scene.page.getByRole('complementary');
    await detail.getByText('GET /admin 403').first().waitFor();
    await detail.getByText(/not-the-admin-pages \(ingress, denied/).waitFor();
    await scene.picture('cluster');
    assert.deepEqual(scene.complaints, []);
  } finally {
    await scene.end();
    await page.end();
  }
});

test('spans of a request through the proxy name their pods and nodes', async () => {
  assert.equal(ask('/traced', `traceparent: 00-${TRACE}-${SENDER}-01`), 200);
  const spans = () =>
    collector()
      .spans()
      .filter(({ traceId }) => traceId === TRACE);
  await until('its spans', () => spans().length === 2);
  for (const [kind, name, node, path] of [
    [3, 'web', 'node2', 'proxied'],
    [2, 'api', 'node1', 'inline'],
  ] as const) {
    const span = spans().find((one) => one.kind === kind);
    assert.ok(span, name);
    const { resource } = span;
    assert.equal(resource['service.name'], name);
    assert.equal(resource['k8s.namespace.name'], namespace);
    assert.equal(resource['k8s.pod.name'], name);
    assert.equal(resource['k8s.node.name'], node);
    assert.equal(attributesOf(span)['perigee.path'], path);
    assert.equal(attributesOf(span)['url.path'], '/traced');
  }
});

test('flows and metrics of every node arrive, with the header of the Secret', async () => {
  const ofRequest = () =>
    collector()
      .logs()
      .filter((log) => attributesOf(log)['url.path'] === '/traced');
  await until('the request of both nodes', () => ofRequest().length >= 2);
  for (const log of ofRequest()) {
    const attributes = attributesOf(log);
    assert.equal(attributes['perigee.source.namespace'], namespace);
    assert.equal(attributes['perigee.destination.workload'], 'api');
  }
  for (const signal of ['logs', 'metrics'] as const) {
    const told = (): string[] =>
      collector()
        .resources(signal)
        .map((resource) => `${String(resource['service.name'])} ${String(resource['k8s.node.name'])}`);
    const all = nodes.map((node) => `perigee-agent ${node}`).join();
    await until(`${signal} of both nodes`, () => [...new Set(told())].toSorted().join() === all);
  }
  // The proxy names the workloads of its node.
  const modes = (): string[] =>
    collector()
      .metrics()
      .filter(({ name }) => name === 'perigee_http_requests_total')
      .flatMap(({ sum }) => sum?.dataPoints ?? [])
      .map((point) => attributesOf(point))
      .filter((labels) => Object.values(labels).some((one) => String(one).startsWith(`${namespace}/`)))
      .map((labels) => String(labels['path_mode']));
  await until('both paths', () => [...new Set(modes())].toSorted().join() === 'inline,proxied');
  assert.deepEqual([...collector().authorizations()], ['Bearer of-a-secret']);
});
