// SPDX-License-Identifier: Apache-2.0
// Makes pods whose first act is to connect, with policy in place, under both settings of `pending`: how many get an
// answer that policy forbids, and how many are enrolled before they connect. Needs the cluster of `make cluster-up`.
// usage: pending-pods.ts, with CREATIONS=… (of each kind, default 1000) in the environment
import { ClusterAgent } from '../test/support/cluster-agent.ts';
import {
  addressOf,
  apply,
  freshNamespace,
  installDefinitions,
  kubectl,
  ready,
  server,
} from '../test/support/cluster.ts';
import { EagerPods } from '../test/support/eager-pods.ts';
import { describeMachine } from './machine-use.ts';
import { wholeNumber } from './options.ts';

const namespace = 'bench-pending';
const node = 'node1';
const PASSED = 'perigee_pending_passed_total';
const DROPS = 'perigee_drops_total{reason="workload-pending",component="kernel"}';

const policy = (app: string, egress: readonly object[]): object => ({
  apiVersion: 'perigee.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { namespace, name: app },
  spec: { selector: { matchLabels: { app } }, egress },
});

const creations = wholeNumber('CREATIONS', process.env['CREATIONS'], 1000, 100_000);
installDefinitions();
freshNamespace(namespace);
apply(
  server({ namespace, name: 'target', node: 'node2' }),
  policy('refused', []),
  policy('allowed', [{ action: 'Allow', to: [{ podSelector: { matchLabels: { app: 'target' } } }] }]),
);
ready(namespace, 'target');
const pods = new EagerPods({ namespace, node, target: addressOf(namespace, 'target') });
console.log(JSON.stringify(describeMachine({})));
try {
  for (const mode of ['Allow', 'Refuse']) {
    const agent = new ClusterAgent(node, ['--pending', mode]);
    await agent.start();
    try {
      for (const app of ['refused', 'allowed']) {
        const before = { passed: agent.metric(PASSED), refused: agent.metric(DROPS) };
        const answered = await pods.answered(app, creations);
        const passed = agent.metric(PASSED) - before.passed;
        const refused = agent.metric(DROPS) - before.refused;
        const figures = [
          `${String(answered)} answered`,
          `${String(passed)} passed`,
          `${String(refused)} refused`,
        ];
        console.log(
          `pending ${mode}, policy ${app}: ${String(creations)} pods, ${figures.join(', ')} before they were met`,
        );
      }
    } finally {
      await agent.remove();
    }
  }
} finally {
  kubectl('delete', 'namespace', namespace, '--wait=false');
}
