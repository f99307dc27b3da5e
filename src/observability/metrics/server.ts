// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { PerigeeError } from '../../lib/errors.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import { metricDefinitions } from './definitions.ts';
import { Exemplars } from './exemplars.ts';
import { prometheusText } from './families.ts';
import { OPEN_METRICS_TYPE, openMetricsText, wantsOpenMetrics } from './open-metrics.ts';

export interface MetricsServerOptions {
  /** `127.0.0.1:9975`, `[::1]:9975`; port 0 takes a free one. */
  readonly address: string;
  readonly metrics: AgentMetrics;
  /** What readiness waits for; empty: ready. */
  readonly waitingFor: () => readonly string[];
  /** Requests that stand for those of a bucket, for scrapers that take them. Default: none. */
  readonly exemplars?: () => Promise<Exemplars>;
}

export interface MetricsServer {
  /** Where it listens, `address:port`. */
  readonly address: string;
  close(): Promise<void>;
}

function parseListenAddress(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3] ?? NaN);
  if (port <= 65535 && (isIP(host) !== 0 || host === 'localhost')) return { host, port };
  throw new PerigeeError('ERR_METRICS_ADDRESS', `not an address to listen on: ${JSON.stringify(text)}`, {
    object: 'metricsAddress',
    hint: 'Write it as 127.0.0.1:9975 or [::1]:9975',
  });
}

function answer(response: ServerResponse, status: number, text: string): void {
  const type = 'text/plain; charset=utf-8';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(`${text}\n`);
}

/** Serves /metrics for Prometheus, /healthz (this process turns its loop) and /readyz (all is in force). */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const { metrics, waitingFor, exemplars = () => Promise.resolve(new Exemplars()) } = options;
  const { host, port } = parseListenAddress(options.address);
  const scrape = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const families = await metrics.families();
    const isOpen = wantsOpenMetrics(request.headers.accept);
    const text = isOpen
      ? openMetricsText(families, metricDefinitions.requestDuration.name, await exemplars())
      : prometheusText(families);
    const type = isOpen ? OPEN_METRICS_TYPE : metrics.registry.contentType;
    response.writeHead(200, { 'content-type': type, vary: 'accept' }).end(text);
  };
  const server = createServer((request, response) => {
    const [path] = (request.url ?? '/').split('?', 1);
    const waits = waitingFor();
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(response, 405, 'method not allowed');
    else if (path === '/metrics') {
      scrape(request, response).catch((error: unknown) => {
        answer(response, 500, `cannot read the metrics: ${String(error)}`);
      });
    } else if (path === '/healthz') answer(response, 200, 'ok');
    else if (path !== '/readyz') answer(response, 404, 'not found: try /metrics, /healthz or /readyz');
    else if (waits.length === 0) answer(response, 200, 'ok');
    else answer(response, 503, `waiting for ${waits.join(', ')}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const hint = 'Free the port, or set another one with --metrics-address';
      const message = `cannot listen for metrics: ${cause.code ?? cause.message}`;
      reject(new PerigeeError('ERR_METRICS_LISTEN', message, { object: options.address, hint, cause }));
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: `${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${String(bound.port)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
