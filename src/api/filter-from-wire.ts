// SPDX-License-Identifier: Apache-2.0
import type { FlowFilter, NamePattern, PathPattern } from '../core/flow-filter.ts';
import { type Flow, flowKinds, type FlowPath, type FlowVerdict, type TcpFlag } from '../core/flow.ts';
import { type ReasonName, reasons } from '../core/reasons.ts';
import { PerigeeError } from '../lib/errors.ts';
import { dropReasonNumbers, dropReasonOf } from './drop-reasons.ts';
import { endpointFilter } from './endpoint-from-wire.ts';
import {
  checkServed,
  invalid,
  isRegex,
  literalPath,
  namePattern,
  oneOf,
  podPattern,
  present,
  read,
  regex,
  statusRange,
  traceId,
} from './filter-fields.ts';
import { eventTypes, verdictOfWire, verdictsToWire } from './flow-to-wire.ts';
import type { WireFilter } from './wire.ts';

const protocols = ['TCP', 'UDP', 'HTTP'] as const;

function protocol(text: string): (typeof protocols)[number] {
  const found = protocols.find((name) => name === text.toUpperCase());
  if (found === undefined)
    throw invalid(`unknown protocol: ${JSON.stringify(text)}`, 'One of tcp, udp, http');
  return found;
}

function verdictOf(name: string): FlowVerdict {
  const found = verdictOfWire(name);
  if (found !== undefined) return found;
  throw invalid(`no flow has the verdict ${name}`, `One of ${Object.values(verdictsToWire).join(', ')}`);
}

const DROP = 1;

function reasonsThat(test: (reason: ReasonName) => boolean): readonly ReasonName[] {
  return (Object.keys(reasons) as ReasonName[]).filter(test);
}

/**
 * What an event type stands for; drops are refused connections, whatever Hubble would call their record, and their
 * sub-types the numbers of reasons.
 */
function eventFilter({
  type = 0,
  match_sub_type: hasSubType = false,
  sub_type: subType = 0,
}: WireEventType): FlowFilter {
  if (type === DROP) {
    const refused: FlowFilter = { kinds: ['verdict', 'close'], verdicts: ['denied'] };
    if (!hasSubType) return refused;
    const isMeant = (reason: ReasonName): boolean => dropReasonNumbers[dropReasonOf(reason)] === subType;
    return { ...refused, reasons: reasonsThat(isMeant) };
  }
  const found = flowKinds.filter((kind) => eventTypes[kind] === type);
  if (found.length === 0) {
    throw invalid(
      `flows of event type ${String(type)} are not recorded`,
      'Use drop (1), trace (4), policy-verdict (5) or l7 (129)',
    );
  }
  // All others are of sub-type 0, which of traces is `to-endpoint`.
  return { kinds: hasSubType && subType !== 0 ? [] : found };
}

type WireEventType = NonNullable<WireFilter['event_type']>[number];

/** Hubble searches in the path; our patterns match it whole, and are sent between anchors. */
function searchPattern(text: string): PathPattern {
  const [, whole] = /^\^\(\?:(.*)\)\$$/su.exec(text) ?? [];
  // The parentheses need not be a pair: `^(?:/a)|(?:/b)$`.
  const value = whole !== undefined && isRegex(whole) ? whole : `.*(?:${regex(text)}).*`;
  return { type: 'RegularExpression', value };
}

function ipFamily(version: string): readonly (4 | 6)[] {
  if (version === 'IP_NOT_USED') return [];
  if (version === 'IPv4' || version === 'IPv6') return [version === 'IPv6' ? 6 : 4];
  throw invalid(`unknown version of IP: ${JSON.stringify(version)}`, 'One of IPv4, IPv6, IP_NOT_USED');
}

/** Header values are not recorded, but for the host. */
function headerHost({ key = '', value = '' }: { readonly key?: string; readonly value?: string }): string {
  if (key.toLowerCase() === 'host') return value;
  throw invalid(`the header ${JSON.stringify(key)} is not recorded`, 'Only Host is');
}

function flagsOf(wire: Readonly<Partial<Record<TcpFlag, boolean>>>): readonly TcpFlag[] {
  return (Object.keys(wire) as TcpFlag[]).filter((flag) => wire[flag] === true);
}

/** `node`, `*`, `k8s*`, `cluster/node`: whether this node is meant. Clusters have no names here. */
function isNode(pattern: string, node: string): boolean {
  const slash = pattern.indexOf('/');
  const cluster = slash === -1 ? '*' : pattern.slice(0, slash);
  const name = pattern.slice(slash + 1);
  if (cluster !== '*' && cluster !== '' && cluster !== 'default') return false;
  if (/[^-\w.*]/.test(name)) {
    throw invalid(`not a node: ${JSON.stringify(pattern)}`, 'Write it as a name, with * for any characters');
  }
  const text = name.replaceAll('.', '\\.').replaceAll('*', '.*');
  return name === '' || new RegExp(`^${text}$`).test(node);
}

function reasonsOf(filter: WireFilter): Pick<FlowFilter, 'reasons' | 'verdicts'> {
  const all = Object.keys(reasons) as ReasonName[];
  const own = read('perigee.reason', filter.perigee?.reason, oneOf('reason', all));
  const wanted = filter.drop_reason_desc ?? [];
  if (wanted.length === 0) return present<FlowFilter>({ reasons: own });
  const dropped = reasonsThat((reason) => wanted.includes(dropReasonOf(reason)));
  return present<FlowFilter>({ reasons: common(own, dropped), verdicts: ['denied'] });
}

function pathsOf({ http_path: searched, perigee }: WireFilter): readonly PathPattern[] | undefined {
  const { http_path_exact: exact, http_path_prefix: prefixes } = perigee ?? {};
  const patterns = [
    ...(read('http_path', searched, searchPattern) ?? []),
    ...(read('perigee.http_path_exact', exact, literalPath('Exact')) ?? []),
    ...(read('perigee.http_path_prefix', prefixes, literalPath('PathPrefix')) ?? []),
  ];
  return patterns.length === 0 ? undefined : patterns;
}

/** The values that all of the lists have that are given. */
function common<T>(...lists: readonly (readonly T[] | undefined)[]): readonly T[] | undefined {
  const given = lists.filter((list) => list !== undefined);
  return given.length === 0
    ? undefined
    : given.reduce((all, list) => all.filter((value) => list.includes(value)));
}

/** Fields of a filter that become one field of ours each. */
function simpleFields(filter: WireFilter): FlowFilter {
  const { perigee } = filter;
  const names = (list: readonly string[] | undefined): readonly NamePattern[] | undefined =>
    read('perigee.policy', list, namePattern);
  return present<FlowFilter>({
    source: endpointFilter(filter, 'source'),
    destination: endpointFilter(filter, 'destination'),
    directions: read(
      'traffic_direction',
      filter.traffic_direction,
      oneOf('direction', ['egress', 'ingress']),
    ),
    protocols: read('protocol', filter.protocol, protocol),
    families: read('ip_version', filter.ip_version, ipFamily)?.flat(),
    paths: read('perigee.path', perigee?.path, oneOf<FlowPath>('path', ['direct', 'inline', 'proxied'])),
    methods: read('http_method', filter.http_method, (method) => method),
    httpPaths: pathsOf(filter),
    urls: read('http_url', filter.http_url, regex),
    services: read('destination_service', filter.destination_service, podPattern),
    hosts: read('http_header', filter.http_header, headerHost),
    statuses: read('http_status_code', filter.http_status_code, statusRange),
    tcpFlags: read('tcp_flags', filter.tcp_flags, flagsOf),
    references: read('perigee.reference', perigee?.reference, (text) => text.toLowerCase()),
    uuids: read('uuid', filter.uuid, (text) => text),
    traces: read('trace_id', filter.trace_id, traceId),
    policies: names(perigee?.policy),
  });
}

/** Whether a filter asks for what no flow of this node has, so that nothing matches. */
function isEmpty(
  { reply = [], node_name: nodes = [], encrypted = [], ...filter }: WireFilter,
  node: string,
): boolean {
  // Nobody connects from the address of a Service.
  if (filter.source_service !== undefined && filter.source_service.length > 0) return true;
  if (encrypted.length > 0 && !encrypted.includes(false)) return true;
  // Whatever end recorded a flow tells it from its client's side: none is a reply.
  if (reply.length > 0 && !reply.includes(false)) return true;
  const named = read('node_name', nodes, (pattern) => isNode(pattern, node));
  return named?.includes(true) === false;
}

/** Parses a filter for flows of a node; one that asks for what is not served is refused, since ignoring it would show too much. */
export function filterFromWire(filter: WireFilter, node: string): readonly FlowFilter[] {
  checkServed(filter);
  const simple = simpleFields(filter);
  const ofReasons = reasonsOf(filter);
  const own = read('perigee.kind', filter.perigee?.kind, oneOf<Flow['kind']>('kind', flowKinds));
  const events = read('event_type', filter.event_type, eventFilter) ?? [{}];
  const verdicts = read('verdict', filter.verdict, verdictOf);
  // Everything is checked by then: a mistake is one whatever else a filter asks for.
  if (isEmpty(filter, node)) return [{ kinds: [] }];
  return events.map((event) => ({
    ...simple,
    ...present<FlowFilter>({
      kinds: common(own, event.kinds),
      reasons: common(ofReasons.reasons, event.reasons),
      verdicts: common(verdicts, event.verdicts, ofReasons.verdicts),
    }),
  }));
}

/** The filters of a list; a fault says which and where. */
export function filtersFromWire(
  filters: readonly WireFilter[],
  list: 'whitelist' | 'blacklist',
  node: string,
): readonly FlowFilter[] {
  return filters.flatMap((filter, index) => {
    try {
      return filterFromWire(filter, node);
    } catch (error) {
      if (!(error instanceof PerigeeError)) throw error;
      throw invalid(`${list}[${String(index)}]: ${error.message}`, error.hint ?? '');
    }
  });
}
