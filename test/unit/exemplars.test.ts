// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flowPath } from '../../src/core/abi/flow.ts';
import { readExemplars } from '../../src/observability/metrics/exemplars.ts';
import { familiesOf } from '../../src/observability/metrics/families.ts';
import {
  OPEN_METRICS_TYPE,
  openMetricsText,
  wantsOpenMetrics,
} from '../../src/observability/metrics/open-metrics.ts';
import { startMetricsServer } from '../../src/observability/metrics/server.ts';
import { batch, detailOf, names, record, traceOf } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { fullMetrics } from '../support/full-metrics.ts';

const NAME = 'perigee_http_request_duration_seconds';
const MS = 1_000_000n;
const NOW = 1_000_000n * MS;

function series(mode: string, source = 'shop/web'): string {
  const labels = `source_workload="${source}",destination_workload="shop/api",path_mode="${mode}"`;
  const bucket = (le: string, value: number): string =>
    `${NAME}_bucket{${labels},le="${le}"} ${String(value)}`;
  return [bucket('0.001', 1), bucket('0.01', 2), bucket('+Inf', 3), `${NAME}_sum{${labels}} 4`].join('\n');
}

async function rendered(text: string, ...requests: readonly Parameters<typeof record>[0][]): Promise<string> {
  const flows = createFlowStore({
    ...{ bytes: 1 << 20, denialBytes: 1 << 18, names },
    clock: { current: () => 0n },
  });
  const all = requests.map((fields) => record({ method: 'GET', time: NOW - 5n * MS, ...fields }));
  const { bytes, offsets } = batch(all);
  flows.append(bytes, offsets);
  return openMetricsText(familiesOf(text), NAME, await readExemplars(flows, NOW));
}

test('a bucket shows the newest sampled request of its series and duration', async () => {
  const text = `# HELP ${NAME} H\n# TYPE ${NAME} histogram\n${series('proxied')}\n${series('inline')}\n`;
  const [one, three] = [detailOf(1), detailOf(3)];
  const lines = (
    await rendered(
      text,
      { duration: 500_000n, detail: one },
      { duration: 900_000n, detail: three },
      { duration: 2n * MS, detail: detailOf(2) },
      { duration: 30n * MS, detail: one, path: flowPath.inline },
      { duration: 5n * MS, detail: one, sourceWorkload: 3 },
      { duration: 5n * MS, detail: one, time: NOW - 700_000n * MS },
      { duration: 5n * MS },
    )
  ).split('\n');
  const exampled = lines.filter((line) => line.includes(' # '));
  assert.equal(exampled.length, 2, exampled.join('\n'));
  const [fast = '', slow = ''] = exampled;
  assert.ok(fast.includes('path_mode="proxied",le="0.001"} 1 # '), fast);
  assert.ok(fast.endsWith(`# {trace_id="${traceOf(3).toString('hex')}"} 0.0009 999.995`), fast);
  assert.ok(slow.includes('path_mode="inline",le="+Inf"} 3 # '), slow);
});

test('counters lose their suffix in headers alone, and the end is marked', async () => {
  const text =
    '# HELP c_total of "c"\n# TYPE c_total counter\nc_total{a="b"} 1\n# HELP g G\n# TYPE g gauge\ng 2\n';
  assert.equal(
    await rendered(text),
    '# HELP c of \\"c\\"\n# TYPE c counter\nc_total{a="b"} 1\n# HELP g G\n# TYPE g gauge\ng 2\n# EOF\n',
  );
});

test('who asks for OpenMetrics gets it, and nobody else', async () => {
  const open = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1';
  const cases: readonly (readonly [string | undefined, boolean])[] = [
    [open, true],
    ['application/openmetrics-text', true],
    ['Application/OpenMetrics-Text; version=1.0.0', true],
    ['text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.2', false],
    ['application/openmetrics-text;q=0', false],
    ['application/openmetrics-text;q=x', false],
    ['*/*', false],
    ['text/plain', false],
    [undefined, false],
  ];
  for (const [accept, wanted] of cases) assert.equal(wantsOpenMetrics(accept), wanted, accept ?? 'none');
  const server = await startMetricsServer({
    ...{ address: '127.0.0.1:0', metrics: fullMetrics(1), waitingFor: () => [] },
  });
  try {
    const get = (accept: string) => fetch(`http://${server.address}/metrics`, { headers: { accept } });
    const answer = await get(open);
    assert.equal(answer.headers.get('content-type'), OPEN_METRICS_TYPE);
    assert.match(await answer.text(), /^# TYPE perigee_http_requests counter$[^]*# EOF\n$/m);
    const classic = await get('text/plain');
    assert.match(classic.headers.get('content-type') ?? '', /^text\/plain/);
    assert.doesNotMatch(await classic.text(), /# EOF/);
  } finally {
    await server.close();
  }
});
