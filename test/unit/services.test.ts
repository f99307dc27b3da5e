// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { explainResolved } from '../../src/agent/explain-service.ts';
import { Names } from '../../src/control/compile/names.ts';
import { ServiceCompiler } from '../../src/control/compile/services.ts';
import { serviceOf, sliceOf } from '../../src/control/source/kubernetes/service.ts';
import { type Backends, backendsOf } from '../../src/core/service/backends.ts';
import type { Endpoint, EndpointSlice, Service } from '../../src/core/service/service.ts';
import type { Resource } from '../../src/core/resources/kinds.ts';
import type { Flow } from '../../src/core/flow.ts';
import { flowFromWire } from '../../src/api/flow-from-wire.ts';
import { flowToWire } from '../../src/api/flow-to-wire.ts';
import { flowLine } from '../../src/cli/printers/flow-line.ts';
import { createStyle } from '../../src/cli/printers/style.ts';
import { batch, names, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';
import { assignSlots } from '../../src/datapath/services.ts';
import { serviceSet } from '../support/states.ts';
import { buildWorld, compile } from '../support/one-world.ts';

const asked = { namespace: 'shop', name: 'web', port: 80 };
const port = { name: 'http', port: 80, protocol: 'TCP' } as const;
const place = { node: 'node1', zone: 'zone-a' };

function endpoint(address: string, more: Partial<Endpoint> = {}): Endpoint {
  return {
    addresses: [address],
    ...{ ready: true, serving: true, terminating: false, node: 'node1', zones: [], nodes: [] },
    ...more,
  };
}

const unready = { ready: false, serving: false };
const ending = { ready: false, serving: true, terminating: true };

function slice(endpoints: readonly Endpoint[], target = 8080): EndpointSlice {
  return { service: 'shop/web', family: 4, ports: [{ ...port, port: target }], endpoints };
}

const backends = (endpoints: readonly Endpoint[], local = false): readonly [string, string] => {
  const found = backendsOf({ local }, port, [slice(endpoints)], place);
  assert.deepEqual(backendsOf({ local }, port, [slice([...endpoints].reverse())], place), found);
  return texts(found);
};
const texts = ({ picked, kept }: Backends): readonly [string, string] => [
  picked.map(({ address }) => address).join(' '),
  kept.map(({ address }) => address).join(' '),
];

const inZone = (zone: string): Partial<Endpoint> => ({ zones: [zone] });
const onNode = (node: string): Partial<Endpoint> => ({ nodes: [node], zones: ['zone-a'] });

const cases: readonly (readonly [string, readonly Endpoint[], string, string, boolean?])[] = [
  ['ready ones', [endpoint('1'), endpoint('2', unready), endpoint('3', ending)], '1', '3'],
  ['those that end, while there is no other', [endpoint('1', ending), endpoint('2', unready)], '1', ''],
  ['nobody', [endpoint('1', unready)], '', ''],
  ['of the node alone', [endpoint('1'), endpoint('2', { node: 'node2' })], '1', '2', true],
  ['nobody of the node', [endpoint('2', { node: 'node2' })], '', '2', true],
  [
    'who ends on the node before who is ready elsewhere',
    [endpoint('1', ending), endpoint('2', { node: 'node2' })],
    '1',
    '2',
    true,
  ],
  ['of the zone', [endpoint('1', inZone('zone-a')), endpoint('2', inZone('zone-b'))], '1', '2'],
  ['all, where one has no hint', [endpoint('1', inZone('zone-a')), endpoint('2')], '1 2', ''],
  [
    'all, where the zone has none',
    [endpoint('1', inZone('zone-b')), endpoint('2', inZone('zone-c'))],
    '1 2',
    '',
  ],
  ['of the node before the zone', [endpoint('1', onNode('node1')), endpoint('2', onNode('node2'))], '1', '2'],
  [
    'of the zone, where the node has none',
    [endpoint('1', onNode('node2')), endpoint('2', onNode('node3'))],
    '1 2',
    '',
  ],
  [
    'hints of those that are not ready count for nothing',
    [endpoint('1', inZone('zone-a')), endpoint('2', unready), endpoint('3', inZone('zone-b'))],
    '1',
    '3',
  ],
  ['each address once, the better of two', [endpoint('1', unready), endpoint('1')], '1', ''],
];

describe('backends of a Service', () => {
  for (const [name, endpoints, picked, kept, local] of cases)
    test(name, () => assert.deepEqual(backends(endpoints, local), [picked, kept]));

  test('a named port is each slice’s own, and another protocol’s is none', () => {
    const slices = [slice([endpoint('1')], 8080), slice([endpoint('2')], 9090)];
    const found = backendsOf({ local: false }, port, slices, place);
    assert.deepEqual(found.picked, [
      { address: '1', port: 8080 },
      { address: '2', port: 9090 },
    ]);
    assert.deepEqual(backendsOf({ local: false }, { ...port, protocol: 'UDP' }, slices, place).picked, []);
  });
});

describe('what is kept of the API’s objects', () => {
  const object = (spec: object) => ({ metadata: { namespace: 'shop', name: 'web' }, spec });

  test('headless Services and names of hosts have no address', () => {
    assert.equal(serviceOf(object({ clusterIP: 'None', clusterIPs: ['None'] })), undefined);
    assert.equal(serviceOf(object({ type: 'ExternalName', externalName: 'example.org' })), undefined);
    assert.equal(serviceOf(object({ clusterIP: '' })), undefined);
  });

  test('affinity lasts three hours unless it says otherwise', () => {
    const spec = { clusterIP: '10.96.0.1', sessionAffinity: 'ClientIP' };
    assert.equal(serviceOf(object(spec))?.affinitySeconds, 10_800);
    assert.equal(serviceOf(object({ ...spec, sessionAffinity: 'None' }))?.affinitySeconds, 0);
  });

  test('an endpoint without conditions is ready; a slice of nobody’s is left out', () => {
    const labels = { 'kubernetes.io/service-name': 'web' };
    const made = { addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }], ports: null };
    const read = sliceOf({ metadata: { namespace: 'shop', name: 'a', labels }, ...made });
    assert.deepEqual(read, {
      ...{ service: 'shop/web', family: 6, ports: [] },
      endpoints: [endpoint('fd00::1', { node: '' })],
    });
    assert.equal(sliceOf({ metadata: { namespace: 'shop', name: 'a' }, ...made }), undefined);
  });
});

const service = (name: string, address: string): Service => ({
  ...{ namespace: 'shop', name, addresses: [address], ports: [port], affinitySeconds: 0, local: false },
});

test('the record of a connection names the Service, through the API and back', async () => {
  const shown = { ...names, service: (id: number) => (id === 501 ? asked : undefined) };
  const store = createFlowStore({
    ...{ bytes: 1 << 20, denialBytes: 1 << 16, names: shown, clock: { current: () => 0n } },
  });
  const records = [record({ service: 501 }), record({ reference: 501n, method: 'GET', urlPath: '/' })];
  const { bytes, offsets } = batch(records);
  store.append(bytes, offsets);
  const flows: Flow[] = [];
  const query = { include: [], exclude: [], end: 'newest', follow: false } as const;
  for await (const event of store.query(query, new AbortController().signal))
    if (event.type === 'flow') flows.push(event.flow);
  const [connection, request] = flows;
  assert.ok(connection !== undefined && request !== undefined);
  assert.deepEqual([connection.service, connection.reference], [asked, undefined]);
  assert.deepEqual([request.service, request.reference], [undefined, '00000000000001f5']);
  const wire = flowToWire(connection, 'uuid', 'node1');
  assert.deepEqual(wire.destination_service, { name: 'web', namespace: 'shop' });
  assert.deepEqual(flowFromWire(wire).service, asked);
  assert.match(flowLine(connection, createStyle(false)), / {2}via shop\/web:80/);
});

test('a Service whose objects stay the same stays the same, whatever else changes', () => {
  const compiler = new ServiceCompiler(new Names({ seed: [], next: 0 }));
  const [web, cart] = [service('web', '10.96.0.10'), service('cart', '10.96.0.11')];
  const slices = [slice([endpoint('10.200.1.2')])];
  const key = '10.96.0.10 80/TCP';
  const first = compiler.compile(serviceSet([web], slices, place)).get(key);
  assert.ok(first !== undefined);
  const again = compiler.compile(serviceSet([cart, web], slices, place));
  assert.equal(again.get(key), first);
  const moved = compiler.compile(serviceSet([web], slices, { ...place, zone: 'zone-b' }));
  assert.notEqual(moved.get(key), first);
});

test('slots: who stays keeps its place, and the last fills the gap', () => {
  assert.deepEqual(assignSlots(['a', 'b', 'c', 'd'], ['a', 'c', 'd']), ['a', 'd', 'c']);
  assert.deepEqual(assignSlots(['a', 'b'], ['z', 'a', 'b']), ['a', 'b', 'z']);
  assert.deepEqual(assignSlots([], ['a', 'b']), ['a', 'b']);
  assert.deepEqual(assignSlots(['a', 'a', 'b'], ['b', 'a']), ['a', 'b']);
});

test('a question for the address of a Service is answered for its backends, a refused one first', () => {
  const workload = (name: string, address: string): Resource => ({
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'Workload',
    metadata: { namespace: 'shop', name, labels: { app: name } },
    spec: {
      netns: `/run/netns/${name}`,
      serviceAccount: 'default',
      addresses: [address],
      ports: [],
      probes: [],
    },
  });
  const policy: Resource = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: 'shop', name: 'client' },
    spec: {
      podSelector: { matchLabels: { app: 'client' } },
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: { matchLabels: { app: 'one' } } }] }],
    },
  };
  const resources = [
    workload('client', '10.0.0.1'),
    workload('one', '10.0.0.2'),
    workload('two', '10.0.0.3'),
    policy,
  ];
  const world = buildWorld({ resources });
  const names = new Names({ seed: [], next: 0 });
  const ask = (endpoints: readonly Endpoint[], address = '10.96.0.10') => {
    const services = serviceSet([service('web', '10.96.0.10')], [slice(endpoints)], place);
    const { desired } = compile(world, names, services);
    const question = {
      source: { workload: 'shop/client' },
      destination: { address },
      port: 80,
      protocol: 'TCP',
    } as const;
    const { decision, service: said } = explainResolved(
      { world, services: desired.services, names },
      question,
    );
    return [decision.verdict, said?.why];
  };
  const [one, two] = [endpoint('10.0.0.2'), endpoint('10.0.0.3')];
  assert.deepEqual(ask([one]), [
    'Allow',
    'shop/web:80 has 1 backend for this node, policy refuses 0; this is 10.0.0.2 port 8080',
  ]);
  assert.deepEqual(ask([one, two]), [
    'Deny',
    'shop/web:80 has 2 backends for this node, policy refuses 1; this is 10.0.0.3 port 8080',
  ]);
  assert.match(ask([])[1] ?? '', /^nobody serves shop\/web:80/);
  assert.equal(ask([one], '10.0.0.2')[1], undefined);
});
