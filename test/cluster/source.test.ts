// SPDX-License-Identifier: Apache-2.0
// The source of resources against a real API server that is stopped, started and has its history taken away.
import assert from 'node:assert/strict';
import { Access, Gate, readerRole } from '../support/cluster-access.ts';
import { after, test } from 'node:test';
import { connect } from '../../src/control/source/kubernetes/client.ts';
import type { Cluster } from '../../src/control/source/kubernetes/cluster.ts';
import { ClusterSource, type CollectionState } from '../../src/control/source/kubernetes/source.ts';
import {
  apply,
  controlPlane,
  freshNamespace,
  installDefinitions,
  kubeconfig,
  kubectl,
  pod,
  tryKubectl,
} from '../support/cluster.ts';
import { until } from '../support/lab.ts';

const namespace = 'test-source';
const PODS = '/api/v1/pods';

class Watched {
  cluster: Cluster | undefined;
  onReport: () => void = () => {};
  readonly #controller = new AbortController();
  readonly #source: ClusterSource;
  readonly #ended: Promise<void>;

  constructor(access: string) {
    this.#source = new ClusterSource({
      api: connect(access),
      networkPolicy: true,
      services: true,
      onChange: (cluster) => {
        this.cluster = cluster;
        this.onReport();
      },
      signal: this.#controller.signal,
    });
    this.#ended = this.#source.run();
  }

  state(path: string): CollectionState {
    const found = this.#source.states().find((state) => state.path === path);
    assert.ok(found);
    return found;
  }

  /** Whether Services are known. */
  resolves(): boolean {
    return this.cluster?.services !== undefined;
  }

  policies(): string[] {
    return (this.cluster?.policies ?? [])
      .flatMap((objects) => [...objects.values()])
      .flatMap(({ resource }) => (resource?.kind === 'AccessPolicy' ? [resource.metadata] : []))
      .filter((one) => one.namespace === namespace)
      .map(({ name }) => name);
  }

  pods(): string[] {
    const names = [...(this.cluster?.pods.values() ?? [])];
    return names
      .filter((one) => one.namespace === namespace)
      .map(({ name }) => name)
      .sort();
  }

  isFresh(): boolean {
    return this.#source.states().every(({ problem }) => problem === undefined);
  }

  async end(): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }
}

/** Pods that no node takes: they are objects alone. */
const idle = (name: string): object =>
  pod({ namespace, name, node: '', spec: { nodeName: undefined, schedulerName: 'nobody' } });

const newest = (): number =>
  Number(
    (JSON.parse(kubectl('get', '--raw', '/api/v1/namespaces')) as { metadata: { resourceVersion: string } })
      .metadata.resourceVersion,
  );

/** Takes all history up to a revision from etcd, by its own gateway. */
async function compact(revision: number): Promise<void> {
  const response = await fetch('http://127.0.0.1:2379/v3/kv/compaction', {
    method: 'POST',
    body: JSON.stringify({ revision: String(revision), physical: true }),
  });
  assert.equal(response.status, 200, await response.text());
}

freshNamespace(namespace);
const gate = await Gate.create();
const access = new Access({ server: gate.url });
const watched = new Watched(access.path);
after(async () => {
  await watched.end();
  await gate.end();
  access[Symbol.dispose]();
  // Whatever a test that failed left stopped.
  if (tryKubectl(['get', '--raw', '/readyz']).status !== 0) controlPlane('start', 'kube-apiserver');
  kubectl('delete', 'namespace', namespace, '--wait=false');
});

test('the nodes, the API server and every namespace are known', async () => {
  await until('the cluster', () => watched.cluster !== undefined);
  assert.deepEqual([...(watched.cluster?.nodes ?? [])].flatMap(({ addresses }) => addresses).toSorted(), [
    '10.201.0.11',
    '10.201.0.12',
  ]);
  assert.deepEqual([...(watched.cluster?.apiServers ?? [])].sort(), ['10.201.0.1', '10.96.0.1']);
  assert.ok(watched.cluster?.namespaces.has('kube-system'));
});

test('pods, their labels and their end are followed', async () => {
  apply(idle('a'), idle('b'));
  await until('two pods', () => watched.pods().join() === 'a,b');
  kubectl('-n', namespace, 'label', 'pod', 'a', 'tier=front');
  await until('the label', () => watched.cluster?.pods.get(`${namespace}/a`)?.labels['tier'] === 'front');
  kubectl('-n', namespace, 'delete', 'pod', 'b');
  await until('one pod', () => watched.pods().join() === 'a');
});

test('more objects than one page are listed', async () => {
  const names = Array.from({ length: 520 }, (_, index) => `many-${String(index)}`);
  const object = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name },
  });
  const list = { apiVersion: 'v1', kind: 'List', items: names.map(object) };
  const { status, stderr } = tryKubectl(['create', '-f', '-'], JSON.stringify(list));
  assert.equal(status, 0, stderr);
  const api = connect(kubeconfig);
  const signal = AbortSignal.timeout(60_000);
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const first = await api.list(path, { limit: 500 }, signal);
  assert.equal(first.items.length, 500);
  const second = await api.list(path, { limit: 500, continue: first.next ?? '' }, signal);
  assert.ok(first.items.length + second.items.length >= 520);
  assert.equal(second.resourceVersion, first.resourceVersion);
});

test('an API server that restarts: the state stays, and the watch goes on where it stopped', async () => {
  controlPlane('stop', 'kube-apiserver');
  await until('word of it', () => watched.state(PODS).staleSince !== undefined);
  assert.deepEqual(watched.pods(), ['a']);
  assert.match(
    watched.state(PODS).problem ?? '',
    /\/api\/v1\/pods can't be read from https:\/\/127\.0\.0\.1:/,
  );
  controlPlane('start', 'kube-apiserver');
  await until('the API server', () => watched.isFresh());
  apply(idle('c'));
  await until('a pod made since', () => watched.pods().join() === 'a,c');
});

test('what happened while it was cut off is one report, also when history was taken away', async () => {
  const { expired } = watched.state(PODS).restarts;
  gate.close();
  await until('word of it', () => watched.state(PODS).staleSince !== undefined);
  kubectl('-n', namespace, 'delete', 'pod', 'a');
  apply(idle('d'));
  await compact(newest());
  // Its memory of what happened goes, too, and the source must list.
  controlPlane('stop', 'kube-apiserver');
  controlPlane('start', 'kube-apiserver');
  assert.deepEqual(watched.pods(), ['a', 'c']);
  const seen: string[] = [];
  watched.onReport = () => seen.push(watched.pods().join());
  gate.open();
  await until('the API server', () => watched.isFresh());
  await until('the pods', () => watched.pods().join() === 'c,d');
  // Never a state that there was not.
  assert.deepEqual(
    [...new Set(seen)].filter((pods) => pods !== 'a,c'),
    ['c,d'],
  );
  assert.ok(watched.state(PODS).restarts.expired > expired, JSON.stringify(watched.state(PODS).restarts));
});

test('of an object with 256 KiB of annotations no more is kept than of any other', async () => {
  const { metadata, ...rest } = idle('fat') as { readonly metadata: object };
  const annotations = { 'example.com/text': 'x'.repeat(256 * 1024 - 64) };
  apply({ ...rest, metadata: { ...metadata, annotations } });
  await until('the pod', () => watched.pods().includes('fat'));
  const kept = JSON.stringify(watched.cluster?.pods.get(`${namespace}/fat`));
  assert.ok(kept.length < 1024, kept.slice(0, 2048));
  kubectl('-n', namespace, 'delete', 'pod', 'fat');
  await until('its end', () => !watched.pods().includes('fat'));
});

test('definitions that are deleted take their policies along, nothing else, and come back while it runs', async () => {
  const path = '/apis/perigee.dev/v1alpha1/accesspolicies';
  const policy = {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { namespace, name: 'closed' },
    spec: { ingress: [] },
  };
  installDefinitions();
  apply(policy);
  await until('the policy', () => watched.policies().join() === 'closed');
  kubectl('delete', 'crd', 'accesspolicies.perigee.dev', 'clusteraccesspolicies.perigee.dev');
  await until('the end of the policy', () => watched.policies().length === 0);
  await until('word of it', () => watched.state(path).reason === 'not-served');
  assert.match(watched.state(path).problem ?? '', /install the chart perigee-crds/);
  apply(idle('meanwhile'));
  await until('a pod', () => watched.pods().includes('meanwhile'));
  kubectl('-n', namespace, 'delete', 'pod', 'meanwhile');
  installDefinitions();
  apply(policy);
  await until('the policy again', () => watched.policies().join() === 'closed');
  await until('no complaint', () => watched.isFresh());
});

test('connections that are cut again and again lose nothing', async () => {
  for (let round = 0; round < 20; round++) {
    apply(idle(`cut-${String(round)}`));
    gate.cut();
    kubectl('-n', namespace, 'delete', 'pod', `cut-${String(round)}`, '--wait=false');
  }
  apply(idle('e'));
  await until('the pods', () => watched.pods().join() === 'c,d,e');
});

test('a resource version from before the compaction is answered with 410 and brings a list', async () => {
  const api = connect(kubeconfig);
  const signal = AbortSignal.timeout(30_000);
  const failures: unknown[] = [];
  await api
    .watch(PODS, { resourceVersion: '1', timeoutSeconds: 5 }, (event) => failures.push(event), signal)
    .catch((error: unknown) => failures.push(error));
  const [first] = failures as [{ readonly code?: number; readonly status?: number }];
  assert.equal(first.code ?? first.status, 410);
});

test('without the right to read one collection, that one says so, and the others work where they can', async () => {
  apply(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name: 'half' } },
    readerRole('test-source-half', 'networkpolicies', 'endpointslices', 'nodes'),
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'test-source-half' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'test-source-half' },
      subjects: [{ kind: 'ServiceAccount', namespace, name: 'half' }],
    },
  );
  const token = kubectl('-n', namespace, 'create', 'token', 'half').trim();
  using limited = new Access({ token });
  const half = new Watched(limited.path);
  const said = (path: string): string => half.state(path).lack?.text ?? '';
  const slices = '/apis/discovery.k8s.io/v1/endpointslices';
  try {
    const path = '/apis/networking.k8s.io/v1/networkpolicies';
    await until('the refusal', () => half.state(path).reason === 'forbidden' && half.state(PODS).synced);
    assert.match(
      half.state(path).problem ?? '',
      /cannot list resource "networkpolicies".*; grant get, list and watch/,
    );
    // Half of what is known would take policy away: what the kernel holds stays until all of it is.
    assert.match(said(path), /nothing that is new/);
    assert.equal(half.cluster, undefined);
    apply(readerRole('test-source-half', 'endpointslices', 'nodes'));
    await until('what is enforced', () => half.cluster !== undefined);
    assert.match(said(slices), /left to kube-proxy/);
    assert.match(said('/api/v1/nodes'), /no policy names World/);
    assert.ok(!half.resolves());
    apply(readerRole('test-source-half'));
    await until('the rest', () => half.resolves() && said('/api/v1/nodes') === '');
    assert.equal(said(slices), '');
  } finally {
    await half.end();
    kubectl('delete', 'clusterrolebinding,clusterrole', 'test-source-half');
  }
});
