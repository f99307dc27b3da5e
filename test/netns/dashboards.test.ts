// SPDX-License-Identifier: Apache-2.0
// Every query of the shipped dashboards and alerts, asked of a real Prometheus that scrapes a real agent.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { alertsFile, freePort, Prometheus, shippedBoard } from '../support/prometheus.ts';
import { PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLS = 50051;
const program = join(import.meta.dirname, '../support/grpc-program.ts');
const TRACED = `00-${TRACE}-00f067aa0ba902b7-01`;

/** A client's own rules on requests need the proxy. */
const clientPolicies = ({ name }: LabHost): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  egress:
  - name: requests
    action: Allow
    to: [{port: ${String(RULED)}}]
    http: [{methods: [GET, POST]}]
`;

/** gRPC needs the proxy, too. */
const callPolicy = ({ name }: LabHost): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: calls, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  ingress:
  - action: Allow
    to: [{port: ${CALLS}}]
    grpc: [{service: shop.v1.Payments, methods: [Charge]}]
`;

/** Would let nobody read, and only says so. */
const audit = ({ name }: LabHost): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: trial, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  mode: Audit
  ingress:
  - action: Deny
    to: [{port: ${String(RULED)}}]
    http: [{methods: [GET]}]
`;

/** A rule of the chart. */
interface Rule {
  readonly alert: string;
  readonly expr: string;
}

/** What Grafana puts in place of its variables when all is chosen and a second lies between scrapes. */
function filled(expression: string): string {
  return expression.replaceAll('$__rate_interval', '8s').replace(/"\$\w+"/g, '".*"');
}

describe('dashboards and alerts', () => {
  let node: NodeScene;
  let prometheus: Prometheus;

  before(async () => {
    node = new NodeScene('board', { inline: 'auto' });
    const api = node.lab.host('api');
    const web = node.lab.host('web');
    const careful = node.lab.host('careful');
    await startNginx(node, api);
    node.startIn(api, [process.execPath, program, 'server', String(CALLS)]);
    await listening(node.lab, api, CALLS);
    node.write('workloads.yaml', workloadsYaml(api, web, careful));
    const policies = [serverPolicyYaml(api), clientPolicies(careful), callPolicy(api), audit(api)];
    node.write('policy.yaml', policies.join('---\n'));
    const metrics = `127.0.0.1:${String(await freePort())}`;
    await node.startAgent('--metrics-address', metrics);
    await node.settled();
    prometheus = await Prometheus.start(metrics);
    const traffic = (): void => {
      for (const client of [web, careful])
        for (const [port, path] of [
          [RULED, '/'],
          [RULED, '/admin/keys'],
          [PLAIN, '/'],
        ] as const)
          node.curl(client, `http://${api.address4}:${String(port)}${path}`, '-H', `traceparent: ${TRACED}`);
      node.runIn(web, [process.execPath, program, 'pay', `${api.address4}:${CALLS}`]);
    };
    // A rate needs a series from before its first increase, and two scrapes after.
    for (let round = 0; round < 8; round += 1) {
      traffic();
    }
    await until('both paths to be scraped', async () => {
      traffic();
      const paths = await prometheus.query(
        'sum by (path_mode) (rate(perigee_http_requests_total{code="200"}[8s])) > 0',
      );
      return paths.length === 2;
    });
  });
  after(async () => {
    await prometheus.end();
    await node.destroy();
  });

  for (const name of ['traffic', 'nodes'] as const) {
    const { panels, templating } = shippedBoard(name);
    const shown = panels.filter(({ targets }) => targets !== undefined);

    test(`every panel of ${name} has data, or says that none is good news`, async () => {
      assert.ok(shown.length >= 10);
      for (const { title, targets = [], fieldConfig } of shown)
        for (const { expr } of targets) {
          const found = await prometheus.query(filled(expr));
          const isQuiet = fieldConfig?.defaults.noValue !== undefined;
          assert.ok(found.length > 0 || isQuiet, `${title} has no data: ${filled(expr)}`);
          for (const { value } of found)
            assert.ok(Number.isFinite(Number(value[1])), `${title} shows ${value[1]}: ${filled(expr)}`);
        }
    });

    test(`every variable of ${name} has something to choose from`, async () => {
      for (const { query } of templating.list) {
        const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? [];
        if (metric === undefined || label === undefined) continue;
        const found = await prometheus.query(`count by (${label}) (${metric})`);
        assert.ok(found.length > 0 && found.every((series) => series.metric[label] !== undefined), query);
      }
    });
  }

  test('the figures are those of the traffic', async () => {
    const value = async (expression: string): Promise<number> =>
      Number((await prometheus.query(expression))[0]?.value[1] ?? Number.NaN);
    const refused =
      'perigee_http_requests_total{source_workload="shop/careful",code="403",path_mode="proxied"}';
    assert.ok((await value(refused)) >= 8);
    const calls = (status: string): Promise<number> =>
      value(
        `perigee_grpc_requests_total{source_workload="shop/web",destination_workload="shop/api",grpc_status="${status}"}`,
      );
    assert.ok((await calls('OK')) >= 8);
    assert.equal(await calls('OK'), await calls('PERMISSION_DENIED'));
    assert.ok((await value('sum(perigee_drops_total{reason="http-denied",component="kernel"})')) >= 8);
    assert.ok((await value('sum(perigee_http_audited_requests_total{policy=~".*trial"})')) >= 8);
    assert.equal(await value('sum(perigee_control_workloads{state="enrolled"})'), 3);
    assert.equal(await value('sum(perigee_flows_lost_total)'), 0);
  });

  test('buckets of the latency name the traces of their requests', async () => {
    const found = await prometheus.exemplars('perigee_http_request_duration_seconds_bucket');
    const proxied = found.filter(({ seriesLabels: { path_mode: mode } }) => mode === 'proxied');
    assert.ok(proxied.length > 0);
    for (const { seriesLabels, exemplars } of proxied) {
      assert.equal(seriesLabels['destination_workload'], 'shop/api');
      for (const { labels, value } of exemplars) {
        assert.deepEqual(labels, { trace_id: TRACE });
        assert.ok(Number(value) <= Number((seriesLabels['le'] ?? '').replace('+Inf', 'Infinity')));
      }
    }
  });

  test('no alert would be raised while all is well', async () => {
    const { groups } = parse(readFileSync(alertsFile, 'utf8')) as {
      groups: readonly { rules: readonly Rule[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    assert.ok(rules.length > 10);
    for (const { alert, expr } of rules) assert.deepEqual(await prometheus.query(expr), [], alert);
  });
});
