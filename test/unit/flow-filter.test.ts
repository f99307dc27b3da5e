// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { flowKind, flowPath } from '../../src/core/abi/flow.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { FlowFilter } from '../../src/core/flow-filter.ts';
import { PerigeeError } from '../../src/lib/errors.ts';
import { batch, mapped, names, record, type RecordFields } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

const v6 = Buffer.from('fd000000000000000000000000000007', 'hex');

/** One flow each, told apart by its source port. */
const flows: Readonly<Record<string, RecordFields>> = {
  connect: {},
  request: { method: 'GET', urlPath: '/orders/7?x=/secret', status: 200 },
  post: { method: 'POST', urlPath: '/orders', host: 'api.shop', status: 404, duration: 5n },
  refused: {
    method: 'GET',
    urlPath: '/admin',
    status: 403,
    verdict: verdict.denied,
    reason: reason['http-no-rule'],
    reference: 0xabc0_0000_0000_0001n,
    sourceWorkload: 3,
    ingressRule: 0,
  },
  outside: {
    sourceWorkload: 0,
    sourceIdentity: 2,
    sourceAddress: mapped('203.0.113.9'),
    verdict: verdict.audited,
  },
  egress: {
    direction: direction.egress,
    egressRule: 2,
    ingressRule: 0,
    kind: flowKind.close,
    path: flowPath.inline,
  },
  datagram: { protocol: 17, destinationPort: 53, family: 6, sourceAddress: v6, destinationAddress: v6 },
};

const store = createFlowStore({ bytes: 1 << 18, denialBytes: 1 << 18, names, clock: { current: () => 0n } });
const labels = Object.keys(flows);
const { bytes, offsets } = batch(
  Object.values(flows).map((fields, index) => record({ ...fields, sourcePort: index, time: BigInt(index) })),
);
store.append(bytes, offsets);

async function matching(
  include: readonly FlowFilter[],
  exclude: readonly FlowFilter[] = [],
): Promise<string[]> {
  const found: string[] = [];
  const query = { include, exclude, end: 'newest', follow: false } as const;
  for await (const event of store.query(query, new AbortController().signal)) {
    if (event.type === 'flow') found.push(labels[event.flow.source.port] ?? '?');
  }
  return found;
}

const cases: readonly (readonly [name: string, filter: FlowFilter, expected: readonly string[]])[] = [
  ['an empty filter', {}, labels],
  ['verdicts', { verdicts: ['denied', 'audited'] }, ['refused', 'outside']],
  ['reasons', { reasons: ['http-no-rule'] }, ['refused']],
  ['a reference', { references: ['abc0000000000001'] }, ['refused']],
  ['a reference of nobody', { references: ['abc0000000000002'] }, []],
  ['kinds', { kinds: ['close'] }, ['egress']],
  ['paths', { paths: ['inline'] }, ['egress']],
  ['directions', { directions: ['egress'] }, ['egress']],
  ['protocol UDP', { protocols: ['UDP'] }, ['datagram']],
  ['protocol HTTP', { protocols: ['HTTP'] }, ['request', 'post', 'refused']],
  ['IPv6', { families: [6] }, ['datagram']],
  ['methods, written in lower case', { methods: ['post'] }, ['post']],
  ['statuses', { statuses: [{ from: 400, to: 499 }] }, ['post', 'refused']],
  ['an exact path, without its query', { httpPaths: [{ type: 'Exact', value: '/orders/7' }] }, ['request']],
  [
    'a path prefix, by elements',
    { httpPaths: [{ type: 'PathPrefix', value: '/orders' }] },
    ['request', 'post'],
  ],
  ['half an element is no prefix', { httpPaths: [{ type: 'PathPrefix', value: '/ord' }] }, []],
  ['the root as prefix', { httpPaths: [{ type: 'PathPrefix', value: '/' }] }, ['request', 'post', 'refused']],
  [
    'a pattern of the whole path',
    { httpPaths: [{ type: 'RegularExpression', value: '/(orders|admin)' }] },
    ['post', 'refused'],
  ],
  ['a pattern does not see the query', { httpPaths: [{ type: 'RegularExpression', value: '.*secret' }] }, []],
  ['a port', { destination: { ports: [53] } }, ['datagram']],
  ['an address', { source: { addresses: ['203.0.113.9'] } }, ['outside']],
  ['a CIDR', { source: { addresses: ['203.0.112.0/22', 'fd00::/8'] } }, ['outside', 'datagram']],
  ['an IPv6 CIDR has no IPv4 address', { source: { addresses: ['::/0'] } }, ['datagram']],
  ['an identity', { source: { identities: [2] } }, ['outside']],
  ['a workload', { source: { names: [{ namespace: 'dark', name: 'intruder' }] } }, ['refused']],
  ['a prefix of a name', { source: { names: [{ name: 'intr', prefix: true }] } }, ['refused']],
  ['a namespace', { source: { names: [{ namespace: 'dark' }] } }, ['refused']],
  ['an entity, in any case', { source: { entities: ['world'] } }, ['outside']],
  [
    'a label',
    { source: { labels: [[{ key: 'app', operator: 'DoesNotExist', values: [] }]] } },
    ['refused', 'outside'],
  ],
  [
    'labels, ANDed within a selector',
    {
      destination: {
        labels: [
          [
            { key: 'app', operator: 'In', values: ['api'] },
            { key: 'tier', operator: 'NotIn', values: ['back'] },
          ],
        ],
      },
    },
    [],
  ],
  [
    'a reserved label',
    { source: { labels: [[{ key: 'reserved:world', operator: 'Exists', values: [] }]] } },
    ['outside'],
  ],
  [
    'names and pods, ANDed',
    { source: { names: [{ name: 'intruder' }, { name: 'web' }], pods: [{ namespace: 'dark' }] } },
    ['refused'],
  ],
  ['flags of opening', { tcpFlags: [['SYN']] }, ['connect', 'outside']],
  ['flags of closing', { tcpFlags: [['RST'], ['FIN', 'ACK']] }, ['egress']],
  ['flags that nothing has', { tcpFlags: [['SYN', 'ACK']] }, []],
  ['a host, in any case', { hosts: ['API.shop'] }, ['post']],
  ['a part of the URL', { urls: ['shop/ord'] }, ['post']],
  ['the whole URL', { urls: ['^http://api[.]shop/orders$', '^/'] }, ['post']],
  ['a policy', { policies: [{ namespace: 'shop', name: 'web' }] }, ['egress']],
  [
    'fields together',
    { verdicts: ['allowed'], protocols: ['HTTP'], statuses: [{ from: 200, to: 299 }] },
    ['request'],
  ],
];

suite('a filter by', () => {
  for (const [name, filter, expected] of cases) {
    test(name, async () => {
      assert.deepEqual(await matching([filter]), expected);
    });
  }
});

test('filters are alternatives, and excluded flows are left out', async () => {
  assert.deepEqual(await matching([{ protocols: ['UDP'] }, { kinds: ['close'] }]), ['egress', 'datagram']);
  assert.deepEqual(await matching([{ protocols: ['HTTP'] }], [{ methods: ['GET'] }]), ['post']);
  assert.deepEqual(await matching([], [{ protocols: ['TCP'] }]), ['datagram']);
});

test('a flow is found by its UUID', async () => {
  const query = { include: [{ methods: ['POST'] }], exclude: [], end: 'newest', follow: false } as const;
  for await (const event of store.query(query, new AbortController().signal)) {
    assert.ok(event.type === 'flow');
    assert.deepEqual(await matching([{ uuids: [event.uuid.toUpperCase()] }]), ['post']);
  }
});

test('what is no filter is refused with a hint', async () => {
  const malformed: readonly FlowFilter[] = [
    { source: { addresses: ['10.0.0.300'] } },
    { source: { addresses: ['10.0.0.0/33'] } },
    { httpPaths: [{ type: 'RegularExpression', value: '(' }] },
    { httpPaths: [{ type: 'RegularExpression', value: '(?=x)' }] },
    { references: ['xyz'] },
  ];
  for (const filter of malformed) {
    await assert.rejects(matching([filter]), (error: unknown) => {
      assert.ok(error instanceof PerigeeError);
      assert.equal(error.code, 'ERR_FILTER_INVALID');
      assert.ok((error.hint ?? '').length > 0);
      return true;
    });
  }
});

test('a catastrophic pattern is answered like any other', async () => {
  const value = '(/a*)*b|(x+x+)+y';
  assert.deepEqual(await matching([{ httpPaths: [{ type: 'RegularExpression', value }] }]), []);
});
