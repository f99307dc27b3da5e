// SPDX-License-Identifier: Apache-2.0
// Each alert of the chart, raised by figures that mean it, through Prometheus' own tests of rules.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { alertsFile, promtool } from '../support/prometheus.ts';

interface Case {
  /** Series with their values, a minute apart. */
  readonly series: Readonly<Record<string, string>>;
  /** How the first words of the summary read. */
  readonly says: RegExp;
}

const node = 'instance="n1",job="perigee"';
const well: Case['series'] = {
  [`perigee_agent_ready{${node}}`]: '1x120',
  [`perigee_proxy_connections{${node}}`]: '3x120',
  [`perigee_control_proxy_current{${node}}`]: '1x120',
  [`perigee_control_workloads{state="failed",${node}}`]: '0x120',
  [`perigee_control_source_problems{severity="error",${node}}`]: '0x120',
  [`perigee_control_source_stale_seconds{collection="pods",${node}}`]: '0x120',
  [`perigee_control_reconcile_errors_total{${node}}`]: '2x120',
  [`perigee_drops_total{reason="policy-no-rule",component="kernel",${node}}`]: '0+600x120',
  [`perigee_http_requests_total{destination_workload="shop/api",code="200",${node}}`]: '0+600x120',
  [`perigee_grpc_requests_total{destination_workload="shop/api",grpc_status="OK",${node}}`]: '0+600x120',
  [`perigee_grpc_requests_total{destination_workload="shop/api",grpc_status="NOT_FOUND",${node}}`]:
    '0+60x120',
  [`perigee_flows_seen_total{${node}}`]: '0+60000x120',
  [`perigee_flows_lost_total{ring="flows",${node}}`]: '0+6x120',
  [`perigee_flows_exported_total{outcome="written",${node}}`]: '0+60000x120',
  [`perigee_inline_off{reason="Setting",${node}}`]: '1x120',
};

const cases: Readonly<Record<string, Case>> = {
  PerigeeAbsent: { series: { [`up{${node}}`]: '0x120' }, says: /^No agent/ },
  PerigeeNotReady: {
    series: { ...well, [`perigee_agent_ready{${node}}`]: '0x120' },
    says: /^The agent of n1 has not/,
  },
  PerigeeWorkloadsNotEnrolled: {
    series: { ...well, [`perigee_control_workloads{state="failed",${node}}`]: '2x120' },
    says: /^2 workloads of n1/,
  },
  PerigeeConfigurationBroken: {
    series: { ...well, [`perigee_control_source_problems{severity="error",${node}}`]: '1x120' },
    says: /^The configuration of n1/,
  },
  PerigeeClusterStale: {
    series: { ...well, [`perigee_control_source_stale_seconds{collection="pods",${node}}`]: '0+60x120' },
    says: /^n1 has not heard of pods for/,
  },
  PerigeeReconcileFails: {
    series: { ...well, [`perigee_control_reconcile_errors_total{${node}}`]: '0+1x120' },
    says: /^The agent of n1 fails/,
  },
  PerigeeProxyAway: {
    series: { ...well, [`perigee_proxy_connections{${node}}`]: '3 stale' },
    says: /^The proxy of n1 does not answer/,
  },
  PerigeeProxyBehind: {
    series: { ...well, [`perigee_control_proxy_current{${node}}`]: '0x120' },
    says: /^The proxy of n1 has another/,
  },
  PerigeeFails: {
    series: {
      ...well,
      [`perigee_drops_total{reason="proxy-unavailable",component="kernel",${node}}`]: '0+1x120',
    },
    says: /by proxy-unavailable/,
  },
  PerigeeErrorShare: {
    series: {
      ...well,
      [`perigee_http_requests_total{destination_workload="shop/api",code="503",${node}}`]: '0+100x120',
    },
    says: /^14\.29% of the requests to shop\/api/,
  },
  PerigeeGrpcErrorShare: {
    series: {
      ...well,
      [`perigee_grpc_requests_total{destination_workload="shop/api",grpc_status="UNAVAILABLE",${node}}`]:
        '0+100x120',
    },
    says: /^13\.16% of the gRPC calls to shop\/api/,
  },
  PerigeeFlowsLost: {
    series: { ...well, [`perigee_flows_lost_total{ring="flows",${node}}`]: '0+600x120' },
    says: /^0\.9901% of the flows of n1/,
  },
  PerigeeDenialsLost: {
    series: { ...well, [`perigee_flows_lost_total{ring="denials",${node}}`]: '0x100 1x20' },
    says: /^Records of refusals of n1/,
  },
  PerigeeFlowExportFails: {
    series: { ...well, [`perigee_flows_exported_total{outcome="failed",${node}}`]: '0+5x120' },
    says: /^Flows of n1 do not reach/,
  },
  PerigeeMetricsIncomplete: {
    series: {
      ...well,
      [`perigee_metrics_series_overflow_total{metric="perigee_http_requests_total",${node}}`]: '0+10x120',
    },
    says: /^The metrics of n1/,
  },
  PerigeeInlineOff: {
    series: { ...well, [`perigee_inline_off{reason="PoolFull",${node}}`]: '1x120' },
    says: /goes to the proxy: PoolFull$/,
  },
};

const rules = (
  parse(readFileSync(alertsFile, 'utf8')) as {
    groups: readonly { rules: readonly { alert: string; annotations: { summary: string } }[] }[];
  }
).groups.flatMap((group) => group.rules);

/** What promtool finds firing after 110 minutes: it prints that when nothing is expected. */
function firing(series: Case['series']): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-alerts-'));
  try {
    const file = join(folder, 'test.yaml');
    writeFileSync(
      file,
      stringify({
        rule_files: [alertsFile],
        evaluation_interval: '1m',
        tests: [
          {
            interval: '1m',
            input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
            alert_rule_test: rules.map(({ alert }) => ({
              eval_time: '110m',
              alertname: alert,
              exp_alerts: [],
            })),
          },
        ],
      }),
    );
    const { stdout, stderr, status } = spawnSync(promtool, ['test', 'rules', file], { encoding: 'utf8' });
    const found = [
      ...`${stdout}${stderr}`.matchAll(/alertname="(\w+)"[^\n]*\n[^\n]*summary="((?:[^"\\]|\\.)*)"/g),
    ];
    assert.equal(status === 0, found.length === 0, stdout + stderr);
    return new Map(found.map(([, alert = '', summary = '']) => [alert, summary]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('promtool takes the rules', () => {
  const { status, stderr } = spawnSync(promtool, ['check', 'rules', alertsFile], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

test('figures of a node that is well raise nothing', () => {
  assert.deepEqual([...firing(well)], []);
});

test('each alert has a case', () => {
  assert.deepEqual(Object.keys(cases).toSorted(), rules.map(({ alert }) => alert).toSorted());
});

for (const [alert, { series, says }] of Object.entries(cases))
  test(`${alert} is raised, and nothing else`, () => {
    const found = firing(series);
    assert.deepEqual([...found.keys()], [alert]);
    assert.match(found.get(alert) ?? '', says);
  });
