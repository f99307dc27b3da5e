// SPDX-License-Identifier: Apache-2.0
import type { ReasonName } from '../../src/core/abi/reason.ts';
import { agentMetric, failedCall, proxyMetric } from './names.ts';

export interface Alert {
  readonly name: string;
  readonly severity: 'critical' | 'warning' | 'info';
  readonly expression: string;
  /** How long it must hold. */
  readonly for: string;
  /** One sentence, with labels as Prometheus writes them. */
  readonly summary: string;
  readonly action: string;
}

/** Not policy: something is missing or too small. */
const ownFailures: readonly ReasonName[] = [
  'policy-state-missing',
  'proxy-unavailable',
  'steer-failed',
  'workload-unknown',
  'state-not-kept',
  'stream-state-missing',
  'stream-position-lost',
  'not-steered',
  'connection-limit',
  'memory-limit',
  'proxy-internal',
];

const inLast = (name: string, minutes: number, matcher = ''): string =>
  `increase(${name}${matcher}[${String(minutes)}m])`;
const lost = inLast(agentMetric('flowsLost'), 10);
/** More than one of twenty to a destination, if there are enough to tell. */
const share = (name: string, failed: string): string => {
  const all = `sum by (destination_workload) (${inLast(name, 10)})`;
  return `sum by (destination_workload) (${inLast(name, 10, `{${failed}}`)}) / ${all} > 0.05 and ${all} > 60`;
};

export const alerts: readonly Alert[] = [
  {
    name: 'PerigeeAbsent',
    severity: 'critical',
    expression: `absent(${agentMetric('ready')})`,
    for: '10m',
    summary: 'No agent of Perigee is scraped',
    action:
      'Look whether agents run, and whether Prometheus reaches metricsAddress. What is in force stays in force meanwhile',
  },
  {
    name: 'PerigeeNotReady',
    severity: 'critical',
    expression: `${agentMetric('ready')} == 0`,
    for: '5m',
    summary: 'The agent of {{ $labels.instance }} has not brought its state into force',
    action: '`perigee status` on the node says what it waits for; changes of policy do not arrive there',
  },
  {
    name: 'PerigeeWorkloadsNotEnrolled',
    severity: 'critical',
    expression: `${agentMetric('workloads')}{state="failed"} > 0`,
    for: '10m',
    summary: '{{ $value }} workloads of {{ $labels.instance }} are not captured',
    action: '`perigee status` on the node names each with its reason',
  },
  {
    name: 'PerigeeConfigurationBroken',
    severity: 'warning',
    expression: `${agentMetric('sourceProblems')}{severity="error"} > 0`,
    for: '10m',
    summary: 'The configuration of {{ $labels.instance }} has errors; what was in force before still is',
    action: '`perigee status` names file, line and field',
  },
  {
    name: 'PerigeeClusterStale',
    severity: 'warning',
    expression: `${agentMetric('sourceAge')} > 120`,
    for: '5m',
    summary:
      '{{ $labels.instance }} has not heard of {{ $labels.collection }} for {{ $value | humanizeDuration }}; what was read before is in force',
    action: '`perigee status` on the node says why: the API server is away, or a right is missing',
  },
  {
    name: 'PerigeeReconcileFails',
    severity: 'warning',
    expression: `${inLast(agentMetric('reconcileErrors'), 10)} > 0`,
    for: '10m',
    summary: 'The agent of {{ $labels.instance }} fails again and again to bring its state into force',
    action: 'Its log names the map or program, and why',
  },
  {
    name: 'PerigeeProxyAway',
    severity: 'critical',
    expression: `${agentMetric('ready')} unless on (instance, job) ${proxyMetric('perigee_proxy_connections')}`,
    for: '2m',
    summary: 'The proxy of {{ $labels.instance }} does not answer',
    action: '`perigee status` shows it. Connections that policy sends through it are refused',
  },
  {
    name: 'PerigeeProxyBehind',
    severity: 'warning',
    expression: `${agentMetric('proxyCurrent')} == 0`,
    for: '5m',
    summary: 'The proxy of {{ $labels.instance }} has another configuration in force than it should have',
    action: "The log of the agent says why the proxy doesn't take it",
  },
  {
    name: 'PerigeeFails',
    severity: 'warning',
    expression: `sum by (instance, reason) (${inLast(agentMetric('drops'), 10, `{reason=~"${ownFailures.join('|')}"}`)}) > 0`,
    for: '5m',
    summary:
      'Traffic of {{ $labels.instance }} fails by {{ $labels.reason }}, which is no decision of policy',
    action: 'docs/reference/reasons.md says what it means and what to do',
  },
  {
    name: 'PerigeeErrorShare',
    severity: 'warning',
    expression: share(agentMetric('requests'), 'code=~"5..|0"'),
    for: '10m',
    summary: '{{ $value | humanizePercentage }} of the requests to {{ $labels.destination_workload }} fail',
    action: '`perigee observe --to {{ $labels.destination_workload }} --status 5xx` shows them',
  },
  {
    name: 'PerigeeGrpcErrorShare',
    severity: 'warning',
    expression: share(proxyMetric('perigee_grpc_requests_total'), failedCall),
    for: '10m',
    summary: '{{ $value | humanizePercentage }} of the gRPC calls to {{ $labels.destination_workload }} fail',
    action:
      '`perigee observe --to {{ $labels.destination_workload }} --status 200` shows the status of each call',
  },
  {
    name: 'PerigeeFlowsLost',
    severity: 'warning',
    expression: `sum by (instance) (${lost}) / (sum by (instance) (${lost}) + sum by (instance) (${inLast(agentMetric('flowsSeen'), 10)})) > 0.001`,
    for: '10m',
    summary: '{{ $value | humanizePercentage }} of the flows of {{ $labels.instance }} are lost',
    action:
      'The metric names the ring that is full. Enforcement is not affected; counters of the kernel stay exact',
  },
  {
    name: 'PerigeeDenialsLost',
    severity: 'warning',
    expression: `${inLast(agentMetric('flowsLost'), 10, '{ring="denials"}')} > 0`,
    for: '0m',
    summary: 'Records of refusals of {{ $labels.instance }} are lost',
    action: 'Somebody is refused very often: `perigee top` on the node names the edge',
  },
  {
    name: 'PerigeeFlowExportFails',
    severity: 'warning',
    expression: `sum by (instance) (${inLast(agentMetric('flowsExported'), 10, '{outcome!="written"}')}) > 0`,
    for: '5m',
    summary: 'Flows of {{ $labels.instance }} do not reach the file of flowExport',
    action: 'The disk is full or too slow; the log of the agent says which',
  },
  {
    name: 'PerigeeMetricsIncomplete',
    severity: 'info',
    expression: `sum by (instance) (${inLast(agentMetric('seriesOverflow'), 60)} or ${inLast(agentMetric('collectErrors'), 60)}) > 0`,
    for: '0m',
    summary:
      'The metrics of {{ $labels.instance }} do not tell all pairs of workloads apart, or lack a source',
    action:
      '`perigee_metrics_series_overflow_total` names the metric, `perigee_metrics_collect_errors_total` the source',
  },
  {
    name: 'PerigeeInlineOff',
    severity: 'info',
    expression: `${agentMetric('inlineOff')}{reason!="Setting"} == 1`,
    for: '15m',
    summary: 'HTTP policy of {{ $labels.instance }} goes to the proxy: {{ $labels.reason }}',
    action: '`perigee check` on the node says what is missing. Policy holds; requests cost more',
  },
];

/** A group of rules, as Prometheus and its operator read them. */
export function ruleGroups(): object {
  const rules = alerts.map((alert) => ({
    alert: alert.name,
    expr: alert.expression,
    for: alert.for,
    labels: { severity: alert.severity },
    annotations: { summary: alert.summary, description: `${alert.action}.` },
  }));
  return { groups: [{ name: 'perigee', rules }] };
}
