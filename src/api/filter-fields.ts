// SPDX-License-Identifier: Apache-2.0
import type { NamePattern, PathPattern, StatusRange } from '../core/flow-filter.ts';
import { parseRegex } from '../core/regex/regex.ts';
import { PerigeeError } from '../lib/errors.ts';
import type { WireFilter } from './wire.ts';

const served: ReadonlySet<string> = new Set<keyof WireFilter>([
  'uuid',
  'trace_id',
  'source_ip',
  'source_pod',
  'source_fqdn',
  'source_label',
  'source_workload',
  'source_port',
  'source_identity',
  'destination_ip',
  'destination_pod',
  'destination_fqdn',
  'destination_label',
  'destination_workload',
  'destination_port',
  'destination_identity',
  'traffic_direction',
  'verdict',
  'event_type',
  'http_status_code',
  'protocol',
  'reply',
  'http_method',
  'http_path',
  'http_url',
  'http_header',
  'tcp_flags',
  'node_name',
  'ip_version',
  'source_service',
  'destination_service',
  'encrypted',
  'drop_reason_desc',
  'perigee',
]);

export function invalid(message: string, hint: string): PerigeeError {
  return new PerigeeError('ERR_FILTER_INVALID', message, { hint });
}

const oneCluster = 'flows are of one cluster';

/** What flows can't be told apart by, and why. */
export const unserved: Readonly<Record<string, string>> = {
  dns_query: 'of DNS the names of addresses are read alone, by `--fqdn`',
  interface: 'connections are seen at their sockets, not at an interface',
  source_ip_xlated: 'no address of a client is translated',
  ip_trace_id: 'the options of packets are not read',
  node_labels: 'flows carry no labels of nodes; `--node-name` takes patterns',
  source_cluster_name: oneCluster,
  destination_cluster_name: oneCluster,
  experimental: 'expressions are not evaluated; `--allowlist` and `--denylist` combine filters',
};

/** Refuses a filter that has a field which flows can't be told apart by: ignoring it would show too much. */
export function checkServed(filter: WireFilter): void {
  const field = Object.keys(filter).find((name) => !served.has(name));
  if (field === undefined) return;
  const why = Object.hasOwn(unserved, field) ? `: ${unserved[field] ?? ''}` : '';
  throw invalid(`flows can't be filtered by ${field}${why}`, 'Leave this filter out');
}

/** The values of a field, if it has some: a list that holds nothing matches everything. A fault names the field. */
export function read<T, U>(
  field: string,
  values: readonly T[] | undefined,
  convert: (value: T) => U,
): readonly U[] | undefined {
  if (values === undefined || values.length === 0) return undefined;
  try {
    return values.map((value) => convert(value));
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    throw invalid(`${field}: ${error.message}`, error.hint ?? '');
  }
}

/** Drops the keys whose value is undefined. */
export function present<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

function emptyName(): PerigeeError {
  return invalid('a name is empty', 'Write it as namespace/name, namespace/ or name');
}

/**
 * `ns/`, `ns/name` or `name`: of a pod or a Service by a prefix, in Hubble's `default` namespace if it has none. `/` is
 * whoever has a name.
 */
export function podPattern(text: string): NamePattern {
  if (text === '') throw emptyName();
  const slash = text.indexOf('/');
  const namespace = slash === -1 ? 'default' : text.slice(0, slash);
  const name = text.slice(slash + 1);
  if (namespace === '') return { name, prefix: true };
  return { namespace, ...(name === '' ? {} : { name, prefix: true }) };
}

/** `ns/name` or `name`: exactly, in any namespace if it has none. */
export function namePattern(text: string): NamePattern {
  if (text === '') throw emptyName();
  const slash = text.indexOf('/');
  if (slash === -1) return { name: text };
  const name = text.slice(slash + 1);
  return { namespace: text.slice(0, slash), ...(name === '' ? {} : { name }) };
}

/** One of the names that the table has. */
export function oneOf<Name extends string>(what: string, table: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = table.find((name) => name === text.toLowerCase());
    if (found === undefined)
      throw invalid(`unknown ${what}: ${JSON.stringify(text)}`, `One of ${table.join(', ')}`);
    return found;
  };
}

/** `404`, or Hubble's prefixes `4+` and `40+`. */
export function statusRange(text: string): StatusRange {
  if (!/^[1-5](\d\d|\d?\+)$/.test(text))
    throw invalid(`not an HTTP status: ${JSON.stringify(text)}`, 'Write it as 404, 40+ or 4+');
  const digits = text.replace('+', '');
  return { from: Number(digits.padEnd(3, '0')), to: Number(digits.padEnd(3, '9')) };
}

/** A path as it is; an empty prefix would be one of all. */
export function literalPath(type: 'Exact' | 'PathPrefix'): (value: string) => PathPattern {
  return (value) => {
    if (value !== '') return { type, value };
    throw invalid('a path is empty', 'Write it as /path');
  };
}

export function traceId(text: string): string {
  if (/^[0-9a-f]{32}$/i.test(text)) return text.toLowerCase();
  throw invalid(`not a trace id: ${JSON.stringify(text)}`, 'A trace id is 32 hex digits');
}

/** Whether it is one in RE2 syntax. */
export function isRegex(text: string): boolean {
  return !('problem' in parseRegex(text));
}

/** A regular expression in RE2 syntax. */
export function regex(text: string): string {
  const parsed = parseRegex(text);
  if (!('problem' in parsed)) return text;
  throw invalid(
    `not a regular expression: ${JSON.stringify(text)}`,
    `${parsed.problem.message}, at character ${String(parsed.problem.position + 1)}; the syntax is RE2's`,
  );
}
