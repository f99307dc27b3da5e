// SPDX-License-Identifier: Apache-2.0
// Pods whose first act is to connect, with the policy in place before them: what becomes of it until the agent has met them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ClusterAgent } from '../support/cluster-agent.ts';
import {
  addressOf,
  apply,
  freshNamespace,
  installDefinitions,
  kubectl,
  ready,
  server,
} from '../support/cluster.ts';
import { EagerPods } from '../support/eager-pods.ts';
import { until } from '../support/lab.ts';

const namespace = 'test-pending';
const node = 'node1';
/** Of pods that must be refused; others are measured on fewer. */
const CREATIONS = 100;
const SAMPLE = 40;
const DROPS = 'perigee_drops_total{reason="workload-pending",component="kernel"}';
const PASSED = 'perigee_pending_passed_total';

const refusing = new ClusterAgent(node, ['--pending', 'Refuse']);
const allowing = new ClusterAgent(node, ['--pending', 'Allow']);
const made: { pods?: EagerPods } = {};

/** Pods that connect to the server of `before`. */
function eagerPods(): EagerPods {
  assert.ok(made.pods);
  return made.pods;
}

const logOf = (name: string): string => kubectl('-n', namespace, 'logs', name);

function egress(app: string, rules: readonly object[]): object {
  return {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'AccessPolicy',
    metadata: { namespace, name: app },
    spec: { selector: { matchLabels: { app } }, egress: rules },
  };
}

before(() => {
  installDefinitions();
  freshNamespace(namespace);
  apply(server({ namespace, name: 'target', node: 'node2' }));
  ready(namespace, 'target');
  made.pods = new EagerPods({ namespace, node, target: addressOf(namespace, 'target') });
  apply(
    egress('refused', []),
    egress('allowed', [{ action: 'Allow', to: [{ podSelector: { matchLabels: { app: 'target' } } }] }]),
  );
});
after(async () => {
  kubectl('delete', 'namespace', namespace, '--wait=false');
  await refusing.remove();
});

test('Allow: what passed before the agent met the pod is counted, and closed if policy forbids it', async () => {
  await allowing.start();
  const before = allowing.metric(PASSED);
  // As long as a pod takes to start, and longer: nobody meets the next one.
  await allowing.stop();
  const pods = eagerPods();
  apply(pods.eager('early', 'early'), pods.holder('holder', 'refused'));
  ready(namespace, 'holder');
  await until('the answer', () => eagerPods().exits('early')[0] === 0);
  assert.equal(logOf('holder'), '');
  await allowing.start();
  assert.equal(allowing.metric(PASSED), before + 2);
  await until('the end of the connection', () => logOf('holder').includes('closed'));
});

test(`Allow: the escapes of ${String(SAMPLE)} creations are as many as the metric says`, async (context) => {
  const before = allowing.metric(PASSED);
  const got = await eagerPods().answered('refused', SAMPLE);
  const passed = allowing.metric(PASSED) - before;
  context.diagnostic(`${String(got)} of ${String(SAMPLE)} escaped, ${String(passed)} were counted`);
  assert.ok(got <= passed, `${String(got)} > ${String(passed)}`);
  await allowing.remove();
});

test(`Refuse: none of ${String(CREATIONS)} creations escapes`, async () => {
  await refusing.start();
  assert.equal(await eagerPods().answered('refused', CREATIONS), 0);
});

test('Refuse: in the usual case a pod is enrolled before it connects', async (context) => {
  const before = refusing.metric(DROPS);
  const got = await eagerPods().answered('allowed', SAMPLE);
  const refused = refusing.metric(DROPS) - before;
  context.diagnostic(`${String(got)} of ${String(SAMPLE)} were enrolled in time, ${String(refused)} refused`);
  assert.equal(got + refused, SAMPLE);
  assert.ok(got >= SAMPLE * 0.8, String(got));
});

test('Refuse: a pod that is not governed, and one of the node’s network, get through', async () => {
  apply(
    eagerPods().stubborn('open', {}, { 'perigee.dev/mesh': 'disabled' }),
    eagerPods().stubborn('host', { hostNetwork: true }),
  );
  ready(namespace, 'open', 'host');
  for (const name of ['open', 'host']) await until(name, () => logOf(name).includes('through'));
});

test('Refuse: without an agent new pods wait, the node and its probes do not, and all goes on with the next', async () => {
  await refusing.stop();
  apply(
    eagerPods().stubborn('waiting'),
    eagerPods().stubborn('host-later', { hostNetwork: true }),
    server({ namespace, name: 'probed', node }),
  );
  ready(namespace, 'waiting', 'host-later', 'probed');
  await until('the node', () => logOf('host-later').includes('through'));
  assert.doesNotMatch(logOf('waiting'), /through/);
  await refusing.start();
  assert.ok(refusing.metric(DROPS) > 0);
  const flows = await refusing.run('observe', '--last', '50', '--verdict', 'denied');
  assert.match(flows, /workload-pending|before the agent/);
  await until('the pod', () => logOf('waiting').includes('through'));
});
