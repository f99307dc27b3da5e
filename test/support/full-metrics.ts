// SPDX-License-Identifier: Apache-2.0
import { AgentMetrics } from '../../src/observability/metrics/agent-metrics.ts';
import { Counters } from '../../src/proxy/counters.ts';
import { exposition } from '../../src/proxy/exposition.ts';

/** `count` pairs of workloads; the first has a name that needs escaping. */
function pairs(count: number): { source_workload: string; destination_workload: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    source_workload: index === 0 ? 'shop/"a"\\\n' : `shop/client-${String(index)}`,
    destination_workload: `shop/server-${String(index % 7)}`,
  }));
}

function proxyText(): string {
  const counters = new Counters();
  const [pair] = pairs(1);
  counters.request(
    counters.meter(pair?.source_workload ?? '', pair?.destination_workload ?? ''),
    0,
    200,
    3e6,
  );
  counters.drop(33);
  const worker = { counters: counters.snapshot(), byWorkload: [], netnsInUse: [] };
  const workers = [{ ...worker, connections: 2, queuedBytes: 0, pooled: 1 }];
  return exposition({ workers, rssBytes: 5, revision: 7 });
}

/** The agent's metrics and the proxy's with every family filled, the large ones with so many pairs. */
export function fullMetrics(count: number): AgentMetrics {
  const all = pairs(count);
  const text = proxyText();
  const metrics = new AgentMetrics({
    version: '0.1.0',
    kernel: {
      verdicts: () =>
        all.map((_, index) => ({
          policy: `shop/${String(index)}`,
          direction: 'ingress',
          verdict: 'denied',
          count: 7,
        })),
      drops: () => [{ reason: 'policy-no-rule', count: 7 }],
      opaque: () => [{ reason: 'opaque-tls', count: 7 }],
      pendingPassed: () => 2,
    },
    flows: () => ({
      ...{ stored: 3, capacity: 10, seen: 5, bytes: 500, capacityBytes: 1000, rate: 1 },
      lost: { flows: 2, denials: 0, proxy: 0, store: 0 },
    }),
    exported: () => ({ written: 5, failed: 0, missed: 1 }),
    otlp: () => [{ signal: 'logs', outcome: 'sent', count: 3 }],
    dns: () => ({ answers: { named: 1 }, names: 1, evicted: { workload: 1 } }),
    pairs: () =>
      all.map(({ source_workload: source, destination_workload: destination }) => ({
        ...{ source, destination },
        ...{ opened: 1, closed: 1, sentBytes: 10, receivedBytes: 20, retransmits: 0 },
      })),
    audited: () => [{ policy: 'shop/api', direction: 'ingress', count: 3 }],
    requests: () => ({
      requests: all.flatMap((pair) =>
        ['200', '404', '503'].map((code) => ({
          labels: { ...pair, method: 'GET', code, path_mode: 'inline' },
          value: 3,
        })),
      ),
      durations: all.slice(0, Math.ceil(count / 10)).map((pair) => ({
        labels: { ...pair, path_mode: 'inline' },
        ...{ count: 4, seconds: 0.2, buckets: Array<number>(16).fill(0.25) },
      })),
    }),
    inline: () => ({ tables: 2, bytes: 4096, off: 'Setting', answers: { answered: 3, lost: 1 } }),
    boost: () => ({ off: 'KernelLacks', counts: { entered: 3, redirected: 5 } }),
    control: () => ({
      ...{ ready: true, revision: 4, appliedAt: 1000, errors: 1, warnings: 0 },
      ...{ enrolled: 3, services: { served: 2, empty: 1 }, failed: 1, proxyCurrent: true, ages: { pods: 3 } },
    }),
    proxy: () => Promise.resolve(text),
  });
  metrics.reconciled(0.01);
  return metrics;
}
