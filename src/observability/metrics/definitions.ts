// SPDX-License-Identifier: Apache-2.0

import { INLINE_LATENCY_BOUNDS } from '../../core/http/latency.ts';

/** One metric of the agent. docs/reference/metrics.md is made from these. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds, for histograms. */
  readonly buckets?: readonly number[];
}

const pair = ['source_workload', 'destination_workload'] as const;

export const metricDefinitions = {
  policyVerdicts: {
    name: 'perigee_policy_verdicts_total',
    type: 'counter',
    help: 'Verdicts of the kernel by the policy that decided',
    labels: ['policy', 'direction', 'verdict'],
  },
  audited: {
    name: 'perigee_http_audited_requests_total',
    type: 'counter',
    help: 'Requests that passed and that a policy in Audit mode would refuse, from flow records',
    labels: ['policy', 'direction'],
  },
  requests: {
    name: 'perigee_http_requests_total',
    type: 'counter',
    help: 'HTTP requests that the kernel decided; code 0: no response was seen, or it answered a later request first',
    labels: [...pair, 'method', 'code', 'path_mode'],
  },
  requestDuration: {
    name: 'perigee_http_request_duration_seconds',
    type: 'histogram',
    help: 'From the end of a request head to the end of its response; path modes differ in their buckets',
    labels: [...pair, 'path_mode'],
    buckets: INLINE_LATENCY_BOUNDS,
  },
  refusalsAnswered: {
    name: 'perigee_refusals_answered_total',
    type: 'counter',
    help: 'Refusals of the kernel by what the client was told: answered (a response), reset (something else was under way), limited (reset: too many, or the agent was away), failed (nothing: the connection was gone), lost (late: the ring was full)',
    labels: ['outcome'],
  },
  inlineTables: {
    name: 'perigee_inline_tables',
    type: 'gauge',
    help: "Tables in the kernel's pool, those included that open connections may still read",
    labels: [],
  },
  inlineTableBytes: {
    name: 'perigee_inline_table_bytes',
    type: 'gauge',
    help: "Bytes of the kernel's pool that tables take, of 16 MiB",
    labels: [],
  },
  inlineOff: {
    name: 'perigee_inline_off',
    type: 'gauge',
    help: '1 while requests that the kernel could read are not read there; absent else',
    labels: ['reason'],
  },
  opaque: {
    name: 'perigee_opaque_connections_total',
    type: 'counter',
    help: 'Connections of visible ports whose requests are not seen, by reason; they pass all the same',
    labels: ['reason'],
  },
  boost: {
    name: 'perigee_boost_total',
    type: 'counter',
    help: 'Connections and messages that boost was asked for by what became of them: docs/design/boost.md',
    labels: ['outcome'],
  },
  boostOff: {
    name: 'perigee_boost_off',
    type: 'gauge',
    help: '1 while no connection may be boosted; absent else',
    labels: ['reason'],
  },
  drops: {
    name: 'perigee_drops_total',
    type: 'counter',
    help: 'Refused or closed connections, datagrams and requests by reason',
    labels: ['reason', 'component'],
  },
  tcpOpened: {
    name: 'perigee_tcp_connections_opened_total',
    type: 'counter',
    help: 'TCP connections that were allowed to open, from flow records',
    labels: pair,
  },
  tcpClosed: {
    name: 'perigee_tcp_connections_closed_total',
    type: 'counter',
    help: 'TCP connections that ended, from flow records',
    labels: pair,
  },
  tcpSent: {
    name: 'perigee_tcp_sent_bytes_total',
    type: 'counter',
    help: 'Bytes from client to server over connections that ended',
    labels: pair,
  },
  tcpReceived: {
    name: 'perigee_tcp_received_bytes_total',
    type: 'counter',
    help: 'Bytes from server to client over connections that ended',
    labels: pair,
  },
  tcpRetransmits: {
    name: 'perigee_tcp_retransmitted_segments_total',
    type: 'counter',
    help: 'Segments sent again over connections that ended',
    labels: pair,
  },
  flowsSeen: {
    name: 'perigee_flows_seen_total',
    type: 'counter',
    help: 'Flow records that reached the store',
    labels: [],
  },
  flowsLost: {
    name: 'perigee_flows_lost_total',
    type: 'counter',
    help: 'Flow records that were lost before they could be stored, by the ring that was full',
    labels: ['ring'],
  },
  dnsAnswers: {
    name: 'perigee_dns_answers_total',
    type: 'counter',
    help: 'Answers of DNS that workloads got, by what became of them: named (addresses were), nothing (no address for the name that was asked for), refused (a name that no host may have), malformed, limited (too many for one workload in a second) or lost (the ring was full)',
    labels: ['outcome'],
  },
  dnsNames: {
    name: 'perigee_dns_names',
    type: 'gauge',
    help: 'Pairs of a DNS name and an address that are kept',
    labels: [],
  },
  dnsEvicted: {
    name: 'perigee_dns_names_evicted_total',
    type: 'counter',
    help: 'Pairs of a DNS name and an address that made room for others, by the limit that was met: of the address, the workload or the node',
    labels: ['limit'],
  },
  flowsExported: {
    name: 'perigee_flows_exported_total',
    type: 'counter',
    help: 'Flows by what became of them on their way to the export file: written, failed (the file could not be written) or missed (overwritten in the store before)',
    labels: ['outcome'],
  },
  otlpExported: {
    name: 'perigee_otlp_exported_total',
    type: 'counter',
    help: 'Data points, log records and spans by what became of them on their way to the OpenTelemetry collector: sent, failed (it refused them, or was away when they were due) or missed (flows that were overwritten in the store before)',
    labels: ['signal', 'outcome'],
  },
  flowsStored: {
    name: 'perigee_flow_store_flows',
    type: 'gauge',
    help: 'Flow records in the store',
    labels: [],
  },
  flowStoreBytes: {
    name: 'perigee_flow_store_bytes',
    type: 'gauge',
    help: 'Bytes of the store that hold records',
    labels: [],
  },
  reconcileDuration: {
    name: 'perigee_control_reconcile_duration_seconds',
    type: 'histogram',
    help: 'Time from a change of the configuration to its being in force',
    labels: [],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
  },
  reconcileErrors: {
    name: 'perigee_control_reconcile_errors_total',
    type: 'counter',
    help: 'Attempts to put the configuration in force, or to close what it forbids, that failed and will be tried again',
    labels: [],
  },
  sourceProblems: {
    name: 'perigee_control_source_problems',
    type: 'gauge',
    help: 'Errors and warnings in the configuration as it stands',
    labels: ['severity'],
  },
  lastApplied: {
    name: 'perigee_control_last_applied_timestamp_seconds',
    type: 'gauge',
    help: 'When the state in force was applied, 0 before the first; time() minus this is its age',
    labels: [],
  },
  revision: {
    name: 'perigee_control_revision',
    type: 'gauge',
    help: 'Number of the state in force',
    labels: [],
  },
  proxyCurrent: {
    name: 'perigee_control_proxy_current',
    type: 'gauge',
    help: 'Whether the proxy has the configuration that it should have, 1 or 0; none while it is away or nothing was applied yet',
    labels: [],
  },
  sourceAge: {
    name: 'perigee_control_source_stale_seconds',
    type: 'gauge',
    help: 'How long a collection of the API server could not be followed, 0 while it is; what was read before stays in force',
    labels: ['collection'],
  },
  pendingPassed: {
    name: 'perigee_pending_passed_total',
    type: 'counter',
    help: 'Connections and datagrams that passed because the agent had not met their pod yet (`pending: Allow`)',
    labels: [],
  },
  workloads: {
    name: 'perigee_control_workloads',
    type: 'gauge',
    help: 'Workloads of the configuration by whether they are enrolled',
    labels: ['state'],
  },
  services: {
    name: 'perigee_control_services',
    type: 'gauge',
    help: 'Ports of Services at their addresses that the kernel resolves, by whether somebody serves them',
    labels: ['state'],
  },
  ready: {
    name: 'perigee_agent_ready',
    type: 'gauge',
    help: '1 once everything is in force',
    labels: [],
  },
  buildInfo: {
    name: 'perigee_build_info',
    type: 'gauge',
    help: 'Always 1; the labels say what runs',
    labels: ['version', 'node_version'],
  },
  seriesOverflow: {
    name: 'perigee_metrics_series_overflow_total',
    type: 'counter',
    help: 'Samples counted under the label value overflow, because a metric had too many series',
    labels: ['metric'],
  },
  collectErrors: {
    name: 'perigee_metrics_collect_errors_total',
    type: 'counter',
    help: 'Scrapes without the figures of one source, because reading them failed',
    labels: ['source'],
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricKey = keyof typeof metricDefinitions;
