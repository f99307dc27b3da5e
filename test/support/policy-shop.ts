// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { evaluate } from '../../src/core/policy/evaluate.ts';
import type { Decision, HttpRequest, Question } from '../../src/core/policy/verdict.ts';
import type { World } from '../../src/core/policy/world.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { buildWorld } from './one-world.ts';

/* A shop of four workloads, to write policies for and ask about. */

export const WORKLOADS = `
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {netns: web, serviceAccount: web}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {netns: api, serviceAccount: api, ports: [{name: http, port: 8080}]}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: intruder, namespace: evil, labels: {app: web}}
spec: {netns: intruder}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: batch, namespace: shop, labels: {app: batch}}
spec: {cgroup: /system.slice/batch.service}
`;

const ADDRESSES = new Map([
  ['shop/web', ['10.0.0.2', 'fd00::2']],
  ['shop/api', ['10.0.0.3']],
  ['evil/intruder', ['10.0.0.66']],
]);
export const NODE = '10.0.0.1';

export function world(policies: string): World {
  const { resources, errors } = parseManifest(`${WORKLOADS}\n---\n${policies}`, 'shop.yaml');
  assert.deepEqual(errors, []);
  return buildWorld({ resources, addresses: ADDRESSES, nodeAddresses: [NODE] });
}

export const policy = (spec: string, kind = 'AccessPolicy', name = 'p'): string => `
apiVersion: ${kind === 'NetworkPolicy' ? 'networking.k8s.io/v1' : 'perigee.dev/v1alpha1'}
kind: ${kind}
metadata: {name: ${name}${kind === 'ClusterAccessPolicy' ? '' : ', namespace: shop'}}
spec: ${spec}
---
`;

export const get = (path: string, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  path,
  host: 'api',
  headers: [],
  query: [],
  ...more,
});

export function ask(one: World, source: string, destination: string, rest: Partial<Question> = {}): Decision {
  const end = (text: string) => (text.includes('/') ? { workload: text } : { address: text });
  return evaluate(one, {
    source: end(source),
    destination: end(destination),
    port: 8080,
    protocol: 'TCP',
    ...rest,
  });
}

/** Reading and administering: the usual rules with `http`. */
export const HTTP = policy(`
  selector: {matchLabels: {app: api}}
  ingress:
  - name: read
    action: Allow
    from: [{serviceAccounts: [web]}]
    to: [{port: http}]
    http: [{methods: [GET], path: {value: /items}}]
  - name: no-admin
    action: Deny
    http: [{path: {value: /items/admin}}]
`);
