// SPDX-License-Identifier: Apache-2.0
// Makes pods whose first act is to connect, with policy in place, under both settings of `pending`: how many get an
// answer that policy forbids, and how many are enrolled before they connect. Needs the cluster of `make cluster-up`.
// usage: pending-pods.ts, with CREATIONS=… (of each kind, default 1000) and MODES=Refuse,Allow in the environment;
// what is not among MODES keeps the results that it has.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
import {
  type PendingMode,
  pendingModes,
  pendingPolicies,
  type PendingResults,
  type PendingRow,
  renderPending,
} from './pending-table.ts';
import { publishSection } from './section.ts';

const namespace = 'bench-pending';
const node = 'node1';
const PASSED = 'perigee_pending_passed_total';
const DROPS = 'perigee_drops_total{reason="workload-pending",component="kernel"}';
const resultsFile = new URL('results/pending.json', import.meta.url);

const policy = (app: string, egress: readonly object[]): object => ({
  apiVersion: 'perigee.dev/v1alpha1',
  kind: 'AccessPolicy',
  metadata: { namespace, name: app },
  spec: { selector: { matchLabels: { app } }, egress },
});

function readModes(text = ''): readonly PendingMode[] {
  return text === '' ? pendingModes : pendingModes.filter((mode) => text.split(',').includes(mode));
}

async function measure(mode: PendingMode, pods: EagerPods, creations: number): Promise<void> {
  const agent = new ClusterAgent(node, ['--pending', mode]);
  await agent.start();
  try {
    for (const app of pendingPolicies) {
      const before = { passed: agent.metric(PASSED), refused: agent.metric(DROPS) };
      const started = performance.now();
      const answered = await pods.answered(app, creations);
      const seconds = (performance.now() - started) / 1000;
      const [passed, refused] = [agent.metric(PASSED) - before.passed, agent.metric(DROPS) - before.refused];
      publish({ mode, policy: app, creations, answered, passed, refused, seconds });
    }
  } finally {
    await agent.remove();
  }
}

/** Rows of other kinds stay as they are. */
function publish(row: PendingRow): void {
  console.log(JSON.stringify(row));
  const known = existsSync(resultsFile)
    ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as PendingResults).rows
    : [];
  const all = [...known.filter(({ mode, policy: app }) => mode !== row.mode || app !== row.policy), row];
  const results: PendingResults = {
    machine: describeMachine({}),
    date: new Date().toISOString(),
    rows: pendingModes.flatMap((mode) =>
      pendingPolicies.flatMap((app) => all.filter((one) => one.mode === mode && one.policy === app)),
    ),
  };
  writeFileSync(resultsFile, `${JSON.stringify(results, null, 1)}\n`);
  publishSection('bench-pending', renderPending(results));
}

const creations = wholeNumber('CREATIONS', process.env['CREATIONS'], 1000, 100_000);
installDefinitions();
freshNamespace(namespace);
try {
  apply(
    server({ namespace, name: 'target', node: 'node2' }),
    policy('refused', []),
    policy('allowed', [{ action: 'Allow', to: [{ podSelector: { matchLabels: { app: 'target' } } }] }]),
  );
  ready(namespace, 'target');
  const pods = new EagerPods({ namespace, node, target: addressOf(namespace, 'target') });
  for (const mode of readModes(process.env['MODES'])) await measure(mode, pods, creations);
} finally {
  kubectl('delete', 'namespace', namespace, '--wait=false');
}
