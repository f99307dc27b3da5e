// SPDX-License-Identifier: Apache-2.0
import type { Board } from './board.ts';
import { agentMetric, failedCall, proxyMetric, rate } from './names.ts';

const edge = 'source_workload=~"$source",destination_workload=~"$destination"';
/** Of an edge, with further matchers. */
const of = (name: string, ...matchers: readonly string[]): string =>
  `${name}{${[edge, ...matchers].join(',')}}`;
const requests = agentMetric('requests');
const duration = agentMetric('requestDuration');
const calls = proxyMetric('perigee_grpc_requests_total');
/** What a client saw fail: an answer of 5xx, or none. */
const failed = 'code=~"5..|0"';
const byDestination = (name: string, ...matchers: readonly string[]): string =>
  `sum by (destination_workload) (${rate(of(name, ...matchers))})`;
/** Of each destination; 0 where there are some, and none is such. */
const share = (matcher: string, name: string): string =>
  `(${byDestination(name, matcher)} or 0 * ${byDestination(name)}) / ${byDestination(name)}`;
const quantile = (share: number): string =>
  `histogram_quantile(${String(share)}, sum by (le, destination_workload, path_mode) (${rate(of(`${duration}_bucket`))}))`;
const byEdge = (name: string): string => `sum by (source_workload, destination_workload) (${rate(of(name))})`;
const arrow = '{{source_workload}} → {{destination_workload}}';

/** What workloads ask of each other, and what policy says to it. */
export const trafficBoard: Board = {
  uid: 'perigee-traffic',
  title: 'Perigee / Traffic',
  variables: [
    { name: 'source', label: 'From', query: `label_values(${agentMetric('tcpOpened')}, source_workload)` },
    {
      name: 'destination',
      label: 'To',
      query: `label_values(${agentMetric('tcpOpened')}, destination_workload)`,
    },
  ],
  rows: [
    {
      title: 'Requests',
      panels: [
        {
          title: 'Requests',
          help: 'By who was asked, refused requests included',
          unit: 'reqps',
          queries: [{ expression: byDestination(requests), legend: '{{destination_workload}}' }],
        },
        {
          title: 'Failed requests',
          help: 'Share of requests that were answered by 5xx, or not at all',
          unit: 'percentunit',
          queries: [{ expression: share(failed, requests), legend: '{{destination_workload}}' }],
        },
        {
          title: 'Latency',
          help: 'From the end of a request head to the end of its response',
          unit: 's',
          queries: [0.5, 0.95, 0.99].map((share) => ({
            expression: quantile(share),
            legend: `p${String(share * 100)} {{destination_workload}} ({{path_mode}})`,
          })),
        },
        {
          title: 'Requests by answer',
          help: '0: no answer was seen',
          unit: 'reqps',
          queries: [{ expression: `sum by (code) (${rate(of(requests))})`, legend: '{{code}}' }],
        },
        {
          title: 'Requests by path',
          help: 'inline: the kernel decided; proxied: the proxy of the node',
          unit: 'reqps',
          queries: [{ expression: `sum by (path_mode) (${rate(of(requests))})`, legend: '{{path_mode}}' }],
        },
        {
          title: 'Busiest edges',
          help: 'Requests a second, the 20 busiest',
          unit: 'reqps',
          kind: 'table',
          queries: [{ expression: `topk(20, ${byEdge(requests)})`, legend: arrow }],
        },
        {
          title: 'gRPC calls by status',
          help: 'none: a call that ended without a status, as when its client cancels it',
          unit: 'reqps',
          quiet: true,
          queries: [{ expression: `sum by (grpc_status) (${rate(of(calls))})`, legend: '{{grpc_status}}' }],
        },
        {
          title: 'Failed gRPC calls',
          help: 'Share of calls with a status that tells of a fault of the server',
          unit: 'percentunit',
          quiet: true,
          queries: [{ expression: share(failedCall, calls), legend: '{{destination_workload}}' }],
        },
      ],
    },
    {
      title: 'Policy',
      panels: [
        {
          title: 'Refused and failed',
          help: 'Connections, datagrams and requests by reason: docs/reference/reasons.md',
          unit: 'ops',
          queries: [{ expression: `sum by (reason) (${rate(agentMetric('drops'))})`, legend: '{{reason}}' }],
        },
        {
          title: 'Verdicts by policy',
          help: 'Of the kernel, by the policy that decided',
          unit: 'ops',
          queries: [
            {
              expression: `sum by (policy, direction, verdict) (${rate(agentMetric('policyVerdicts'))})`,
              legend: '{{policy}} {{direction}}: {{verdict}}',
            },
          ],
        },
        {
          title: 'Audited',
          help: 'Requests that passed and that a policy in Audit mode would refuse',
          unit: 'reqps',
          quiet: true,
          queries: [
            {
              expression: `sum by (policy, direction) (${rate(agentMetric('audited'))})`,
              legend: '{{policy}} {{direction}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Connections',
      panels: [
        {
          title: 'Opened connections',
          help: 'That policy allowed',
          unit: 'cps',
          queries: [{ expression: byEdge(agentMetric('tcpOpened')), legend: arrow }],
        },
        {
          title: 'Bytes',
          help: 'Of connections that ended, both ways',
          unit: 'Bps',
          queries: [
            {
              expression: `${byEdge(agentMetric('tcpSent'))} + ${byEdge(agentMetric('tcpReceived'))}`,
              legend: arrow,
            },
          ],
        },
        {
          title: 'Segments sent again',
          help: 'Of connections that ended: a lossy or overloaded network',
          unit: 'pps',
          queries: [{ expression: byEdge(agentMetric('tcpRetransmits')), legend: arrow }],
        },
      ],
    },
  ],
};
