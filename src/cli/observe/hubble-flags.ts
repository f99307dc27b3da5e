// SPDX-License-Identifier: Apache-2.0
import { filterFromWire } from '../../api/filter-from-wire.ts';
import type { WireFilter } from '../../api/wire.ts';
import type { FlowFilter } from '../../core/flow-filter.ts';
import { PerigeeError } from '../../lib/errors.ts';

/** A filter of `hubble observe`, which means the same here. */
export interface HubbleFlag {
  readonly argument: string;
  /** For people. */
  readonly selects: string;
  /** In Hubble's filter; of an end without its side. */
  readonly field: string;
  readonly value: (text: string, namespace: string | undefined) => unknown;
}

const asItIs = (text: string): string => text;

/** A name without a namespace is in that of `--namespace`. */
function named(text: string, namespace: string | undefined): string {
  return text.includes('/') || namespace === undefined ? text : `${namespace}/${text}`;
}

function identity(text: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (id <= 0xffff_ffff) return id;
  throw new PerigeeError('ERR_FILTER_INVALID', `not an identity: ${JSON.stringify(text)}`);
}

/** Flags of either end, and with `from-` or `to-` before the name of one. */
export const endFlags = {
  pod: { argument: '<name>', selects: '[namespace/]prefix of the name', field: 'pod', value: named },
  label: { argument: '<selector>', selects: 'labels, as kubectl selects', field: 'label', value: asItIs },
  fqdn: {
    argument: '<name>',
    selects: 'name that DNS gave the address, with *',
    field: 'fqdn',
    value: asItIs,
  },
  ip: { argument: '<address>', selects: 'address or CIDR', field: 'ip', value: asItIs },
  port: { argument: '<port>', selects: 'port', field: 'port', value: asItIs },
  identity: { argument: '<number>', selects: 'identity', field: 'identity', value: identity },
  service: {
    argument: '<name>',
    selects: '[namespace/]prefix of the Service that was asked for',
    field: 'service',
    value: named,
  },
} as const satisfies Readonly<Record<string, HubbleFlag>>;

/** Of one end alone, likewise: `--namespace` and `--workload` are more than Hubble's. */
export const sideFlags = {
  namespace: {
    argument: '<name>',
    selects: 'namespace',
    field: 'workload',
    value: (text) => ({ name: `${text}/` }),
  },
  workload: {
    argument: '<name>',
    selects: '[namespace/]name',
    field: 'workload',
    value: (text, namespace) => ({ name: named(text, namespace) }),
  },
} as const satisfies Readonly<Record<string, HubbleFlag>>;

const tcpFlagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS'];

function tcpFlags(text: string): Readonly<Record<string, true>> {
  const flags = text.toUpperCase().split(',');
  const unknown = flags.find((flag) => !tcpFlagNames.includes(flag));
  if (unknown === undefined) return Object.fromEntries(flags.map((flag) => [flag, true]));
  throw new PerigeeError('ERR_FILTER_INVALID', `not a TCP flag: ${JSON.stringify(unknown)}`);
}

function header(text: string): { readonly key: string; readonly value: string } {
  const [key = '', ...value] = text.split(':');
  return { key, value: value.join(':') };
}

/** The number of a name. */
function numbered(what: string, table: Readonly<Record<string, unknown>>): (text: string) => unknown {
  return (text) => {
    if (Object.hasOwn(table, text.toLowerCase())) return table[text.toLowerCase()];
    const names = Object.keys(table).join(', ');
    throw new PerigeeError('ERR_FILTER_INVALID', `not ${what}: ${JSON.stringify(text)}`, {
      hint: `One of ${names}`,
    });
  };
}

const family = numbered('a version of IP', { v4: 'IPv4', v6: 'IPv6', none: 'IP_NOT_USED' });
const eventType = numbered('a type of events', {
  drop: { type: 1 },
  trace: { type: 4 },
  'policy-verdict': { type: 5 },
  l7: { type: 129 },
});

export const flowFlags = {
  type: {
    argument: '<type>',
    selects: 'drop, trace, policy-verdict, l7',
    field: 'event_type',
    value: eventType,
  },
  'tcp-flags': {
    argument: '<flags>',
    selects: 'syn, ack, fin,ack, rst',
    field: 'tcp_flags',
    value: tcpFlags,
  },
  'ip-version': { argument: '<version>', selects: 'v4, v6', field: 'ip_version', value: family },
  'drop-reason-desc': {
    argument: '<reason>',
    selects: "a reason as Hubble's clients are told it",
    field: 'drop_reason_desc',
    value: asItIs,
  },
  'traffic-direction': {
    argument: '<side>',
    selects: 'as --direction',
    field: 'traffic_direction',
    value: asItIs,
  },
  'http-method': { argument: '<method>', selects: 'as --method', field: 'http_method', value: asItIs },
  'http-path': {
    argument: '<regex>',
    selects: 'found in the path, RE2 syntax',
    field: 'http_path',
    value: asItIs,
  },
  'http-url': { argument: '<regex>', selects: 'found in the URL', field: 'http_url', value: asItIs },
  'http-status': { argument: '<status>', selects: '404, 40+, 4+', field: 'http_status_code', value: asItIs },
  'http-header': { argument: '<header>', selects: 'Host:name', field: 'http_header', value: header },
  'trace-id': { argument: '<id>', selects: 'as --trace', field: 'trace_id', value: asItIs },
  uuid: { argument: '<uuid>', selects: 'the flow that has it', field: 'uuid', value: asItIs },
} as const satisfies Readonly<Record<string, HubbleFlag>>;

type Camel<Text extends string> = Text extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Text;
type EndName = keyof typeof endFlags;
type SideName = EndName | keyof typeof sideFlags;

/** Values as typed, by the names that commander gives the flags. */
export type HubbleFlags = Readonly<
  Partial<
    Record<Camel<EndName | `from-${SideName}` | `to-${SideName}` | keyof typeof flowFlags>, readonly string[]>
  >
>;

/** As typed, but for the dashes before it. */
export function flagName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function valuesOf(flags: HubbleFlags, name: string): readonly string[] {
  const key = name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return (flags as Readonly<Record<string, readonly string[] | undefined>>)[key] ?? [];
}

type Fields = Readonly<Record<string, readonly unknown[]>>;

function combined(one: Fields, other: Fields): Fields {
  const twice = Object.keys(one).find((field) => Object.hasOwn(other, field));
  if (twice === undefined) return { ...one, ...other };
  throw new PerigeeError('ERR_FILTER_INVALID', `two flags ask for the same (${twice})`);
}

type Table = Readonly<Record<string, HubbleFlag>>;

/** What the flags of a table ask for, each with `prefix` before its name and `side` before its field. */
function fieldsOf(
  flags: HubbleFlags,
  namespace: string | undefined,
  table: Table,
  { prefix = '', side = '' }: { readonly prefix?: string; readonly side?: string } = {},
): Fields {
  const given = Object.entries(table).flatMap(([name, flag]): Fields[] => {
    const texts = valuesOf(flags, `${prefix}${name}`);
    const { field, value } = flag;
    return texts.length === 0 ? [] : [{ [`${side}${field}`]: texts.map((text) => value(text, namespace)) }];
  });
  return given.reduce(combined, {});
}

/** As Hubble does: what is asked of either end is asked of both as sources, or of both as destinations. */
function wireFilters(flags: HubbleFlags, namespace: string | undefined): readonly Fields[] {
  const ofEnds = { ...endFlags, ...sideFlags };
  const common = [
    fieldsOf(flags, namespace, flowFlags),
    fieldsOf(flags, namespace, ofEnds, { prefix: 'from-', side: 'source_' }),
    fieldsOf(flags, namespace, ofEnds, { prefix: 'to-', side: 'destination_' }),
  ].reduce(combined);
  const either = ['source_', 'destination_']
    .map((side) => fieldsOf(flags, namespace, endFlags, { side }))
    .filter((fields) => Object.keys(fields).length > 0);
  return either.length === 0 ? [common] : either.map((fields) => combined(common, fields));
}

/** Alternatives, one at least. Throws ERR_FILTER_INVALID. */
export function filtersOfFlags(flags: HubbleFlags, namespace: string | undefined): readonly FlowFilter[] {
  return wireFilters(flags, namespace).flatMap((wire) => filterFromWire(wire as WireFilter, ''));
}
