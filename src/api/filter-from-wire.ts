// SPDX-License-Identifier: Apache-2.0
import type {
  EndpointFilter,
  FlowFilter,
  NamePattern,
  PathPattern,
  StatusRange,
} from '../core/flow-filter.ts';
import type { Flow, FlowPath, FlowVerdict } from '../core/flow.ts';
import { type ReasonName, reasons } from '../core/reasons.ts';
import { PerigeeError } from '../lib/errors.ts';
import { dropReasonOf } from './drop-reasons.ts';
import { verdictsFromWire } from './flow-from-wire.ts';
import { eventTypes } from './flow-to-wire.ts';
import { parseLabelSelector } from './label-selector.ts';
import type { WireFilter } from './wire.ts';

const served = new Set([
  'uuid',
  'source_ip',
  'source_pod',
  'source_label',
  'source_workload',
  'source_port',
  'source_identity',
  'destination_ip',
  'destination_pod',
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
  'ip_version',
  'drop_reason_desc',
  'perigee',
]);

function invalid(message: string, hint: string): PerigeeError {
  return new PerigeeError('ERR_FILTER_INVALID', message, { hint });
}

/** Fields that are there, or else a list that holds nothing matches everything. */
function given<T, U>(values: readonly T[] | undefined, convert: (value: T) => U): readonly U[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values.map(convert);
}

/** Drops the keys whose value is undefined. */
function present<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}

/** `ns/`, `ns/name` or `name`. A pod is named by a prefix, in Hubble's `default` namespace if it has none. */
function podPattern(text: string): NamePattern {
  const slash = text.indexOf('/');
  const namespace = slash === -1 ? 'default' : text.slice(0, slash);
  const name = text.slice(slash + 1);
  return { ...(namespace === '' ? {} : { namespace }), ...(name === '' ? {} : { name, prefix: true }) };
}

/** `ns/name` or `name`: exactly, in any namespace if it has none. */
function namePattern(text: string): NamePattern {
  const slash = text.indexOf('/');
  if (slash === -1) return { name: text };
  const name = text.slice(slash + 1);
  return { namespace: text.slice(0, slash), ...(name === '' ? {} : { name }) };
}

function port(text: string): number {
  const number = Number(text);
  if (/^\d{1,5}$/.test(text) && number <= 65535) return number;
  throw invalid(`not a port: ${JSON.stringify(text)}`, 'Ports are numbers from 0 to 65535');
}

/** `404`, or Hubble's prefixes `4+` and `40+`. */
function statusRange(text: string): StatusRange {
  if (!/^[1-5](\d\d|\d?\+)$/.test(text)) {
    throw invalid(`not an HTTP status: ${JSON.stringify(text)}`, 'Write it as 404, 40+ or 4+');
  }
  const digits = text.replace('+', '');
  return { from: Number(digits.padEnd(3, '0')), to: Number(digits.padEnd(3, '9')) };
}

const protocols: Readonly<Record<string, 'TCP' | 'UDP' | 'HTTP'>> = { tcp: 'TCP', udp: 'UDP', http: 'HTTP' };

function protocol(text: string): 'TCP' | 'UDP' | 'HTTP' {
  const found = protocols[text.toLowerCase()];
  if (found === undefined)
    throw invalid(`unknown protocol: ${JSON.stringify(text)}`, 'One of tcp, udp, http');
  return found;
}

function verdictOf(name: string): FlowVerdict {
  const found = verdictsFromWire[name];
  if (found !== undefined) return found;
  throw invalid(`no flow has the verdict ${name}`, `One of ${Object.keys(verdictsFromWire).join(', ')}`);
}

/** One of the names that the table has. */
function oneOf<Name extends string>(what: string, table: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = table.find((name) => name === text.toLowerCase());
    if (found === undefined)
      throw invalid(`unknown ${what}: ${JSON.stringify(text)}`, `One of ${table.join(', ')}`);
    return found;
  };
}

function kindOf({ type = 0 }: { readonly type?: number }): Flow['kind'] {
  const found = Object.entries(eventTypes).find(([, number]) => number === type);
  if (found !== undefined) return found[0] as Flow['kind'];
  throw invalid(
    `flows of event type ${String(type)} are not recorded`,
    'Use l7 (129), policy-verdict (5) or trace (4)',
  );
}

/** Hubble searches in the path; our patterns match it whole. */
function searchPattern(text: string): PathPattern {
  const whole = /^\^\(\?:(.*)\)\$$/su.exec(text);
  return { type: 'RegularExpression', value: whole?.[1] ?? `.*(?:${text}).*` };
}

function reservedEntity(label: string): string | undefined {
  return /^reserved:(\w+)$/.exec(label)?.[1];
}

function endpointFilter(filter: WireFilter, side: 'source' | 'destination'): EndpointFilter | undefined {
  const labels = filter[`${side}_label`] ?? [];
  const reserved = labels.map(reservedEntity).filter((entity) => entity !== undefined);
  const selectors = labels.filter((label) => reservedEntity(label) === undefined);
  if (reserved.length > 0 && selectors.length > 0) {
    throw invalid('a filter mixes reserved labels and others', 'Send them as two filters');
  }
  const pods = filter[`${side}_pod`];
  const names = filter[`${side}_workload`];
  if ((pods?.length ?? 0) > 0 && (names?.length ?? 0) > 0) {
    throw invalid('a filter names both pods and workloads', 'Send them as two filters');
  }
  const result = present<EndpointFilter>({
    names: given(pods, podPattern) ?? given(names, ({ name = '' }) => namePattern(name)),
    addresses: given(filter[`${side}_ip`], (text) => text),
    ports: given(filter[`${side}_port`], port),
    identities: given(filter[`${side}_identity`], (id) => id),
    labels: given(selectors, parseLabelSelector),
    entities: given([...reserved, ...(filter.perigee?.[`${side}_entity`] ?? [])], (entity) => entity),
  });
  return Object.keys(result).length === 0 ? undefined : result;
}

function reasonsOf(filter: WireFilter): readonly ReasonName[] | undefined {
  const all = Object.keys(reasons) as ReasonName[];
  const wanted = filter.drop_reason_desc ?? [];
  if (wanted.length === 0) return given(filter.perigee?.reason, oneOf('reason', all));
  return all.filter((reason) => wanted.includes(dropReasonOf(reason)));
}

function pathsOf(filter: WireFilter): readonly PathPattern[] | undefined {
  const patterns = [
    ...(filter.http_path ?? []).map(searchPattern),
    ...(filter.perigee?.http_path_exact ?? []).map((value): PathPattern => ({ type: 'Exact', value })),
    ...(filter.perigee?.http_path_prefix ?? []).map((value): PathPattern => ({ type: 'PathPrefix', value })),
  ];
  return patterns.length === 0 ? undefined : patterns;
}

/** Parses a filter; one that asks for what is not served is refused, since ignoring it would show too much. */
export function filterFromWire(filter: WireFilter): FlowFilter {
  const unknown = Object.keys(filter).find((field) => !served.has(field));
  if (unknown !== undefined) throw invalid(`flows can't be filtered by ${unknown}`, 'Leave this filter out');
  const { perigee } = filter;
  const kinds =
    given(filter.event_type, kindOf) ?? given(perigee?.kind, oneOf('kind', ['verdict', 'close', 'request']));
  // Perigee records a flow once, from its client's side: none is a reply.
  const onlyReplies = filter.reply !== undefined && filter.reply.length > 0 && !filter.reply.includes(false);
  return present<FlowFilter>({
    source: endpointFilter(filter, 'source'),
    destination: endpointFilter(filter, 'destination'),
    kinds: onlyReplies ? [] : kinds,
    verdicts: given(filter.verdict, verdictOf),
    reasons: reasonsOf(filter),
    directions: given(filter.traffic_direction, oneOf('direction', ['egress', 'ingress'])),
    protocols: given(filter.protocol, protocol),
    families: given(filter.ip_version, (version) => (version === 'IPv6' ? 6 : 4)),
    paths: given(perigee?.path, oneOf<FlowPath>('path', ['direct', 'inline', 'proxied'])),
    methods: given(filter.http_method, (method) => method),
    httpPaths: pathsOf(filter),
    statuses: given(filter.http_status_code, statusRange),
    references: given(perigee?.reference, (text) => text.toLowerCase()),
    uuids: given(filter.uuid, (text) => text),
    policies: given(perigee?.policy, namePattern),
  });
}
