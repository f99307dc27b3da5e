// SPDX-License-Identifier: Apache-2.0
import { statusRange } from '../../api/filter-fields.ts';
import { verdictOfWire, verdictsToWire } from '../../api/flow-to-wire.ts';
import type {
  EndpointFilter,
  FlowFilter,
  FlowQuery,
  NamePattern,
  PathPattern,
  StatusRange,
} from '../../core/flow-filter.ts';
import { flowKinds, type FlowVerdict } from '../../core/flow.ts';
import { parseAddress } from '../../core/identity/address.ts';
import { entities } from '../../core/identity/peer-identity.ts';
import { parsePrefix } from '../../core/identity/prefix.ts';
import { type ReasonName, reasons } from '../../core/reasons.ts';
import { PerigeeError } from '../../lib/errors.ts';
import { filtersOfFlags, flagName, type HubbleFlags } from './hubble-flags.ts';
import { parseTime } from './time.ts';

/** The flags of `observe` that choose flows, as commander gives them. */
export interface FilterFlags extends HubbleFlags {
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
  readonly reason?: readonly string[];
  readonly reference?: readonly string[];
  readonly trace?: readonly string[];
  readonly direction?: readonly string[];
  readonly via?: readonly string[];
  readonly policy?: readonly string[];
  readonly kind?: readonly string[];
  readonly input?: string;
  /** What flows must not be. */
  readonly not?: FilterFlags;
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

/** As Hubble's, or with an x for each digit that may be any. */
function status(text: string): StatusRange {
  try {
    return statusRange(text.replace(/(?<=^\d)xx?$|(?<=^\d\d)x$/i, '+'));
  } catch {
    throw usageError(`--status: not a status: ${JSON.stringify(text)}`, 'Write it as 403, 40+ or 4xx');
  }
}

function name(text: string, namespace: string | undefined): NamePattern {
  if (text === '/') throw usageError('a name is empty', 'Write it as namespace/name, namespace/ or name');
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

/** Flags that say who an end is: names among them are completed, and the namespace is asked for no more. */
const whoFlags = [
  'fromNamespace',
  'toNamespace',
  'fromWorkload',
  'toWorkload',
] as const satisfies readonly (keyof HubbleFlags)[];

/** Filters for the two ends; several are alternatives. */
function ends(flags: FilterFlags, completing: string | undefined): readonly FlowFilter[] {
  const { from, to, workload, namespace } = flags;
  if (workload !== undefined && (from ?? to) !== undefined) {
    throw usageError("--workload can't be combined with --from or --to", '--workload X means from X or to X');
  }
  if (workload !== undefined) {
    const end = endpoint('--workload', workload, completing);
    return [{ source: end }, { destination: end }];
  }
  if (from !== undefined || to !== undefined) {
    return [
      {
        ...(from === undefined ? {} : { source: endpoint('--from', from, completing) }),
        ...(to === undefined ? {} : { destination: endpoint('--to', to, completing) }),
      },
    ];
  }
  if (namespace === undefined || whoFlags.some((flag) => flags[flag] !== undefined)) return [{}];
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

/** By our name or Hubble's. */
function verdict(text: string): FlowVerdict {
  const own = Object.keys(verdictsToWire) as FlowVerdict[];
  return verdictOfWire(text.toUpperCase()) ?? choice('--verdict', own)(text);
}

function common(flags: FilterFlags, completing: string | undefined): FlowFilter {
  const given = <T, U>(values: readonly T[] | undefined, convert: (value: T) => U): U[] | undefined =>
    values?.map(convert);
  const httpPaths = paths(flags);
  const fields = {
    verdicts: given(flags.verdict, verdict),
    protocols: given(flags.protocol, choice('--protocol', ['TCP', 'UDP', 'HTTP'])),
    kinds: given(flags.kind, choice('--kind', flowKinds)),
    directions: given(flags.direction, choice('--direction', ['egress', 'ingress'])),
    paths: given(flags.via, choice('--via', ['direct', 'inline', 'proxied'])),
    reasons: given(flags.reason, choice('--reason', Object.keys(reasons) as ReasonName[])),
    methods: flags.method,
    statuses: given(flags.status, status),
    references: given(flags.reference, (text) => text.toLowerCase()),
    traces: given(flags.trace, (text) => text.toLowerCase()),
    policies: given(flags.policy, (text) => name(text, completing)),
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

/** Filters of Hubble's client; what is wrong with one is a matter of usage here. */
function asHubble(flags: FilterFlags, completing: string | undefined): readonly FlowFilter[] {
  try {
    return filtersOfFlags(flags, completing);
  } catch (error) {
    if (!(error instanceof PerigeeError)) throw error;
    throw usageError(
      error.message,
      error.hint ?? 'docs/reference/flow-filters.md has what each filter takes',
    );
  }
}

/** What both ask for. */
function both(one: FlowFilter, other: FlowFilter): FlowFilter {
  const merged: Record<string, unknown> = { ...one };
  for (const [field, value] of Object.entries(other) as [keyof FlowFilter, unknown][]) {
    const known = one[field];
    if (known === undefined) merged[field] = value;
    else if (field === 'source' || field === 'destination')
      merged[field] = both(known as FlowFilter, value as FlowFilter);
    else if (field === 'kinds' || field === 'verdicts')
      merged[field] = (known as readonly unknown[]).filter((each) =>
        (value as readonly unknown[]).includes(each),
      );
    else throw usageError(`two flags ask for the same (${field})`, 'Give one of them, with all values');
  }
  return merged;
}

/** A field without values: nothing has one of them. */
function isPossible(filter: FlowFilter): boolean {
  return !Object.values(filter).some((values) => Array.isArray(values) && values.length === 0);
}

/** A name that is empty, as of a variable that a script has not set, must not select everything. */
function refuseEmpty(flags: FilterFlags): void {
  const found = Object.entries(flags).find(
    ([flag, value]) => (flag === 'namespace' && value === '') || (Array.isArray(value) && value.includes('')),
  );
  if (found !== undefined)
    throw usageError(`--${flagName(found[0])}: a value is empty`, 'Give one, or leave the flag out');
}

/** Alternatives that the flags ask for; none: everything. `completing`: the namespace of names that have none. */
function filtersOf(flags: FilterFlags, completing: string | undefined): readonly FlowFilter[] {
  refuseEmpty(flags);
  const own = ends(flags, completing).map((end) => ({ ...common(flags, completing), ...end }));
  const hubble = asHubble(flags, completing);
  const all = own.flatMap((one) => hubble.map((other) => both(one, other))).filter(isPossible);
  if (all.length === 0)
    throw usageError('no flow can match the filters', 'docs/reference/flow-filters.md says why');
  return all.some((filter) => Object.keys(filter).length === 0) ? [] : all;
}

/** The query that the flags ask for. Throws ERR_USAGE. */
export function queryFromFlags(flags: FilterFlags, now: number): FlowQuery {
  const wanted = limit(flags);
  return {
    include: filtersOf(flags, flags.namespace),
    exclude: flags.not === undefined ? [] : filtersOf(flags.not, flags.not.namespace ?? flags.namespace),
    end: flags.first === undefined ? 'newest' : 'oldest',
    follow: flags.follow ?? false,
    ...(wanted === undefined ? {} : { limit: wanted }),
    ...(flags.since === undefined ? {} : { since: parseTime(flags.since, '--since', now) }),
    ...(flags.until === undefined ? {} : { until: parseTime(flags.until, '--until', now) }),
  };
}
