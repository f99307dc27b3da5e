// SPDX-License-Identifier: Apache-2.0
import { flowKind, flowPath } from '../../core/abi/flow.ts';
import { direction, verdict } from '../../core/abi/policy.ts';
import { reason } from '../../core/abi/reason.ts';
import type { FlowFilter, FlowQuery, StatusRange } from '../../core/flow-filter.ts';
import { type Flow, type FlowVerdict, type TcpFlag, tcpFlagsOf } from '../../core/flow.ts';
import type { ReasonName } from '../../core/reasons.ts';
import { isInShare, traceRandom } from '../../core/trace-share.ts';
import { PerigeeError } from '../../lib/errors.ts';
import type { FlowNames } from '../flow-names.ts';
import { flowUuid } from '../flow-uuid.ts';
import { isSampledAt, Offset, traceIdAt } from '../record-layout.ts';
import { endpointMatchers, matchesName } from './endpoint.ts';
import { type SmallField, smallFields } from '../chunk-summaries.ts';
import { Field, statusTerm, statusUnits, term, textTerm } from '../terms.ts';
import { all, any, type Matcher, not, unsummarised } from './matcher.ts';
import { byteIn, u16In, u64Between, u64In } from './predicate.ts';
import { hostMatcher, methodMatcher, pathMatcher, urlMatcher } from './text.ts';

const IPPROTO = { TCP: 6, UDP: 17 } as const;
const LOW = 0xffff_ffffn;
/** A range of statuses is at most so many terms: each may be there by chance. */
const STATUS_TERMS = 5;
const MAX_TIME = (1n << 64n) - 1n;

/** One of few values, in a field that is a byte. */
function smallIn(field: SmallField, values: readonly number[]): Matcher {
  return {
    record: byteIn(smallFields[field], values),
    chunk: (summaries, slot) => summaries.hasSmall(slot, field, values),
  };
}

const isRequest = smallIn('kind', [flowKind.request]);

function protocolMatcher(protocol: 'TCP' | 'UDP' | 'HTTP'): Matcher {
  return protocol === 'HTTP' ? isRequest : smallIn('protocol', [IPPROTO[protocol]]);
}

function timeMatcher(from: bigint, to: bigint): Matcher {
  return {
    record: u64Between(Offset.time, from, to),
    chunk: (summaries, slot) => summaries.hasTime(slot, from, to),
  };
}

function referenceNumber(text: string): bigint {
  if (/^[0-9a-f]{16}$/i.test(text)) return BigInt(`0x${text}`);
  throw new PerigeeError('ERR_FILTER_INVALID', `not a reference: ${JSON.stringify(text)}`, {
    hint: 'A reference is 16 hex digits, as the refused client was shown',
  });
}

function referenceMatcher(texts: readonly string[]): Matcher {
  const numbers = texts.map(referenceNumber);
  const hasNone = numbers.includes(0n);
  const terms = numbers.map((number) => term(Field.reference, Number(number & LOW), Number(number >> 32n)));
  return {
    record: u64In(Offset.reference, numbers),
    chunk: (summaries, slot) => hasNone || terms.some((one) => summaries.hasTerm(slot, one)),
  };
}

function traceMatcher(texts: readonly string[]): Matcher {
  const wanted = texts.map((text) => Buffer.from(text, 'hex'));
  const terms = wanted.map((id) => textTerm(Field.trace, id, 0, id.length));
  return {
    record: (memory, at) => {
      const trace = traceIdAt(memory, at);
      return trace !== -1 && wanted.some((id) => id.compare(memory.bytes, trace, trace + id.length) === 0);
    },
    chunk: (summaries, slot) => terms.some((one) => summaries.hasTerm(slot, one)),
  };
}

/** Looks at nothing but a few numbers of a record, so that what is not chosen costs next to nothing. */
function sampledMatcher(share: number): Matcher {
  return unsummarised((memory, at) => {
    const trace = traceIdAt(memory, at);
    if (trace !== -1) return isSampledAt(memory, trace);
    if (share === 0) return false;
    const { u32 } = memory;
    const word = (offset: number): number => u32[(at + offset) >> 2] ?? 0;
    const { time, connection } = Offset;
    return isInShare(traceRandom(word(time), word(time + 4), word(connection), word(connection + 4)), share);
  });
}

/** Most records name one of few Services, or none: each is asked about once. */
function serviceMatcher(patterns: NonNullable<FlowFilter['services']>, names: FlowNames): Matcher {
  const known = new Map<number, boolean>([[0, false]]);
  const test = (id: number): boolean => {
    const service = names.service?.(id);
    return (
      service !== undefined &&
      patterns.some((pattern) => matchesName(pattern, service.namespace, service.name))
    );
  };
  return unsummarised((memory, at) => {
    const id = memory.u32[(at + Offset.service) >> 2] ?? 0;
    let answer = known.get(id);
    if (answer === undefined) known.set(id, (answer = test(id)));
    return answer;
  });
}

function ruleMatcher(filter: NonNullable<FlowFilter['policies']>, names: FlowNames): Matcher {
  const known = new Map<number, boolean>([[0, false]]);
  const test = (id: number): boolean => {
    let answer = known.get(id);
    if (answer === undefined) {
      const rule = names.rule(id);
      answer =
        rule !== undefined && filter.some((pattern) => matchesName(pattern, rule.namespace, rule.policy));
      known.set(id, answer);
    }
    return answer;
  };
  return {
    record: ({ u32 }, at) =>
      test(u32[(at + Offset.egressRule) >> 2] ?? 0) || test(u32[(at + Offset.ingressRule) >> 2] ?? 0),
    chunk: (summaries, slot) => summaries.someListed(slot, 'rules', (_, rule) => test(rule)),
  };
}

function reasonMatcher(names: readonly ReasonName[]): Matcher {
  const numbers = names.map((name) => reason[name]);
  return {
    record: u16In(Offset.reason, numbers),
    chunk: (summaries, slot) => numbers.some((number) => summaries.hasReason(slot, number)),
  };
}

/** The terms of which every status in the range has one; undefined: it has none, or they would be too many. */
function statusTerms({ from, to }: StatusRange): readonly number[] | undefined {
  if (from <= 0) return undefined;
  const unit = statusUnits.find((size) => Math.floor(to / size) - Math.floor(from / size) < STATUS_TERMS);
  if (unit === undefined) return undefined;
  const first = Math.floor(from / unit);
  return Array.from({ length: Math.floor(to / unit) - first + 1 }, (_, index) =>
    statusTerm((first + index) * unit, unit),
  );
}

function statusMatcher(ranges: readonly StatusRange[]): Matcher {
  const terms = ranges.map(statusTerms);
  return {
    record: ({ u16 }, at) => {
      const status = u16[(at + Offset.status) >> 1] ?? 0;
      for (const { from, to } of ranges) if (status >= from && status <= to) return true;
      return false;
    },
    chunk: (summaries, slot) =>
      terms.some((range) => range === undefined || range.some((one) => summaries.hasTerm(slot, one))),
  };
}

/** A UUID tells the time of its record but for four bits. */
function uuidMatcher(uuids: readonly string[]): Matcher {
  return any(
    uuids.map((text): Matcher => {
      const wanted = text.toLowerCase();
      const digits = /^([0-9a-f]{8})-([0-9a-f]{4})-8([0-9a-f]{3})-/.exec(wanted);
      const time = BigInt(`0x${digits?.slice(1).join('') ?? 'fffffffffffffff'}0`);
      const when = timeMatcher(time, time + 15n);
      return {
        record: (memory, at) => when.record(memory, at) && flowUuid(memory.bytes, at) === wanted,
        chunk: when.chunk,
      };
    }),
  );
}

function numberMatchers(filter: FlowFilter): readonly Matcher[] {
  const { verdicts, kinds, directions, paths, families, reasons, protocols, references, statuses } = filter;
  const given = <T>(
    values: readonly T[] | undefined,
    convert: (values: readonly T[]) => Matcher,
  ): Matcher[] => (values === undefined ? [] : [convert(values)]);
  return [
    ...given(verdicts, (all) =>
      smallIn(
        'verdict',
        all.map((name) => verdict[name]),
      ),
    ),
    ...given(kinds, (all) =>
      smallIn(
        'kind',
        all.map((name) => flowKind[name]),
      ),
    ),
    ...given(directions, (all) =>
      smallIn(
        'direction',
        all.map((name) => direction[name]),
      ),
    ),
    ...given(paths, (all) =>
      smallIn(
        'path',
        all.map((name) => flowPath[name]),
      ),
    ),
    ...given(families, (all) => smallIn('family', all)),
    ...given(reasons, reasonMatcher),
    ...given(protocols, (all) => any(all.map(protocolMatcher))),
    ...given(references, referenceMatcher),
    ...given(statuses, statusMatcher),
    ...given(filter.tcpFlags, flagsMatcher),
  ];
}

/** Flags as `tcpFlagsOf` gives them, by kind and verdict. */
function flagsMatcher(sets: readonly (readonly TcpFlag[])[]): Matcher {
  const tcp = smallIn('protocol', [IPPROTO.TCP]);
  const kinds = Object.keys(flowKind) as Flow['kind'][];
  const verdicts = Object.keys(verdict) as FlowVerdict[];
  const cases = kinds.flatMap((kind) => verdicts.map((name) => ({ kind, verdict: name })));
  const wanted = cases.filter((one) => {
    const flags: readonly TcpFlag[] = tcpFlagsOf(one);
    return flags.length > 0 && sets.some((set) => set.every((flag) => flags.includes(flag)));
  });
  return all([
    tcp,
    any(
      wanted.map((one) =>
        all([smallIn('kind', [flowKind[one.kind]]), smallIn('verdict', [verdict[one.verdict]])]),
      ),
    ),
  ]);
}

function textMatchers(filter: FlowFilter, { path: redacted }: FlowNames): readonly Matcher[] {
  const { methods, httpPaths, uuids, urls, hosts, traces, sampledShare } = filter;
  const text = [methods, httpPaths, urls, hosts, traces, sampledShare];
  return [
    ...(text.every((values) => values === undefined) ? [] : [isRequest]),
    ...(hosts === undefined ? [] : [hostMatcher(hosts)]),
    ...(urls === undefined ? [] : [urlMatcher(urls, redacted)]),
    ...(methods === undefined ? [] : [methodMatcher(methods)]),
    ...(httpPaths === undefined ? [] : [any(httpPaths.map((pattern) => pathMatcher(pattern, redacted)))]),
    ...(traces === undefined ? [] : [traceMatcher(traces)]),
    ...(sampledShare === undefined ? [] : [sampledMatcher(sampledShare)]),
    ...(uuids === undefined ? [] : [uuidMatcher(uuids)]),
  ];
}

/** Compiles a filter to a test on raw records: numbers first, then names, then text. */
export function compileFilter(filter: FlowFilter, names: FlowNames): Matcher {
  const { source, destination, policies, services } = filter;
  return all([
    ...numberMatchers(filter),
    ...(source === undefined ? [] : endpointMatchers('source', source, names)),
    ...(destination === undefined ? [] : endpointMatchers('destination', destination, names)),
    ...(policies === undefined ? [] : [ruleMatcher(policies, names)]),
    ...(services === undefined ? [] : [serviceMatcher(services, names)]),
    ...textMatchers(filter, names),
  ]);
}

/** The filters and times of a query in one test. */
export function compileQuery(query: FlowQuery, names: FlowNames): Matcher {
  const { include, exclude, since, until } = query;
  return all([
    ...(since === undefined && until === undefined ? [] : [timeMatcher(since ?? 0n, until ?? MAX_TIME)]),
    ...(include.length === 0 ? [] : [any(include.map((filter) => compileFilter(filter, names)))]),
    ...exclude.map((filter) => not(compileFilter(filter, names))),
  ]);
}
