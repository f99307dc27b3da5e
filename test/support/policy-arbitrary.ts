// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { type Resource, resourceKinds } from '../../src/core/resources/kinds.ts';
import type { HttpRequest } from '../../src/core/policy/verdict.ts';
import type { OracleQuestion } from './policy-oracle.ts';

/* Small worlds in which everything has a fair chance to meet everything. */

export interface Scene {
  readonly resources: readonly Resource[];
  readonly addresses: ReadonlyMap<string, string>;
  readonly node: string;
}

export const NODE = '10.0.0.1';
export const NAMESPACES = ['shop', 'bank'];
const ADDRESSES = ['10.0.0.2', '10.0.0.3', '10.0.1.2', 'fd00::2', 'fd00::1:3', '10.0.0.130'];
const OUTSIDE = ['192.0.2.7', '10.0.0.200', '10.9.9.9', 'fd00::9', '2001:db8::1', NODE];
const BLOCKS = [
  '10.0.0.0/8',
  '10.0.0.0/24',
  '10.0.0.128/25',
  '10.0.0.2/32',
  'fd00::/64',
  'fd00::/112',
  '0.0.0.0/0',
  '::/0',
];
export const PORTS = [80, 81, 82, 443, 8080];

const some = <T>(list: readonly T[], options: { min?: number; max?: number } = {}) =>
  fc.uniqueArray(fc.constantFrom(...list), { minLength: options.min ?? 1, maxLength: options.max ?? 2 });

/** Fields that are there half of the time. */
function fields<T>(
  model: { [K in keyof T]: fc.Arbitrary<T[K]> },
  required: (keyof T)[] = [],
): fc.Arbitrary<Partial<T>> {
  return fc.record<T>(model, { requiredKeys: required });
}

const labels = fields({ app: fc.constantFrom('a', 'b'), tier: fc.constantFrom('x', 'y') });

const expression = fc.oneof(
  fc.record({
    key: fc.constantFrom('app', 'tier'),
    operator: fc.constantFrom('In', 'NotIn'),
    values: some(['a', 'b', 'x']),
  }),
  fc.record({ key: fc.constantFrom('app', 'tier'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
);
const selector = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fields({ matchLabels: labels, matchExpressions: fc.array(expression, { maxLength: 1 }) }),
  },
);
const namespaceSelector = fc.oneof(
  selector,
  fc.constantFrom(...NAMESPACES).map((name) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } })),
);

const inside = (block: string): string[] =>
  block.startsWith('10.0.0.0/8') || block.startsWith('0.')
    ? ['10.0.0.0/24', '10.0.0.2/32']
    : block === '10.0.0.0/24'
      ? ['10.0.0.128/25']
      : block === '::/0'
        ? ['fd00::/64']
        : [block];
const ipBlock = fc
  .constantFrom(...BLOCKS)
  .chain((cidr) => fields({ cidr: fc.constant(cidr), except: some(inside(cidr)) }, ['cidr']));

const namedPort = fc.record({
  name: fc.constantFrom('http', 'admin'),
  port: fc.constantFrom(...PORTS),
  protocol: fc.constantFrom('TCP', 'UDP'),
});

const portRange: fc.Arbitrary<object> = fc.oneof(
  fc.constantFrom(...PORTS).map((port) => ({ port })),
  fc.constantFrom(...PORTS).map((port) => ({ port, endPort: port + 1 })),
  fc.constantFrom(80, 81, 82, 443).map((port) => ({ port, endPort: 8079 })),
  fc.constantFrom('http', 'admin').map((port) => ({ port })),
);
const protocol = fields({ protocol: fc.constantFrom('TCP', 'UDP') });
const port = fc.oneof(
  fc.tuple(portRange, protocol).map(([range, one]) => ({ ...range, ...one })),
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP') }),
);

const value = (name: fc.Arbitrary<string>) =>
  fc.oneof(
    fc.record({ name, type: fc.constant('Exact'), value: fc.constantFrom('1', '2') }),
    fc.record({ name, type: fc.constant('RegularExpression'), value: fc.constantFrom('[12]', '1+', 'x.*') }),
    fc.record({ name, type: fc.constant('Present') }),
  );
const httpFields: fc.Arbitrary<Record<string, unknown>> = fields({
  methods: some(['GET', 'POST']),
  path: fc.record({
    type: fc.constantFrom('Exact', 'PathPrefix', 'RegularExpression'),
    value: fc.constantFrom('/', '/a', '/a/b', '/c'),
  }),
  hosts: some(['a.test', '*.test', 'b.a.test']),
  headers: fc.array(value(fc.constantFrom('x-one', 'X-Two')), { minLength: 1, maxLength: 1 }),
  queryParams: fc.array(value(fc.constantFrom('q', 'Q')), { minLength: 1, maxLength: 1 }),
});

/** Matches of one field are the ones that requests meet. */
const http = fc.oneof(
  httpFields,
  httpFields.map((match) => Object.fromEntries(Object.entries(match).slice(0, 1))),
);

const notEmpty = <T extends object>(arbitrary: fc.Arbitrary<T>) =>
  arbitrary.filter((one) => Object.keys(one).length > 0);
const cidrs = some(BLOCKS).chain((blocks) =>
  fields({ cidrs: fc.constant(blocks), except: some(blocks.flatMap(inside)) }, ['cidrs']),
);
const peerFields = fields<Record<string, unknown>>({
  podSelector: selector,
  serviceAccounts: some(['default', 'robot']),
  namespaceSelector,
  entities: some(['World', 'Cluster', 'Node']),
});
/** Peers of one or two fields are the ones that somebody is. */
const peer: fc.Arbitrary<object> = fc
  .tuple(
    fc.oneof(
      peerFields,
      peerFields.map((one) => Object.fromEntries(Object.entries(one).slice(0, 1))),
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: cidrs }),
  )
  .map(([one, blocks]) => ({ ...one, ...blocks }));

const action = fc.oneof(
  { weight: 3, arbitrary: fc.constant('Allow') },
  { weight: 1, arbitrary: fc.constant('Deny') },
);
const httpList = fc.array(http, { minLength: 1, maxLength: 2 });
const tcpOnly = (rule: { http?: unknown; to?: object[] }): object =>
  rule.http === undefined || rule.to === undefined
    ? rule
    : { ...rule, to: rule.to.map((entry) => ('protocol' in entry ? { ...entry, protocol: 'TCP' } : entry)) };
/** A rule about requests, more often than not. */
const maybeHttp = <T extends object>(rule: fc.Arbitrary<T>): fc.Arbitrary<object> =>
  fc.oneof(
    { weight: 2, arbitrary: rule },
    { weight: 3, arbitrary: fc.tuple(rule, httpList).map(([one, list]) => tcpOnly({ ...one, http: list })) },
  );
const ingressRule = maybeHttp(
  fields(
    {
      action,
      from: fc.array(notEmpty(peer), { minLength: 1, maxLength: 2 }),
      to: fc.array(port, { minLength: 1, maxLength: 2 }),
    },
    ['action'],
  ),
);
const egressEntry: fc.Arbitrary<object> = notEmpty(
  fc.tuple(peer, fc.oneof(fc.constant({}), port)).map(([one, two]) => ({ ...one, ...two })),
);
const egressRule = maybeHttp(
  fields({ action, to: fc.array(egressEntry, { minLength: 1, maxLength: 2 }) }, ['action']),
);

/** Lists that begin by allowing everything are those where a Deny for requests has an effect. */
const rulesOf = (rule: fc.Arbitrary<object>): fc.Arbitrary<object[]> =>
  fc
    .tuple(fc.boolean(), fc.array(rule, { maxLength: 3 }))
    .map(([open, rules]) => (open ? [{ action: 'Allow' }, ...rules] : rules));

const accessSpec: fc.Arbitrary<object> = fields({
  selector,
  mode: fc.oneof(
    { weight: 3, arbitrary: fc.constant('Enforce') },
    { weight: 1, arbitrary: fc.constant('Audit') },
  ),
  ingress: rulesOf(ingressRule),
  egress: rulesOf(egressRule),
}).map((spec: object) => ('ingress' in spec || 'egress' in spec ? spec : { ...spec, ingress: [] }));

const networkPeer = fc.oneof(
  notEmpty(fields({ podSelector: selector, namespaceSelector })),
  fc.record({ ipBlock }),
);
const networkRule = (side: 'from' | 'to') =>
  fields({ peers: fc.array(networkPeer, { maxLength: 2 }), ports: fc.array(port, { maxLength: 2 }) }).map(
    ({ peers, ports }) => ({
      ...(peers === undefined ? {} : { [side]: peers }),
      ...(ports === undefined ? {} : { ports }),
    }),
  );
const networkSpec: fc.Arbitrary<object> = fields(
  {
    podSelector: selector,
    policyTypes: some(['Ingress', 'Egress'], { min: 0 }),
    ingress: fc.array(networkRule('from'), { maxLength: 2 }),
    egress: fc.array(networkRule('to'), { maxLength: 2 }),
  },
  ['podSelector'],
);

const namespace = fc.constantFrom(...NAMESPACES);
const clusterSpec: fc.Arbitrary<object> = fc
  .tuple(accessSpec, fields({ namespaceSelector }))
  .map(([one, two]) => Object.assign({}, one, two));
const policy = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('NetworkPolicy'), namespace, spec: networkSpec }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('AccessPolicy'), namespace, spec: accessSpec }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ClusterAccessPolicy'), spec: clusterSpec }) },
);

const workload = fc.record({
  namespace,
  labels,
  serviceAccount: fc.constantFrom('default', 'robot'),
  ports: fc.uniqueArray(namedPort, { maxLength: 2, selector: ({ name }) => name }),
});

/** A world of valid resources. */
export const scene: fc.Arbitrary<Scene> = fc
  .record({
    workloads: fc.array(workload, { minLength: 1, maxLength: 4 }),
    policies: fc.array(policy, { maxLength: 4 }),
    namespaces: fc.uniqueArray(fc.record({ name: namespace, labels }), {
      maxLength: 2,
      selector: ({ name }) => name,
    }),
    addresses: fc.shuffledSubarray(ADDRESSES, { minLength: 4, maxLength: 4 }),
  })
  .map(({ workloads, policies, namespaces, addresses }) => ({
    node: NODE,
    addresses: new Map(workloads.map((one, index) => [`${one.namespace}/w${index}`, addresses[index] ?? ''])),
    resources: [
      ...workloads.map(({ namespace, labels, ...spec }, index) =>
        parse('Workload', { namespace, labels, name: `w${index}` }, { ...spec, netns: `w${index}` }),
      ),
      ...namespaces.map((metadata) => parse('Namespace', metadata)),
      ...policies.map(({ kind, spec, ...rest }, index) => parse(kind, { name: `p${index}`, ...rest }, spec)),
    ],
  }));

/** The resource as the schema reads it, defaults filled in. */
export function parse(kind: string, metadata: object, spec?: object): Resource {
  const definition = resourceKinds.find((one) => one.kind === kind);
  if (definition === undefined) throw new TypeError(`no kind ${kind}`);
  const body = spec === undefined ? {} : { spec };
  return definition.schema.parse({ apiVersion: definition.apiVersion, kind, metadata, ...body });
}

const request: fc.Arbitrary<HttpRequest> = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/ab', '/a/b/c', '/c'),
  host: fc.constantFrom('a.test', 'A.test:8080', 'b.a.test', 'test', 'c.test'),
  headers: fc.array(fc.tuple(fc.constantFrom('X-One', 'x-two'), fc.constantFrom('1', '2', 'xy')), {
    maxLength: 2,
  }),
  query: fc.array(fc.tuple(fc.constantFrom('q', 'Q'), fc.constantFrom('1', '11', 'x')), { maxLength: 2 }),
});

/** A question about that world. */
export function questionFor({ addresses }: Scene): fc.Arbitrary<OracleQuestion> {
  const ends = [...addresses.keys(), ...addresses.values(), ...OUTSIDE];
  const names = fc.constantFrom(...addresses.keys());
  const end = fc.oneof(names, fc.constantFrom(...ends));
  return fc
    .record({
      source: end,
      destination: end,
      port: fc.constantFrom(...PORTS, 8079, 1, 65535),
      protocol: fc.constantFrom('TCP' as const, 'TCP' as const, 'UDP' as const),
      http: fc.option(request, { nil: undefined }),
    })
    .map(({ http, ...rest }) => (http === undefined || rest.protocol === 'UDP' ? rest : { ...rest, http }));
}
