// SPDX-License-Identifier: Apache-2.0
// What is scraped, through Prometheus' own check (make build/test-tools/promtool).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { metricDefinitions } from '../../src/observability/metrics/definitions.ts';
import { startMetricsServer } from '../../src/observability/metrics/server.ts';
import { fullMetrics } from '../support/full-metrics.ts';

const promtool = join(import.meta.dirname, '../../build/test-tools/promtool');
test('promtool finds nothing to complain about in a scrape with every family', async () => {
  const server = await startMetricsServer({
    address: '127.0.0.1:0',
    metrics: fullMetrics(1),
    waitingFor: () => [],
  });
  try {
    const text = await (await fetch(`http://${server.address}/metrics`)).text();
    for (const { name } of Object.values(metricDefinitions))
      assert.ok(text.includes(`\n# TYPE ${name} `), name);
    assert.match(text, /^perigee_http_requests_total\{[^}]*path_mode="proxied"[^}]*\} 1$/m);
    assert.match(text, /^perigee_proxy_connections /m);
    const check = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
    assert.equal(check.error, undefined);
    assert.equal(check.stdout + check.stderr, '');
    assert.equal(check.status, 0);
  } finally {
    await server.close();
  }
});
