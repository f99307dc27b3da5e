// SPDX-License-Identifier: Apache-2.0
// What the chart installs for Prometheus and Grafana.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { helm, repository, tryHelm } from '../support/cluster.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: unknown;
  readonly data?: Readonly<Record<string, string>>;
}

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly securityContext?: { readonly capabilities?: unknown };
}

interface Workload extends Manifest {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly Container[] } } };
}

const template = ['template', 'perigee', 'charts/perigee', '--kube-version', '1.35.0', '--set'] as const;
const shipped = (file: string): string =>
  readFileSync(join(repository, 'charts/perigee/files', file), 'utf8');

test('rules, dashboards and a monitor are what the chart ships', () => {
  const on = ['alerts', 'dashboards', 'podMonitor'].map((name) => `monitoring.${name}=true`).join();
  const text = helm(...template, `${on},metricsAddress=0.0.0.0:9000,monitoring.labels.release=main`);
  const documents = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  const one = (kind: string, name: string): Manifest => {
    const found = documents.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
    assert.ok(found, `${kind} ${name}`);
    return found;
  };
  const rules = one('PrometheusRule', 'perigee');
  assert.deepEqual(rules.spec, parse(shipped('alerts.yaml')));
  assert.equal(rules.metadata.labels?.['release'], 'main');
  const boards = one('ConfigMap', 'perigee-dashboards');
  assert.equal(boards.metadata.labels?.['grafana_dashboard'], '1');
  for (const board of ['nodes', 'traffic'])
    assert.deepEqual(
      JSON.parse(boards.data?.[`perigee-${board}.json`] ?? ''),
      JSON.parse(shipped(`dashboards/${board}.json`)),
    );
  one('PodMonitor', 'perigee-agent');
  assert.match(text, /ports: \[\{name: metrics, containerPort: 9000\}\]/);
});

test('the page is served on loopback, without a capability', () => {
  const text = helm(...template, 'ui.enabled=true,ui.port=4300');
  const agents = parseAllDocuments(text)
    .map((document) => document.toJS() as Workload)
    .find(({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === 'perigee-agent');
  const page = agents?.spec.template.spec.containers.find(({ name }) => name === 'ui');
  assert.ok(page);
  assert.deepEqual(page.args, ['ui', '--listen=127.0.0.1:4300']);
  assert.deepEqual(page.securityContext?.capabilities, { drop: ['ALL'] });
});

test('helm refuses a monitor of the loopback, which Prometheus would not reach', () => {
  const { status, stderr } = tryHelm(...template, 'monitoring.podMonitor=true');
  assert.notEqual(status, 0);
  assert.match(stderr, /metricsAddress/);
});
