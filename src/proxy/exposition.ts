// SPDX-License-Identifier: Apache-2.0
import { reasonNames } from '../core/abi/reason.ts';
import { LATENCY_BUCKETS } from './counters.ts';
import type { WorkerScrape } from './worker-protocol.ts';

type Labels = Readonly<Record<string, string | number>>;

interface Sample {
  readonly value: number;
  readonly labels: Labels;
  readonly metricName?: string;
}

/** What a scrape shows. */
export interface ProxyNumbers {
  readonly workers: readonly WorkerScrape[];
  readonly rssBytes: number;
  readonly revision: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: (numbers: ProxyNumbers) => Sample[];
}

const families: readonly Family[] = [
  {
    name: 'perigee_http_requests_total',
    help: 'HTTP requests that were answered, by the server or by a refusal; code 0: the client went away',
    type: 'counter',
    samples: ({ workers }) => sum(workers.flatMap(requestSamples)),
  },
  {
    name: 'perigee_http_request_duration_seconds',
    help: 'From the end of a request head to the end of its response; path modes differ in their buckets',
    type: 'histogram',
    samples: ({ workers }) => sum(workers.flatMap(latencySamples)),
  },
  {
    name: 'perigee_grpc_requests_total',
    help: 'Of these, gRPC calls by what gRPC says of them, `grpc_status`; none: a call that ended without a status, as when its client cancels it',
    type: 'counter',
    samples: ({ workers }) => sum(workers.flatMap(callSamples)),
  },
  {
    name: 'perigee_drops_total',
    help: 'Connections and requests that were refused or failed, by reason',
    type: 'counter',
    samples: ({ workers }) => sum(workers.flatMap(dropSamples)),
  },
  {
    name: 'perigee_proxy_connections',
    help: 'Client connections open in the proxy',
    type: 'gauge',
    samples: ({ workers }) => one(workers.reduce((all, { connections }) => all + connections, 0)),
  },
  {
    name: 'perigee_proxy_pooled_connections',
    help: 'Idle connections to servers, kept for the next client',
    type: 'gauge',
    samples: ({ workers }) => one(workers.reduce((all, { pooled }) => all + pooled, 0)),
  },
  {
    name: 'perigee_proxy_queued_bytes',
    help: 'Bytes that wait for slow readers',
    type: 'gauge',
    samples: ({ workers }) => one(workers.reduce((all, { queuedBytes }) => all + queuedBytes, 0)),
  },
  {
    name: 'perigee_proxy_rss_bytes',
    help: 'Resident memory of the proxy process',
    type: 'gauge',
    samples: ({ rssBytes }) => one(rssBytes),
  },
  {
    name: 'perigee_proxy_config_revision',
    help: 'Revision of the configuration in force, -1: none yet',
    type: 'gauge',
    samples: ({ revision }) => one(revision),
  },
];

/**
 * The proxy's numbers as Prometheus text. Rendered here: workers count in typed arrays, and a client library would cost
 * memory for counting that nobody asks of it.
 */
export function exposition(numbers: ProxyNumbers): string {
  return families.map((family) => render(family, numbers)).join('');
}

function render({ name, help, type, samples }: Family, numbers: ProxyNumbers): string {
  const lines = samples(numbers).map(
    (sample) => `${sample.metricName ?? name}${labelText(sample.labels)} ${String(sample.value)}\n`,
  );
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(String(value))}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}

function requestSamples({ counters }: WorkerScrape): Sample[] {
  return counters.meters.flatMap((meter) =>
    meter.requests.map(({ method, status, count }) => ({
      value: count,
      labels: { ...parties(meter), method, code: status, path_mode: 'proxied' },
    })),
  );
}

function callSamples({ counters }: WorkerScrape): Sample[] {
  return counters.meters.flatMap((meter) =>
    meter.calls.map(({ status, count }) => ({
      value: count,
      labels: { ...parties(meter), grpc_status: status },
    })),
  );
}

function latencySamples({ counters }: WorkerScrape): Sample[] {
  return counters.meters.flatMap((meter) => {
    let seen = 0;
    const labels = { ...parties(meter), path_mode: 'proxied' };
    const buckets = [...meter.latency].map((count, index) => {
      seen += count;
      const le = LATENCY_BUCKETS[index] ?? '+Inf';
      return {
        value: seen,
        labels: { ...labels, le },
        metricName: 'perigee_http_request_duration_seconds_bucket',
      };
    });
    const total = (suffix: string, value: number): Sample => ({
      value,
      labels,
      metricName: `perigee_http_request_duration_seconds_${suffix}`,
    });
    return [...buckets, total('sum', meter.latencySumNs / 1e9), total('count', seen)];
  });
}

function dropSamples({ counters }: WorkerScrape): Sample[] {
  return [...counters.drops].flatMap((value, reason) => {
    const name = reasonNames[reason];
    return value === 0 || name === undefined ? [] : [{ value, labels: { reason: name } }];
  });
}

function parties(meter: { readonly source: string; readonly destination: string }): Labels {
  return { source_workload: meter.source, destination_workload: meter.destination };
}

function one(value: number): Sample[] {
  return [{ value, labels: {} }];
}

/** Adds up the samples of several workers that have the same labels. */
function sum(samples: readonly Sample[]): Sample[] {
  const sums = new Map<string, Sample>();
  for (const sample of samples) {
    const key = `${sample.metricName ?? ''}${JSON.stringify(sample.labels)}`;
    sums.set(key, { ...sample, value: sample.value + (sums.get(key)?.value ?? 0) });
  }
  return [...sums.values()];
}
