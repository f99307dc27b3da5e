// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { ResourceCondition } from '../api/ports.ts';
import type { FlowSource } from '../core/flow-filter.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { Families } from '../observability/metrics/families.ts';
import type { OtlpCounts } from '../observability/otlp/delivery.ts';
import type { OtlpExport } from '../observability/otlp/export.ts';
import { nodeName } from './host.ts';
import type { Settings } from './settings.ts';
import { version } from './version.ts';

export interface OtlpParts {
  readonly settings: Settings;
  readonly flows: FlowSource;
  /** What a scrape would show. */
  readonly families: () => Promise<Families>;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Headers of a folder, as Kubernetes mounts a Secret: what begins with a dot is its own. Absent files are no headers. */
function headersIn(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), 'utf8').trim()]));
}

function readAuthorities(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new PerigeeError('ERR_SETTINGS_INVALID', `setting otlp.caFile: ${path} can't be read`, {
      object: path,
      cause,
    });
  }
}

/** Begins to send to a collector, if the settings name one; only then its packages are loaded. */
export async function startOtlp(parts: OtlpParts): Promise<OtlpExport | undefined> {
  const { settings, flows, families, log, signal } = parts;
  const { endpoint, headers, headersFolder, caFile, timeoutMs, ...wanted } = settings.otlp;
  if (endpoint === '') return undefined;
  const { startOtlpExport } = await import('../observability/otlp/export.ts');
  const isKubernetes = settings.source === 'kubernetes';
  return startOtlpExport(
    {
      ...{ endpoint, timeoutMs, flows, families, log },
      node: { name: nodeName(settings), version, isKubernetes },
      headers: () => ({ ...headers, ...(headersFolder === '' ? {} : headersIn(headersFolder)) }),
      ca: caFile === '' ? undefined : readAuthorities(caFile),
      metricsMs: wanted.metrics === 'on' ? wanted.metricsIntervalMs : undefined,
      traceRatio: wanted.traces === 'on' ? wanted.traceRatio : undefined,
      logs: wanted.logs,
      perSecond: wanted.maxPerSecond,
      now: () => BigInt(Date.now()) * 1_000_000n,
    },
    signal,
  );
}

/** What of the export is not as it should be. */
export function otlpConditions(otlp: OtlpExport | undefined): readonly ResourceCondition[] {
  return Object.entries(otlp?.problems() ?? {}).map(([signal, why]) => ({
    object: `otlp ${signal}`,
    type: 'Exported',
    status: false,
    reason: 'CollectorFails',
    message: `the OpenTelemetry collector does not take what it is sent: ${why}`,
  }));
}

/** Totals for the agent's own metrics. */
export function otlpTotals(
  otlp: OtlpExport | undefined,
): readonly { readonly signal: string; readonly outcome: keyof OtlpCounts; readonly count: number }[] {
  const outcomes = ['sent', 'failed', 'missed'] as const;
  return Object.entries(otlp?.counts() ?? {}).flatMap(([signal, counts]) =>
    outcomes.map((outcome) => ({ signal, outcome, count: counts[outcome] })),
  );
}
