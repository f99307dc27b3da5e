// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiFailure, type ApiObject, type KubernetesApi } from '../../src/control/source/kubernetes/api.ts';
import type { Cluster } from '../../src/control/source/kubernetes/cluster.ts';
import { ClusterSource } from '../../src/control/source/kubernetes/source.ts';
import { until } from '../support/lab.ts';

const OURS = '/apis/perigee.dev/v1alpha1';
const PODS = '/api/v1/pods';
const NODES = '/api/v1/nodes';
const SERVICES = '/api/v1/services';
const SLICES = '/apis/discovery.k8s.io/v1/endpointslices';
const API_SERVER = '/api/v1/namespaces/default/services';

/** An API server that holds one policy and refuses to list these collections. */
async function reading(
  refused: readonly string[],
  entity: string,
  check: (source: ClusterSource, reports: readonly Cluster[], refusals: Set<string>) => Promise<void>,
): Promise<void> {
  const refusals = new Set(refused);
  const policy: ApiObject = {
    metadata: { namespace: 'shop', name: 'api', resourceVersion: '1' },
    spec: { selector: {}, ingress: [{ action: 'Allow', from: [{ entities: [entity] }] }] },
  };
  const api: KubernetesApi = {
    server: 'https://fake',
    list: (path) => {
      if (refusals.has(path)) return Promise.reject(new ApiFailure(403, 'cannot list'));
      return Promise.resolve({
        items: path === `${OURS}/accesspolicies` && entity !== '' ? [policy] : [],
        resourceVersion: '1',
      });
    },
    watch: (_path, _query, _onEvent, signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  };
  const stop = new AbortController();
  const reports: Cluster[] = [];
  const onChange = (cluster: Cluster): unknown => reports.push(cluster);
  const source = new ClusterSource({
    api,
    networkPolicy: true,
    services: true,
    onChange,
    signal: stop.signal,
  });
  const ended = source.run();
  try {
    const isTold = (): boolean =>
      refused.every((path) => source.states().some((one) => one.path === path && one.lack !== undefined));
    await until('the refusals', isTold);
    await check(source, reports, refusals);
  } finally {
    stop.abort();
    await ended;
  }
}

for (const [what, refused, entity, text] of [
  ['Services', [SERVICES], 'World', /left to kube-proxy/],
  ['their endpoints', [SLICES], 'World', /left to kube-proxy/],
  ['nodes that no policy speaks of', [NODES], 'ApiServer', /no policy names World, Cluster, Node/],
  ['an API server that no policy speaks of', [API_SERVER], 'Node', /no policy names ApiServer/],
  ['nodes, where there is no policy', [NODES], '', /no policy names World/],
] as const)
  test(`without the right to read ${what} the rest is enforced, and it is said what is not`, () =>
    reading(refused, entity, async (source, reports) => {
      await until('a report', () => reports.length > 0);
      const [lack] = source.states().flatMap((state) => state.lack ?? []);
      assert.match(lack?.text ?? '', text);
      const resolves = refused.every((path) => path !== SERVICES && path !== SLICES);
      assert.equal(reports.at(-1)?.services !== undefined, resolves);
      assert.equal(reports.at(-1)?.slices !== undefined, resolves);
    }));

for (const [what, path, entity, text] of [
  ['pods', PODS, 'World', /nothing that is new/],
  ['namespaces', '/api/v1/namespaces', 'World', /nothing that is new/],
  ['a kind of policy', `${OURS}/accesspolicies`, 'World', /nothing that is new/],
  ['nodes that a policy names', NODES, 'Cluster', /a policy names World, Cluster, Node: nothing that is new/],
  ['nodes that a policy takes from the world', NODES, 'World', /a policy names World/],
  ['an API server that a policy names', API_SERVER, 'ApiServer', /a policy names ApiServer/],
] as const)
  test(`waited for, and in force when the right comes: ${what}`, () =>
    reading([path], entity, async (source, reports, refusals) => {
      await sleep(100);
      assert.equal(reports.length, 0);
      assert.match(source.states().find((one) => one.path === path)?.lack?.text ?? '', text);
      refusals.clear();
      await until('a report', () => reports.length > 0);
      assert.deepEqual(
        source.states().filter((one) => one.lack !== undefined),
        [],
      );
    }));
