// SPDX-License-Identifier: Apache-2.0
import { alerts } from '../monitoring/alerts.ts';
import { markdownTable, page } from './markdown.ts';

/** Labels of an alert are for Prometheus; a page says what stands there. */
function readable(text: string): string {
  return text.replace(/\{\{ *\$labels\.(\w+) *\}\}/g, '_$1_').replace(/\{\{ *\$value[^}]*\}\}/g, '_n_');
}

export function alertsPage(): string {
  const rows = alerts.map(({ name, severity, for: held, summary, action }) => [
    `\`${name}\``,
    severity,
    held === '0m' ? 'at once' : held,
    readable(summary),
    readable(action),
  ]);
  return page('Alerts', 'tools/monitoring/alerts.ts', [
    'The rules are in `charts/perigee/files/alerts.yaml`, which Prometheus loads as it is. The chart makes a ' +
      'PrometheusRule of them with `monitoring.alerts=true`. Their metrics: [metrics](metrics.md).',
    markdownTable(['Alert', 'Severity', 'After', 'Means', 'What to do'], rows),
  ]);
}
