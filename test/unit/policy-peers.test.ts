// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/core/identity/address.ts';
import { peerOfAddress, peerOfWorkload } from '../../src/core/policy/peers.ts';
import { parseManifest } from '../../src/core/resources/manifest.ts';
import { ask, NODE, policy, WORKLOADS, world } from '../support/policy-shop.ts';
import { buildWorld } from '../support/one-world.ts';

test('a workload may always reach itself: by name, address and loopback of its own namespace', () => {
  const one = world(policy('{ingress: [], egress: []}'));
  for (const destination of [
    'shop/web',
    '10.0.0.2',
    'fd00::2',
    '127.0.0.1',
    '::1',
    '0.0.0.0',
    '::ffff:10.0.0.2',
  ]) {
    assert.equal(ask(one, 'shop/web', destination).reason, 'AllowedSelf', destination);
  }
  assert.equal(ask(one, 'shop/web', 'shop/api').verdict, 'Deny');
});

test('loopback of a cgroup workload is the host, whose other programs listen there', () => {
  const one = world(
    policy('{selector: {matchLabels: {app: batch}}, egress: [{action: Allow, to: [{entities: [World]}]}]}'),
  );
  assert.equal(ask(one, 'shop/batch', '127.0.0.1').verdict, 'Deny');
  assert.equal(ask(one, 'shop/batch', '192.0.2.1').verdict, 'Allow');
});

test('a cgroup workload is governed on egress only and is the node to others', () => {
  const one = world(policy('{selector: {matchLabels: {app: batch}}, ingress: [], egress: []}'));
  assert.equal(ask(one, 'shop/batch', 'shop/api').verdict, 'Deny');
  const { verdict, steps } = ask(one, 'shop/web', 'shop/batch');
  assert.equal(verdict, 'Allow');
  assert.match(steps[0]?.detail ?? '', /its ingress is not governed/);
  const batch = one.workloads.get('shop/batch') ?? assert.fail();
  assert.ok(peerOfWorkload(one, batch).entities.has('Node'));
});

test('NetworkPolicy never stands between a workload and its own node, AccessPolicy may', () => {
  const network = world(policy('{podSelector: {}, policyTypes: [Ingress, Egress]}', 'NetworkPolicy'));
  assert.equal(ask(network, NODE, 'shop/api').reason, 'AllowedNode');
  assert.equal(ask(network, 'shop/api', NODE).reason, 'AllowedNode');
  assert.equal(ask(network, '192.0.2.1', 'shop/api').verdict, 'Deny');
  assert.equal(ask(world(policy('{ingress: []}')), NODE, 'shop/api').verdict, 'Deny');
});

test('policyTypes default to Ingress, and Egress where there is an egress rule', () => {
  const isolated = (spec: string) => {
    const one = world(policy(spec, 'NetworkPolicy'));
    return [ask(one, 'evil/intruder', 'shop/api').verdict, ask(one, 'shop/api', 'evil/intruder').verdict];
  };
  assert.deepEqual(isolated('{podSelector: {}}'), ['Deny', 'Allow']);
  assert.deepEqual(isolated('{podSelector: {}, egress: []}'), ['Deny', 'Allow']);
  assert.deepEqual(isolated('{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}'), [
    'Deny',
    'Deny',
  ]);
  assert.deepEqual(isolated('{podSelector: {}, policyTypes: [Egress]}'), ['Allow', 'Deny']);
  assert.deepEqual(isolated('{podSelector: {}, policyTypes: [Egress], egress: [{}]}'), ['Allow', 'Allow']);
  assert.deepEqual(isolated('{podSelector: {}, ingress: [{}]}'), ['Allow', 'Allow']);
  assert.deepEqual(isolated('{podSelector: {}, ingress: [{from: [], ports: []}]}'), ['Allow', 'Allow']);
});

test('an ipBlock matches the address of a workload, and its exceptions take away', () => {
  const one = world(
    policy(
      '{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24, except: [10.0.0.64/26]}}]}]}',
      'NetworkPolicy',
    ),
  );
  assert.equal(ask(one, 'shop/web', 'shop/api').verdict, 'Allow');
  assert.equal(ask(one, 'evil/intruder', 'shop/api').verdict, 'Deny');
  assert.equal(ask(one, '10.0.1.1', 'shop/api').verdict, 'Deny');
});

test('a shorter block holds the addresses of longer ones of other policies', () => {
  const one = world(
    policy('{ingress: [{action: Allow, from: [{cidrs: [10.0.0.0/8]}]}]}', 'AccessPolicy', 'a') +
      policy(
        '{ingress: [{action: Deny, from: [{cidrs: [10.9.0.0/16]}], to: [{port: 22}]}]}',
        'AccessPolicy',
        'b',
      ),
  );
  assert.equal(ask(one, '10.9.1.1', 'shop/api').verdict, 'Allow');
  assert.equal(ask(one, '10.9.1.1', 'shop/api', { port: 22 }).verdict, 'Deny');
  assert.equal(ask(one, '10.8.1.1', 'shop/api', { port: 22 }).verdict, 'Allow');
});

test('named ports are those of the workload connected to, in both directions', () => {
  const ingress = world(policy('{podSelector: {}, ingress: [{ports: [{port: http}]}]}', 'NetworkPolicy'));
  assert.equal(ask(ingress, 'evil/intruder', 'shop/api').verdict, 'Allow');
  assert.equal(ask(ingress, 'evil/intruder', 'shop/web').verdict, 'Deny');
  const egress = world(
    policy('{selector: {matchLabels: {app: web}}, egress: [{action: Allow, to: [{port: http}]}]}'),
  );
  assert.equal(ask(egress, 'shop/web', 'shop/api').verdict, 'Allow');
  assert.equal(ask(egress, 'shop/web', 'evil/intruder').verdict, 'Deny');
});

test('an address claimed by two namespaces is nobody’s, and one written in a resource is its owner’s', () => {
  const { resources } = parseManifest(
    WORKLOADS.replace('netns: web,', 'netns: web, addresses: [10.0.0.9],'),
    'w.yaml',
  );
  const addresses = new Map([
    ['evil/intruder', ['10.0.0.9', '10.0.0.3', NODE]],
    ['shop/api', ['10.0.0.3']],
  ]);
  const one = buildWorld({ resources, addresses, nodeAddresses: [NODE] });
  const entities = (text: string) => {
    const peer = peerOfAddress(one, parseAddress(text) ?? assert.fail());
    return peer.workload?.serviceAccount ?? [...peer.entities].join();
  };
  assert.equal(entities('10.0.0.9'), 'web');
  assert.equal(entities('10.0.0.3'), 'World');
  assert.equal(entities(NODE), 'Cluster,Node');
  assert.deepEqual(
    one.addresses.conflicts.map(({ address, claimants, owner }) => [address, claimants, owner]),
    [
      ['10.0.0.1', ['evil/intruder', 'node'], 'node'],
      ['10.0.0.3', ['evil/intruder', 'shop/api'], undefined],
      ['10.0.0.9', ['evil/intruder', 'shop/web'], 'shop/web'],
    ],
  );
});

test('a label named like a property of every object is a label like any other', () => {
  const one = world(
    policy(
      '{ingress: [{action: Allow, from: [{podSelector: {matchExpressions: [{key: constructor, operator: Exists}]}}]}]}',
    ),
  );
  assert.equal(ask(one, 'shop/web', 'shop/api').verdict, 'Deny');
});

test('an unknown workload is a fault with the known ones as hint', () => {
  assert.throws(() => ask(world(''), 'shop/wbe', 'shop/api'), {
    code: 'ERR_WORKLOAD_UNKNOWN',
    hint: /shop\/web/,
  });
});
