// SPDX-License-Identifier: Apache-2.0
import type {
  EndpointFilter,
  FlowFilter,
  FlowQuery,
  NamePattern,
  PathPattern,
} from '../../core/flow-filter.ts';
import { flowKinds } from '../../core/flow.ts';
import { parseAddress } from '../../core/identity/address.ts';
import { entities } from '../../core/identity/peer-identity.ts';
import { parsePrefix } from '../../core/identity/prefix.ts';
import { type ReasonName, reasons } from '../../core/reasons.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { parseTime } from './time.ts';

/** The flags of `observe` that choose flows, as commander gives them. */
export interface FilterFlags {
  readonly last?: string;
  readonly first?: string;
  readonly all?: boolean;
  readonly follow?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly namespace?: string;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly workload?: readonly string[];
  readonly verdict?: readonly string[];
  readonly protocol?: readonly string[];
  readonly method?: readonly string[];
  readonly path?: readonly string[];
  readonly pathPrefix?: readonly string[];
  readonly pathRegex?: readonly string[];
  readonly status?: readonly string[];
  readonly port?: readonly string[];
  readonly reason?: readonly string[];
  readonly reference?: readonly string[];
  readonly trace?: readonly string[];
  readonly direction?: readonly string[];
  readonly via?: readonly string[];
  readonly policy?: readonly string[];
  readonly kind?: readonly string[];
  readonly input?: string;
}

/** How many flows are shown unless told. */
const DEFAULT_LAST = 20;

export function usageError(message: string, hint: string): PerigeeError {
  return new PerigeeError('ERR_USAGE', message, { hint });
}

function choice<Name extends string>(flag: string, names: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = names.find((name) => name.toLowerCase() === text.toLowerCase());
    if (found !== undefined) return found;
    throw usageError(`${flag}: unknown value ${JSON.stringify(text)}`, `One of ${names.join(', ')}`);
  };
}

function count(flag: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usageError(`${flag}: not a number: ${JSON.stringify(text)}`, 'Give a whole number from 1');
}

function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= 65535) return value;
  throw usageError(`--port: not a port: ${JSON.stringify(text)}`, 'Ports are numbers from 1 to 65535');
}

function statusRange(text: string): { from: number; to: number } {
  if (!/^[1-5](\d\d|\d?[+x]|xx)$/i.test(text)) {
    throw usageError(`--status: not a status: ${JSON.stringify(text)}`, 'Write it as 403, 40+ or 4xx');
  }
  const digits = text.replace(/\D/g, '');
  return { from: Number(digits.padEnd(3, '0')), to: Number(digits.padEnd(3, '9')) };
}

function name(text: string, namespace: string | undefined): NamePattern {
  const slash = text.indexOf('/');
  if (slash === -1) return { name: text, ...(namespace === undefined ? {} : { namespace }) };
  const [own, rest] = [text.slice(0, slash), text.slice(slash + 1)];
  return { ...(own === '' ? {} : { namespace: own }), ...(rest === '' ? {} : { name: rest }) };
}

/** Workloads by name, addresses and CIDRs, or entities: whatever the texts look like, all of one sort. */
function endpoint(flag: string, texts: readonly string[], namespace: string | undefined): EndpointFilter {
  const isAddress = (text: string): boolean => (parseAddress(text) ?? parsePrefix(text)) !== undefined;
  const isEntity = (text: string): boolean =>
    entities.some((one) => one.toLowerCase() === text.toLowerCase());
  if (texts.every(isAddress)) return { addresses: texts };
  if (texts.every(isEntity)) return { entities: texts };
  if (texts.some(isAddress) || texts.some(isEntity)) {
    throw usageError(
      `${flag}: workloads, addresses and entities can't be mixed`,
      'Ask for one sort at a time',
    );
  }
  return { names: texts.map((text) => name(text, namespace)) };
}

/** Filters for the two ends; several are alternatives. */
function ends(flags: FilterFlags): readonly FlowFilter[] {
  const { from, to, workload, namespace } = flags;
  if (workload !== undefined && (from ?? to) !== undefined) {
    throw usageError("--workload can't be combined with --from or --to", '--workload X means from X or to X');
  }
  if (workload !== undefined) {
    const end = endpoint('--workload', workload, namespace);
    return [{ source: end }, { destination: end }];
  }
  if (from !== undefined || to !== undefined) {
    return [
      {
        ...(from === undefined ? {} : { source: endpoint('--from', from, namespace) }),
        ...(to === undefined ? {} : { destination: endpoint('--to', to, namespace) }),
      },
    ];
  }
  if (namespace === undefined) return [{}];
  const end = { names: [{ namespace }] };
  return [{ source: end }, { destination: end }];
}

function paths(flags: FilterFlags): readonly PathPattern[] {
  const list = (values: readonly string[] | undefined, type: PathPattern['type']): readonly PathPattern[] =>
    (values ?? []).map((value) => ({ type, value }));
  return [
    ...list(flags.path, 'Exact'),
    ...list(flags.pathPrefix, 'PathPrefix'),
    ...list(flags.pathRegex, 'RegularExpression'),
  ];
}

function common(flags: FilterFlags): FlowFilter {
  const given = <T, U>(values: readonly T[] | undefined, convert: (value: T) => U): U[] | undefined =>
    values?.map(convert);
  const httpPaths = paths(flags);
  const fields = {
    verdicts: given(flags.verdict, choice('--verdict', ['allowed', 'denied', 'audited', 'error'])),
    protocols: given(flags.protocol, choice('--protocol', ['TCP', 'UDP', 'HTTP'])),
    kinds: given(flags.kind, choice('--kind', flowKinds)),
    directions: given(flags.direction, choice('--direction', ['egress', 'ingress'])),
    paths: given(flags.via, choice('--via', ['direct', 'inline', 'proxied'])),
    reasons: given(flags.reason, choice('--reason', Object.keys(reasons) as ReasonName[])),
    methods: flags.method,
    statuses: given(flags.status, statusRange),
    references: given(flags.reference, (text) => text.toLowerCase()),
    traces: given(flags.trace, (text) => text.toLowerCase()),
    policies: given(flags.policy, (text) => name(text, flags.namespace)),
    httpPaths: httpPaths.length === 0 ? undefined : httpPaths,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function limit(flags: FilterFlags): number | undefined {
  const { last, first, all = false, follow = false, since, until, reference } = flags;
  if (last !== undefined && first !== undefined)
    throw usageError('--first and --last exclude each other', 'Give one');
  if (first !== undefined && follow) throw usageError('--first and --follow exclude each other', 'Give one');
  if (last !== undefined) return count('--last', last);
  if (first !== undefined) return count('--first', first);
  if (
    all ||
    flags.input !== undefined ||
    since !== undefined ||
    until !== undefined ||
    reference !== undefined
  )
    return undefined;
  return follow ? 0 : DEFAULT_LAST;
}

/** The query that the flags ask for. Throws ERR_USAGE. */
export function queryFromFlags(flags: FilterFlags, now: number): FlowQuery {
  const base = common(flags);
  const ports = flags.port?.map(port);
  const include = ends(flags).map((end): FlowFilter => {
    const destination = { ...end.destination, ...(ports === undefined ? {} : { ports }) };
    return { ...base, ...end, ...(Object.keys(destination).length === 0 ? {} : { destination }) };
  });
  const isEverything = include.some((filter) => Object.keys(filter).length === 0);
  const wanted = limit(flags);
  return {
    include: isEverything ? [] : include,
    exclude: [],
    end: flags.first === undefined ? 'newest' : 'oldest',
    follow: flags.follow ?? false,
    ...(wanted === undefined ? {} : { limit: wanted }),
    ...(flags.since === undefined ? {} : { since: parseTime(flags.since, '--since', now) }),
    ...(flags.until === undefined ? {} : { until: parseTime(flags.until, '--until', now) }),
  };
}
