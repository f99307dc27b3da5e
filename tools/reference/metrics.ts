// SPDX-License-Identifier: Apache-2.0
import { type MetricDefinition, metricDefinitions } from '../../src/observability/metrics/definitions.ts';
import { exposition } from '../../src/proxy/exposition.ts';
import { markdownTable, page } from './markdown.ts';

type Described = Pick<MetricDefinition, 'name' | 'type' | 'help' | 'labels'>;

function table(definitions: readonly Described[]): string {
  const rows = definitions.map(({ name, type, help, labels }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(' '),
    help,
  ]);
  return markdownTable(['Metric', 'Type', 'Labels', 'Meaning'], rows);
}

/** The proxy's families, read from what it would show while it does nothing. */
function proxyTable(): string {
  const text = exposition({ workers: [], rssBytes: 0, revision: -1 });
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const rows = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name = '', help = '']) => [
    `\`${name}\``,
    types.get(name) ?? '',
    help,
  ]);
  return markdownTable(['Metric', 'Type', 'Meaning'], rows);
}

export function metricsPage(): string {
  return page('Metrics', 'src/observability/metrics and src/proxy/exposition.ts', [
    'The agent serves all of them in the Prometheus text format at `http://127.0.0.1:9975/metrics` (setting ' +
      '`metricsAddress`), with `/healthz` and `/readyz` beside it. Figures are read when they are asked for.',
    'No label takes its value from a client. A metric that would have more than 5000 series sums the rest up in one ' +
      'whose labels say `overflow`, and `perigee_metrics_series_overflow_total` counts them. Where agent and proxy ' +
      'have a metric of one name, the label `component` tells them apart, or `path_mode`: `inline` for requests that the ' +
      'kernel decided, `proxied` for those of the proxy. Their histograms have buckets of their own: aggregate them by ' +
      '`path_mode`, too, before quantiles are computed.',
    '## Agent and kernel',
    table(Object.values<MetricDefinition>(metricDefinitions)),
    'Beside these, `process_*` and `nodejs_*` describe the process of the agent.',
    '## Proxy',
    proxyTable(),
  ]);
}
