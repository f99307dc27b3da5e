// SPDX-License-Identifier: Apache-2.0
import type {
  EndpointFilter,
  FlowEvent,
  FlowFilter,
  FlowQuery,
  LabelRequirement,
  NamePattern,
  PathPattern,
} from './flow-filter.ts';
import { dnsNameTest } from './dns-name.ts';
import { type Flow, type FlowEndpoint, type TcpFlag, tcpFlagsOf } from './flow.ts';
import { parseAddress, width } from './identity/address.ts';
import { contains, parsePrefix } from './identity/prefix.ts';
import { matchesRegex, parseRegex } from './regex/regex.ts';
import { isInShare, traceRandomOf } from './trace-share.ts';
import { PerigeeError } from '../lib/errors.ts';

/**
 * What filters mean, on flows as people read them: for flows that come from a file. The store compiles the same
 * filters to tests of raw records (observability/match); a property test holds the two together.
 */
export type FlowTest = (event: Extract<FlowEvent, { type: 'flow' }>) => boolean;

type Test<Value> = (value: Value) => boolean;

function every<Value>(tests: readonly Test<Value>[]): Test<Value> {
  return (value) => tests.every((test) => test(value));
}

/** The test that a field asks for, if it is given. */
function given<Value, Field>(
  field: readonly Field[] | undefined,
  test: (field: readonly Field[]) => Test<Value>,
): readonly Test<Value>[] {
  return field === undefined ? [] : [test(field)];
}

function isNamed({ namespace, name, prefix }: NamePattern, ofNamespace?: string, text?: string): boolean {
  if (namespace !== undefined && namespace !== ofNamespace) return false;
  if (name === undefined) return true;
  return prefix === true ? text?.startsWith(name) === true : text === name;
}

function meets(labels: Readonly<Record<string, string>>, requirement: LabelRequirement): boolean {
  const { key, operator, values } = requirement;
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  if (operator === 'In') return value !== undefined && values.includes(value);
  return value === undefined || !values.includes(value);
}

function labelsOf({ labels = {}, workload, entity }: FlowEndpoint): Readonly<Record<string, string>> {
  return workload !== undefined || entity === undefined
    ? labels
    : { ...labels, [`reserved:${entity.toLowerCase()}`]: '' };
}

function isWithin(text: string): Test<FlowEndpoint> {
  const address = parseAddress(text);
  const prefix = address === undefined ? parsePrefix(text) : { ...address, length: width(address.family) };
  if (prefix === undefined)
    throw new PerigeeError('ERR_FILTER_INVALID', `not an IP address or CIDR: ${JSON.stringify(text)}`);
  return (end) => {
    const own = parseAddress(end.address);
    return own !== undefined && contains(prefix, own);
  };
}

function endpointTest(filter: EndpointFilter): Test<FlowEndpoint> {
  const named = (patterns: readonly NamePattern[]): Test<FlowEndpoint> => {
    return ({ namespace, workload }) => patterns.some((pattern) => isNamed(pattern, namespace, workload));
  };
  return every([
    ...given(filter.names, named),
    ...given(filter.pods, named),
    ...given(filter.addresses, (texts): Test<FlowEndpoint> => {
      const tests = texts.map(isWithin);
      return (end) => tests.some((test) => test(end));
    }),
    ...given(
      filter.ports,
      (ports): Test<FlowEndpoint> =>
        ({ port }) =>
          ports.includes(port),
    ),
    ...given(
      filter.identities,
      (ids): Test<FlowEndpoint> =>
        ({ identity }) =>
          ids.includes(identity),
    ),
    ...given(filter.labels, (selectors): Test<FlowEndpoint> => (end) => {
      const labels = labelsOf(end);
      return selectors.some((selector) => selector.every((requirement) => meets(labels, requirement)));
    }),
    ...given(
      filter.entities,
      (entities): Test<FlowEndpoint> =>
        ({ entity = '' }) =>
          entities.some((wanted) => wanted.toLowerCase() === entity.toLowerCase()),
    ),
    ...given(filter.dnsNames, (patterns): Test<FlowEndpoint> => {
      const test = dnsNameTest(patterns);
      return ({ dnsNames = [] }) => dnsNames.some(test);
    }),
  ]);
}

function regexTest(pattern: string): Test<string> {
  const parsed = parseRegex(pattern);
  if ('problem' in parsed)
    throw new PerigeeError('ERR_FILTER_INVALID', `not a regular expression: ${JSON.stringify(pattern)}`);
  return (text) => matchesRegex(parsed.regex, Buffer.from(text));
}

/** Judges a path by what comes before its query. Throws ERR_FILTER_INVALID. */
export function pathTest(pattern: PathPattern): Test<string> {
  const test = bareTest(pattern);
  return (path) => test(pathOf(path));
}

function bareTest({ type, value }: PathPattern): Test<string> {
  if (type === 'RegularExpression') return regexTest(value);
  if (type === 'Exact') return (path) => path === value;
  const prefix = value.endsWith('/') ? value.slice(0, -1) : value;
  return (path) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/');
}

function pathOf(path: string): string {
  const mark = path.indexOf('?');
  return mark === -1 ? path : path.slice(0, mark);
}

/** Each is about requests, so nothing else matches. */
function requestTests(filter: FlowFilter): readonly Test<NonNullable<Flow['http']>>[] {
  type Request = NonNullable<Flow['http']>;
  return [
    ...given(
      filter.methods,
      (methods): Test<Request> =>
        ({ method }) =>
          methods.some((wanted) => wanted === method || wanted.toUpperCase() === method),
    ),
    ...given(filter.httpPaths, (patterns): Test<Request> => {
      const tests = patterns.map(pathTest);
      return ({ path }) => tests.some((test) => test(path));
    }),
    ...given(filter.urls, (patterns): Test<Request> => {
      const tests = patterns.map((pattern) => regexTest(`(?s:.*)(?:${pattern})(?s:.*)`));
      return ({ host, path }) => tests.some((test) => test(pathOf(`http://${host}${path}`)));
    }),
    ...given(
      filter.hosts,
      (hosts): Test<Request> =>
        ({ host }) =>
          hosts.some((wanted) => wanted.toLowerCase() === host.toLowerCase()),
    ),
  ];
}

function sampledTest(share: number): Test<Flow> {
  return ({ http, trace, time, connection }) =>
    trace?.sampled ?? (http !== undefined && isInShare(traceRandomOf(time, BigInt(connection)), share));
}

function decisionTests(filter: FlowFilter): readonly Test<Flow>[] {
  return [
    ...given(
      filter.references,
      (wanted): Test<Flow> =>
        ({ reference = '0'.repeat(16) }) =>
          wanted.includes(reference),
    ),
    ...given(
      filter.traces,
      (wanted): Test<Flow> =>
        ({ trace }) =>
          trace !== undefined && wanted.includes(trace.id),
    ),
    ...(filter.sampledShare === undefined ? [] : [sampledTest(filter.sampledShare)]),
    ...given(
      filter.services,
      (patterns): Test<Flow> =>
        ({ service }) =>
          service !== undefined &&
          patterns.some((pattern) => isNamed(pattern, service.namespace, service.name)),
    ),
    ...given(
      filter.policies,
      (patterns): Test<Flow> =>
        ({ egressRule, ingressRule }) =>
          [egressRule, ingressRule].some((rule) =>
            patterns.some((pattern) => rule !== undefined && isNamed(pattern, rule.namespace, rule.policy)),
          ),
    ),
  ];
}

function flowTests(filter: FlowFilter): readonly Test<Flow>[] {
  const { source, destination } = filter;
  const request = requestTests(filter);
  const [sourceTest, destinationTest] = [source, destination].map((end) => end && endpointTest(end));
  return [
    ...given(
      filter.kinds,
      (kinds): Test<Flow> =>
        ({ kind }) =>
          kinds.includes(kind),
    ),
    ...given(
      filter.verdicts,
      (verdicts): Test<Flow> =>
        ({ verdict }) =>
          verdicts.includes(verdict),
    ),
    ...given(
      filter.reasons,
      (reasons): Test<Flow> =>
        ({ reason }) =>
          reasons.includes(reason),
    ),
    ...given(
      filter.directions,
      (wanted): Test<Flow> =>
        ({ direction }) =>
          wanted.includes(direction),
    ),
    ...given(
      filter.paths,
      (paths): Test<Flow> =>
        ({ path }) =>
          paths.includes(path),
    ),
    ...given(
      filter.families,
      (families): Test<Flow> =>
        ({ destination: { address } }) =>
          families.includes(address.includes(':') ? 6 : 4),
    ),
    ...given(
      filter.protocols,
      (wanted): Test<Flow> =>
        ({ protocol, kind }) =>
          wanted.includes(protocol) || (kind === 'request' && wanted.includes('HTTP')),
    ),
    ...given(
      filter.statuses,
      (ranges): Test<Flow> =>
        ({ http }) =>
          ranges.some(({ from, to }) => (http?.status ?? 0) >= from && (http?.status ?? 0) <= to),
    ),
    ...given(filter.tcpFlags, (sets): Test<Flow> => (flow) => {
      const flags: readonly TcpFlag[] = flow.protocol === 'TCP' ? tcpFlagsOf(flow) : [];
      return flags.length > 0 && sets.some((set) => set.every((flag) => flags.includes(flag)));
    }),
    ...decisionTests(filter),
    ...(sourceTest === undefined ? [] : [(flow: Flow) => sourceTest(flow.source)]),
    ...(destinationTest === undefined ? [] : [(flow: Flow) => destinationTest(flow.destination)]),
    ...(request.length === 0 ? [] : [({ http }: Flow) => http !== undefined && every(request)(http)]),
  ];
}

function filterTest(filter: FlowFilter): FlowTest {
  const test = every(flowTests(filter));
  const uuids = filter.uuids?.map((uuid) => uuid.toLowerCase());
  return ({ flow, uuid }) => test(flow) && (uuids === undefined || uuids.includes(uuid.toLowerCase()));
}

/** The filters and times of a query in one test. Throws ERR_FILTER_INVALID. */
export function flowTest({ include, exclude, since, until }: FlowQuery): FlowTest {
  const wanted = include.map(filterTest);
  const unwanted = exclude.map(filterTest);
  return (event) => {
    const { time } = event.flow;
    if ((since !== undefined && time < since) || (until !== undefined && time > until)) return false;
    if (wanted.length > 0 && !wanted.some((test) => test(event))) return false;
    return !unwanted.some((test) => test(event));
  };
}
