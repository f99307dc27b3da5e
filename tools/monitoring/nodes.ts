// SPDX-License-Identifier: Apache-2.0
import type { Board } from './board.ts';
import { agentMetric, proxyMetric, rate } from './names.ts';

const node = 'instance=~"$instance"';
const of = (name: string, ...matchers: readonly string[]): string =>
  `${name}{${[node, ...matchers].join(',')}}`;
/** `process_*` and `nodejs_*` are everybody's names: only those of agents are meant. */
const ofAgent = (series: string): string => `${series} and on (instance, job) ${agentMetric('buildInfo')}`;

/** Whether Perigee itself is well, node by node. */
export const nodesBoard: Board = {
  uid: 'perigee-nodes',
  title: 'Perigee / Nodes',
  variables: [
    { name: 'instance', label: 'Node', query: `label_values(${agentMetric('buildInfo')}, instance)` },
  ],
  rows: [
    {
      title: 'Enforcement',
      panels: [
        {
          title: 'Ready agents',
          help: 'By version',
          kind: 'stat',
          queries: [
            {
              expression: `sum by (version) (${of(agentMetric('ready'))} * on (instance, job) group_left (version) ${agentMetric('buildInfo')})`,
              legend: '{{version}}',
            },
          ],
        },
        {
          title: 'Workloads',
          help: 'failed: they are not captured; perigee status says why',
          kind: 'stat',
          queries: [{ expression: `sum by (state) (${of(agentMetric('workloads'))})`, legend: '{{state}}' }],
        },
        {
          title: 'Problems of the configuration',
          help: 'perigee status names file, line and field',
          kind: 'stat',
          queries: [
            {
              expression: `sum by (severity) (${of(agentMetric('sourceProblems'))})`,
              legend: '{{severity}}',
            },
          ],
        },
        {
          title: 'Time to be in force',
          help: 'From a change of the configuration until the kernel has it, 99 of 100',
          unit: 's',
          queries: [
            {
              // Changes are rare: what a minute saw would be nothing most of the time.
              expression: `histogram_quantile(0.99, sum by (le, instance) (${of(`${agentMetric('reconcileDuration')}_bucket`)}))`,
              legend: '{{instance}}',
            },
          ],
        },
        {
          title: 'Failed reconciles',
          help: 'They are tried again',
          unit: 'ops',
          queries: [{ expression: rate(of(agentMetric('reconcileErrors'))), legend: '{{instance}}' }],
        },
        {
          title: 'Age of the state in force',
          help: 'Since the last change that was applied',
          unit: 's',
          queries: [{ expression: `time() - ${of(agentMetric('lastApplied'))}`, legend: '{{instance}}' }],
        },
      ],
    },
    {
      title: 'Paths',
      panels: [
        {
          title: 'Refusals and failures of a node',
          help: 'By who saw them and why',
          unit: 'ops',
          queries: [
            {
              expression: `sum by (instance, component, reason) (${rate(of(agentMetric('drops')))})`,
              legend: '{{instance}} {{component}} {{reason}}',
            },
          ],
        },
        {
          title: 'Refused requests by what the client was told',
          help: 'Of the kernel',
          unit: 'ops',
          queries: [
            {
              expression: `sum by (outcome) (${rate(of(agentMetric('refusalsAnswered')))})`,
              legend: '{{outcome}}',
            },
          ],
        },
        {
          title: 'Tables in the kernel',
          help: 'Bytes of the 16 MiB that tables of HTTP policy take',
          unit: 'bytes',
          queries: [{ expression: of(agentMetric('inlineTableBytes')), legend: '{{instance}}' }],
        },
        {
          title: 'Paths that are off',
          help: 'Their traffic takes the proxy, or TCP as ever; perigee check says why',
          quiet: true,
          queries: [
            { expression: of(agentMetric('inlineOff')), legend: '{{instance}} inline: {{reason}}' },
            { expression: of(agentMetric('boostOff')), legend: '{{instance}} boost: {{reason}}' },
          ],
        },
        {
          title: 'Boost',
          help: 'Connections and messages by what became of them',
          unit: 'ops',
          queries: [
            { expression: `sum by (outcome) (${rate(of(agentMetric('boost')))})`, legend: '{{outcome}}' },
          ],
        },
        {
          title: 'Connections in the proxy',
          help: 'Of clients, and idle ones to servers',
          queries: [
            { expression: of(proxyMetric('perigee_proxy_connections')), legend: '{{instance}} clients' },
            {
              expression: of(proxyMetric('perigee_proxy_pooled_connections')),
              legend: '{{instance}} pooled',
            },
          ],
        },
      ],
    },
    {
      title: 'What Perigee takes and loses',
      panels: [
        {
          title: 'Processors',
          help: 'Of the agent, seconds a second',
          queries: [{ expression: ofAgent(rate(of('process_cpu_seconds_total'))), legend: '{{instance}}' }],
        },
        {
          title: 'Memory',
          help: 'Resident, of agent and proxy',
          unit: 'bytes',
          queries: [
            { expression: ofAgent(of('process_resident_memory_bytes')), legend: '{{instance}} agent' },
            { expression: of(proxyMetric('perigee_proxy_rss_bytes')), legend: '{{instance}} proxy' },
            { expression: of(proxyMetric('perigee_proxy_queued_bytes')), legend: '{{instance}} queued' },
          ],
        },
        {
          title: 'Delay of the agent',
          help: 'Of its event loop, 99 of 100',
          unit: 's',
          queries: [{ expression: ofAgent(of('nodejs_eventloop_lag_p99_seconds')), legend: '{{instance}}' }],
        },
        {
          title: 'Flows',
          help: 'That reached the store',
          unit: 'ops',
          queries: [{ expression: rate(of(agentMetric('flowsSeen'))), legend: '{{instance}}' }],
        },
        {
          title: 'Lost flows',
          help: 'By the ring that was full; flows show every loss',
          unit: 'ops',
          queries: [
            {
              expression: `sum by (instance, ring) (${rate(of(agentMetric('flowsLost')))})`,
              legend: '{{instance}} {{ring}}',
            },
          ],
        },
        {
          title: 'Incomplete metrics',
          help: 'Series beyond the limit, and figures that could not be read',
          unit: 'ops',
          quiet: true,
          queries: [
            {
              expression: rate(of(agentMetric('seriesOverflow'))),
              legend: '{{instance}} {{metric}} overflows',
            },
            {
              expression: rate(of(agentMetric('collectErrors'))),
              legend: '{{instance}} {{source}} not read',
            },
          ],
        },
        {
          title: 'Export of flows',
          help: 'By what became of them on their way to the file',
          unit: 'ops',
          quiet: true,
          queries: [
            {
              expression: `sum by (instance, outcome) (${rate(of(agentMetric('flowsExported')))})`,
              legend: '{{instance}} {{outcome}}',
            },
          ],
        },
        {
          title: 'Flow store',
          help: 'Flows that can be asked for',
          queries: [{ expression: of(agentMetric('flowsStored')), legend: '{{instance}}' }],
        },
      ],
    },
  ],
};
