// SPDX-License-Identifier: Apache-2.0
// The receiver of OpenTelemetry's collector (make build/test-go/otlp), and what it understood.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from './lab.ts';

const program = join(import.meta.dirname, '../../build/test-go/otlp');

interface Attribute {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: string;
    readonly doubleValue?: number;
  };
}

interface Resource {
  readonly attributes: readonly Attribute[];
}

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  /** 2: server, 3: client. */
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number };
  readonly attributes: readonly Attribute[];
}

export interface ReceivedLog {
  readonly severityText: string;
  readonly body: { readonly stringValue: string };
  readonly eventName: string;
  readonly traceId?: string;
  readonly attributes: readonly Attribute[];
}

interface Points {
  readonly dataPoints: readonly {
    readonly attributes?: readonly Attribute[];
    readonly asDouble?: number;
    readonly count?: string;
    readonly bucketCounts?: readonly string[];
  }[];
}

export interface ReceivedMetric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: Points & { readonly isMonotonic: boolean };
  readonly gauge?: Points;
  readonly histogram?: Points;
}

interface Line {
  readonly signal: 'metrics' | 'logs' | 'traces';
  readonly authorization: readonly string[];
  readonly message: {
    readonly resourceSpans?: readonly {
      readonly resource: Resource;
      readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
    }[];
    readonly resourceLogs?: readonly {
      readonly resource: Resource;
      readonly scopeLogs: readonly { readonly logRecords: readonly ReceivedLog[] }[];
    }[];
    readonly resourceMetrics?: readonly {
      readonly resource: Resource;
      readonly scopeMetrics: readonly { readonly metrics: readonly ReceivedMetric[] }[];
    }[];
  };
}

export function attributesOf(from: {
  readonly attributes?: readonly Attribute[];
}): Readonly<Record<string, string | number | undefined>> {
  const pairs = (from.attributes ?? []).map(({ key, value }) => [
    key,
    value.stringValue ?? value.doubleValue ?? Number(value.intValue),
  ]);
  return Object.fromEntries(pairs) as Record<string, string | number | undefined>;
}

export interface CollectorOptions {
  readonly port: number;
  /** Gets a line of JSON for each request; several collectors may write the same one after the other. */
  readonly file: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export class OtlpCollector {
  readonly #options: CollectorOptions;
  readonly #child: ChildProcess;

  private constructor(options: CollectorOptions, child: ChildProcess) {
    this.#options = options;
    this.#child = child;
  }

  static async start(options: CollectorOptions): Promise<OtlpCollector> {
    const { port, file, tls } = options;
    const files = tls === undefined ? [] : [tls.certificate, tls.key];
    const child = spawn(program, [`127.0.0.1:${String(port)}`, file, ...files], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    await until('the collector to listen', () => isListening(port));
    return new OtlpCollector(options, child);
  }

  #lines(): readonly Line[] {
    const { file } = this.#options;
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as Line);
  }

  /** Values of the header `authorization` that came with any signal. */
  authorizations(): ReadonlySet<string> {
    return new Set(this.#lines().flatMap(({ authorization }) => authorization));
  }

  /** Spans with the name of their service. */
  spans(): readonly (ReceivedSpan & { readonly service: string })[] {
    return this.#lines()
      .flatMap(({ message }) => message.resourceSpans ?? [])
      .flatMap(({ resource, scopeSpans }) =>
        scopeSpans
          .flatMap(({ spans }) => spans)
          .map((span) => ({ ...span, service: String(attributesOf(resource)['service.name']) })),
      );
  }

  logs(): readonly ReceivedLog[] {
    return this.#lines()
      .flatMap(({ message }) => message.resourceLogs ?? [])
      .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
  }

  metrics(): readonly ReceivedMetric[] {
    return this.#lines()
      .flatMap(({ message }) => message.resourceMetrics ?? [])
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
  }

  async end(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export interface Authority {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** An authority of its own with a certificate for 127.0.0.1; paths of PEM files in `folder`. */
export function makeAuthority(folder: string, name: string): Authority {
  const path = (suffix: string): string => join(folder, `${name}-${suffix}`);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const [ca, caKey, certificate, key] = ['ca.pem', 'ca.key', 'server.pem', 'server.key'].map(path) as [
    string,
    string,
    string,
    string,
  ];
  openssl('req', '-x509', ...curve, '-days', '2', '-subj', `/CN=${name}`, '-keyout', caKey, '-out', ca);
  openssl(
    ...['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=collector', '-CA', ca, '-CAkey', caKey],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', key, '-out', certificate],
  );
  return { ca, certificate, key };
}
