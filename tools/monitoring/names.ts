// SPDX-License-Identifier: Apache-2.0
import { metricDefinitions, type MetricKey } from '../../src/observability/metrics/definitions.ts';
import { serverFaultNames } from '../../src/core/http/grpc.ts';
import { exposition } from '../../src/proxy/exposition.ts';

const proxyText = exposition({ workers: [], rssBytes: 0, revision: -1 });
const proxyNames = new Set([...proxyText.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));

/** The name of a metric of the agent: there is no other way to write one into a query. */
export function agentMetric(key: MetricKey): string {
  return metricDefinitions[key].name;
}

/** The name of a metric that the proxy shows. */
export function proxyMetric(name: string): string {
  if (!proxyNames.has(name)) throw new Error(`the proxy has no metric ${name}`);
  return name;
}

/** What tells a call that its server failed. */
export const failedCall = `grpc_status=~"${serverFaultNames.join('|')}"`;

/** `rate` over what Grafana thinks fit for the resolution and the interval between scrapes. */
export function rate(series: string): string {
  return `rate(${series}[$__rate_interval])`;
}
