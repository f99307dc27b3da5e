// SPDX-License-Identifier: Apache-2.0
// The receiver of OpenTelemetry's collector (make build/test-go/otlp), and what it understood.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from './lab.ts';

const program = join(import.meta.dirname, '../../build/test-go/otlp');
const LOOPBACK = '127.0.0.1';

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

type Attributes = Readonly<Record<string, string | number | undefined>>;

export function attributesOf(from: { readonly attributes?: readonly Attribute[] }): Attributes {
  const pairs = (from.attributes ?? []).map(({ key, value }) => [
    key,
    value.stringValue ?? value.doubleValue ?? Number(value.intValue),
  ]);
  return Object.fromEntries(pairs) as Attributes;
}

export interface CollectorOptions {
  /** Its address; default: 127.0.0.1. */
  readonly host?: string;
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
    const { host = LOOPBACK, port, file, tls } = options;
    const files = tls === undefined ? [] : [tls.certificate, tls.key];
    const child = spawn(program, [`${host}:${String(port)}`, file, ...files], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    await until('the collector to listen', () => isListening(host, port));
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

  /** Spans with whose they are. */
  spans(): readonly (ReceivedSpan & { readonly resource: Attributes })[] {
    return this.#lines()
      .flatMap(({ message }) => message.resourceSpans ?? [])
      .flatMap(({ resource, scopeSpans }) =>
        scopeSpans
          .flatMap(({ spans }) => spans)
          .map((span) => ({ ...span, resource: attributesOf(resource) })),
      );
  }

  logs(): readonly ReceivedLog[] {
    return this.#lines()
      .flatMap(({ message }) => message.resourceLogs ?? [])
      .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
  }

  /** Whom the messages of a signal are about, each as often as it comes. */
  resources(signal: Line['signal']): readonly Attributes[] {
    return this.#lines()
      .filter((line) => line.signal === signal)
      .flatMap(({ message }) => [
        ...(message.resourceSpans ?? []),
        ...(message.resourceLogs ?? []),
        ...(message.resourceMetrics ?? []),
      ])
      .map(({ resource }) => attributesOf(resource));
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

function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
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

/** An authority of its own with a certificate for an address; paths of PEM files in `folder`. */
export function makeAuthority(folder: string, name: string, address = LOOPBACK): Authority {
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
    ...['-addext', `subjectAltName=IP:${address}`, '-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-keyout', key, '-out', certificate],
  );
  return { ca, certificate, key };
}
