// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { flowKind } from '../../src/core/abi/flow.ts';
import { verdict } from '../../src/core/abi/policy.ts';
import { AgentMetrics } from '../../src/observability/metrics/agent-metrics.ts';
import type { MetricSources } from '../../src/observability/metrics/sources.ts';
import { type MetricDefinition, metricDefinitions } from '../../src/observability/metrics/definitions.ts';
import { FlowMeter } from '../../src/observability/metrics/flow-meter.ts';
import { mergedFamilies, prometheusText } from '../../src/observability/metrics/families.ts';
import { startMetricsServer } from '../../src/observability/metrics/server.ts';
import { batch, names, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

function createMetrics(overrides: Partial<MetricSources> = {}): AgentMetrics {
  return new AgentMetrics({
    version: '0.1.0',
    kernel: {
      verdicts: () => [{ policy: 'shop/api', direction: 'ingress', verdict: 'denied', count: 7 }],
      drops: () => [{ reason: 'policy-no-rule', count: 7 }],
      opaque: () => [{ reason: 'opaque-tls', count: 7 }],
      pendingPassed: () => 2,
    },
    flows: () => ({
      stored: 3,
      capacity: 10,
      seen: 5,
      bytes: 500,
      capacityBytes: 1000,
      lost: { flows: 2, denials: 0, proxy: 0, store: 0 },
      rate: 1,
    }),
    exported: () => ({ written: 5, failed: 0, missed: 1 }),
    otlp: () => [{ signal: 'logs', outcome: 'sent', count: 3 }],
    dns: () => ({ answers: { named: 2, lost: 0 }, names: 4, evicted: { workload: 3 } }),
    pairs: () => [],
    audited: () => [],
    requests: () => ({ requests: [], durations: [] }),
    boost: () => ({ off: 'KernelLacks', counts: { entered: 3, redirected: 5 } }),
    inline: () => ({ tables: 2, bytes: 4096, off: 'Setting', answers: { answered: 3, lost: 1 } }),
    control: () => ({
      ready: true,
      revision: 4,
      appliedAt: 1000,
      errors: 1,
      warnings: 0,
      enrolled: 3,
      services: { served: 2, empty: 1 },
      failed: 1,
      proxyCurrent: true,
      ages: { pods: 3, nodes: 0 },
    }),
    proxy: () => Promise.resolve(undefined),
    ...overrides,
  });
}

test('totals that are kept elsewhere are shown as they are, scrape after scrape', async () => {
  const metrics = createMetrics();
  await metrics.render();
  metrics.reconciled(0.012);
  const { agent } = await metrics.render();
  for (const line of [
    'perigee_policy_verdicts_total{policy="shop/api",direction="ingress",verdict="denied"} 7',
    'perigee_drops_total{reason="policy-no-rule",component="kernel"} 7',
    'perigee_flows_lost_total{ring="flows"} 2',
    'perigee_flows_seen_total 5',
    'perigee_flows_exported_total{outcome="missed"} 1',
    'perigee_control_reconcile_duration_seconds_count 1',
    'perigee_control_source_problems{severity="error"} 1',
    'perigee_control_last_applied_timestamp_seconds 1',
    'perigee_agent_ready 1',
    'perigee_control_source_stale_seconds{collection="pods"} 3',
    'perigee_pending_passed_total 2',
    'perigee_inline_tables 2',
    'perigee_inline_table_bytes 4096',
    'perigee_inline_off{reason="Setting"} 1',
    'perigee_refusals_answered_total{outcome="answered"} 3',
    'perigee_refusals_answered_total{outcome="lost"} 1',
  ]) {
    assert.ok(agent.includes(`${line}\n`), line);
  }
});

test('why HTTP policy goes to the proxy is not said any more once it does not', async () => {
  let off: string | undefined = 'PoolFull';
  const metrics = createMetrics({ inline: () => ({ tables: 0, bytes: 0, off, answers: {} }) });
  assert.match((await metrics.render()).agent, /^perigee_inline_off\{reason="PoolFull"\} 1$/m);
  off = undefined;
  assert.doesNotMatch((await metrics.render()).agent, /^perigee_inline_off\{/m);
});

test('whether the proxy has its configuration is said while there is a proxy', async () => {
  const shown = async (proxyCurrent: boolean | undefined): Promise<string | undefined> => {
    const control = {
      ready: true,
      revision: 1,
      appliedAt: 1,
      errors: 0,
      warnings: 0,
      enrolled: 0,
      failed: 0,
    };
    const rest = { services: { served: 0, empty: 0 }, ages: {}, proxyCurrent };
    const { agent } = await createMetrics({ control: () => ({ ...control, ...rest }) }).render();
    return /^perigee_control_proxy_current (\d)$/m.exec(agent)?.[1];
  };
  assert.deepEqual([await shown(true), await shown(false), await shown(undefined)], ['1', '0', undefined]);
});

test('a metric with too many series ends in one that says overflow', async () => {
  const verdicts = () =>
    Array.from({ length: 100 }, (_, index) => ({
      policy: `p${index}`,
      direction: 'ingress',
      verdict: 'allowed',
      count: 1,
    }));
  const { agent } = await createMetrics({
    maxSeries: 10,
    kernel: { verdicts, drops: () => [], opaque: () => [], pendingPassed: () => 0 },
  }).render();
  assert.equal(agent.match(/^perigee_policy_verdicts_total\{/gm)?.length, 11);
  assert.match(
    agent,
    /perigee_policy_verdicts_total\{policy="overflow",direction="overflow",verdict="overflow"\} 90/,
  );
  assert.match(agent, /perigee_metrics_series_overflow_total\{metric="perigee_policy_verdicts_total"\} 90/);
});

test('a source that fails costs its own figures only, and is counted', async () => {
  const metrics = createMetrics({
    kernel: {
      verdicts: () => {
        throw new TypeError('map is gone');
      },
      drops: () => [],
      opaque: () => [],
      pendingPassed: () => 0,
    },
    proxy: () => Promise.reject(new TypeError('no proxy')),
  });
  const { agent, proxy } = await metrics.render();
  assert.equal(proxy, undefined);
  assert.match(agent, /perigee_metrics_collect_errors_total\{source="kernel"\} 1/);
  assert.match(agent, /perigee_metrics_collect_errors_total\{source="proxy"\} 1/);
  assert.match(agent, /perigee_flows_seen_total 5/);
});

suite('every metric of the table', () => {
  for (const definition of Object.values<MetricDefinition>(metricDefinitions)) {
    const { name, type, help, labels } = definition;
    test(`${name} is named and explained as Prometheus wants it`, () => {
      assert.match(name, /^perigee_[a-z][a-z0-9_]*[a-z0-9]$/);
      assert.equal(name.endsWith('_total'), type === 'counter');
      assert.doesNotMatch(name, /_(ms|milliseconds|kb|count|sum|bucket)(_|$)/);
      assert.ok(help.length > 10 && !help.endsWith('.'));
      for (const label of labels) assert.match(label, /^[a-z][a-z_]*$/);
    });
  }
});

test('connections are added up by pairs of names', () => {
  const store = createFlowStore({ bytes: 1 << 16, denialBytes: 1 << 16, names });
  const meter = new FlowMeter(names, 2);
  store.onRecord(meter.observe);
  const close = { kind: flowKind.close, bytesSent: 10n, bytesReceived: 20n, retransmits: 1 };
  const { bytes, offsets } = batch([
    record(),
    record(close),
    record(close),
    record({ verdict: verdict.denied }),
    record({ protocol: 17 }),
    record({ sourceWorkload: 0, sourceIdentity: 2 }),
    record({ sourceWorkload: 3 }),
    record({ sourceWorkload: 9 }),
  ]);
  store.append(bytes, offsets);
  assert.deepEqual(meter.totals(), [
    {
      source: 'shop/web',
      destination: 'shop/api',
      opened: 1,
      closed: 2,
      sentBytes: 20,
      receivedBytes: 40,
      retransmits: 2,
    },
    {
      source: 'World',
      destination: 'shop/api',
      opened: 1,
      closed: 0,
      sentBytes: 0,
      receivedBytes: 0,
      retransmits: 0,
    },
    {
      source: 'overflow',
      destination: 'overflow',
      opened: 2,
      closed: 0,
      sentBytes: 0,
      receivedBytes: 0,
      retransmits: 0,
    },
  ]);
});

test('two expositions become one in which no family or series appears twice', () => {
  const agent =
    '# HELP a A\n# TYPE a counter\na{x="1"} 1\n# HELP both B\n# TYPE both counter\nboth 1\nboth{component="kernel"} 2\n';
  const proxy =
    '# HELP both B\n# TYPE both counter\nboth 5\nboth{reason="}"} 6\n# HELP p P\n# TYPE p gauge\np 1\n';
  assert.equal(
    prometheusText(mergedFamilies(agent, proxy)),
    [
      '# HELP a A\n# TYPE a counter\na{x="1"} 1\n',
      '# HELP both B\n# TYPE both counter\nboth 1\nboth{component="kernel"} 2',
      'both{component="proxy"} 5\nboth{reason="}",component="proxy"} 6\n',
      '# HELP p P\n# TYPE p gauge\np 1\n',
    ].join('\n'),
  );
});

test('requests of both paths are one family, told apart by path_mode alone', () => {
  const family = '# HELP perigee_http_requests_total R\n# TYPE perigee_http_requests_total counter\n';
  const inline = 'perigee_http_requests_total{code="200",path_mode="inline"} 5';
  const proxied = 'perigee_http_requests_total{code="200",path_mode="proxied"} 6';
  const merged = prometheusText(mergedFamilies(`${family}${inline}\n`, `${family}${proxied}\n`));
  assert.equal(merged, `${family}${inline}\n${proxied}\n`);
});

test('the server answers metrics, health and readiness, and nothing else', async () => {
  let waits = ['the first reconcile'];
  const metrics = createMetrics({ proxy: () => Promise.resolve('# HELP p P\n# TYPE p gauge\np 1\n') });
  const server = await startMetricsServer({ address: '127.0.0.1:0', metrics, waitingFor: () => waits });
  const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await fetch(`http://${server.address}${path}`, { method });
    return [response.status, await response.text()];
  };
  const [code, text] = await get('/metrics?x=1');
  assert.equal(code, 200);
  assert.match(text, /^perigee_agent_ready 1$/m);
  assert.match(text, /^p 1$/m);
  assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
  assert.deepEqual(await get('/readyz'), [503, 'waiting for the first reconcile\n']);
  waits = [];
  assert.deepEqual(await get('/readyz'), [200, 'ok\n']);
  assert.equal((await get('//'))[0], 404);
  assert.equal((await get('/metrics', 'POST'))[0], 405);
  await assert.rejects(startMetricsServer({ address: server.address, metrics, waitingFor: () => [] }), {
    code: 'ERR_METRICS_LISTEN',
  });
  await assert.rejects(startMetricsServer({ address: 'nonsense', metrics, waitingFor: () => [] }), {
    code: 'ERR_METRICS_ADDRESS',
  });
  await server.close();
});
