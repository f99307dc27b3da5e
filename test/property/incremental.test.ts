// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Compiler, type Compiled } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import { ServiceCompiler } from '../../src/control/compile/services.ts';
import { formatPrefix } from '../../src/core/identity/prefix.ts';
import { type World, WorldBuilder, type WorldInput } from '../../src/core/policy/world.ts';
import { type Resource, resourceMap } from '../../src/core/resources/kinds.ts';
import { REST } from '../../src/core/state/desired.ts';
import type { EndpointSlice, Service } from '../../src/core/service/service.ts';
import { type Change, PersistentMap } from '../../src/lib/persistent-map.ts';
import { NAMESPACES, parse, scene } from '../support/policy-arbitrary.ts';

const RUNS = 150;
/** With hundreds of blocks one takes longer. */
const FEW_RUNS = 15;
const newNames = () => new Names({ seed: [], next: 0 });

const keys = fc.constantFrom(...Array.from({ length: 12 }, (_, index) => `k${String(index)}`));
const writes = fc.array(fc.tuple(keys, fc.option(fc.nat(3), { nil: undefined })), { maxLength: 20 });

test('a persistent map holds what a Map holds, and knows what tells it from any earlier one', () => {
  const property = fc.property(fc.array(writes, { maxLength: 6 }), (turns) => {
    const model = new Map<string, number>();
    const seen = [PersistentMap.empty<number>()];
    for (const turn of turns) {
      for (const [key, value] of turn) {
        if (value === undefined) model.delete(key);
        else model.set(key, value);
      }
      const next = (seen.at(-1) ?? PersistentMap.empty<number>()).with(turn);
      assert.equal(next.size, model.size);
      assert.deepEqual(new Map(next), model);
      for (const before of seen) {
        const replayed = before.with(next.changesSince(before).map(({ key, is }) => [key, is]));
        assert.deepEqual(replayed, next);
        for (const { key, was, is } of next.changesSince(before) satisfies Change<number>[])
          assert.ok(was === before.get(key) && is === next.get(key) && was !== is);
      }
      seen.push(next);
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.1.2', '10.0.0.130', 'fd00::2', '192.168.1.1'];
const someAddresses = fc.uniqueArray(fc.constantFrom(...ADDRESSES), { maxLength: 3 });

/** A pod of another node, as a cluster knows it. */
const remote = fc
  .record({
    // Some are also pods of this node, at another time.
    name: fc.constantFrom('r0', 'r1', 'w0', 'w1'),
    namespace: fc.constantFrom(...NAMESPACES),
    addresses: someAddresses,
    labels: fc.constantFrom({ app: 'a' }, { app: 'b' }),
  })
  .map(({ addresses, ...metadata }): Resource => ({
    ...{ apiVersion: 'perigee.dev/v1alpha1', kind: 'Workload', metadata },
    spec: { serviceAccount: 'default', addresses, ports: [], probes: [] },
  }));

/** More blocks than have numbers of their own, around the addresses above; an exception, and two answers. */
const MANY_BLOCKS = 260;
const manyBlocks = fc.constantFrom(80, 81).map((port) => {
  const from = Array.from({ length: MANY_BLOCKS }, (_, index) => ({
    ipBlock: { cidr: `10.0.${String(index >> 8)}.${String(index & 255)}/32` },
  }));
  const wide = { ipBlock: { cidr: '10.0.0.0/16', except: ['10.0.0.128/25'] } };
  const ingress = [
    { from, ports: [{ port }] },
    { from: [...from.filter((_, index) => index % 2 === 0), wide], ports: [{ port: 443 }] },
  ];
  return parse('NetworkPolicy', { namespace: NAMESPACES[0], name: 'blocks' }, { podSelector: {}, ingress });
});

/** Workloads of the node that it may probe on these ports. */
function probed(resource: Resource, probes: number[]): Resource {
  return resource.kind === 'Workload' ? { ...resource, spec: { ...resource.spec, probes } } : resource;
}

const momentWith = (blocks: fc.Arbitrary<Resource | undefined>) =>
  fc
    .record({
      one: scene,
      remotes: fc.array(remote, { maxLength: 3 }),
      blocks,
      probes: fc.subarray([80, 443], { minLength: 0 }),
      own: someAddresses,
      others: someAddresses,
      apiServers: someAddresses,
    })
    .map(({ one, remotes, blocks, probes, own, others, apiServers }) => ({
      resources: [
        ...one.resources.map((resource) => probed(resource, probes)),
        ...remotes,
        ...(blocks === undefined ? [] : [blocks]),
      ],
      around: {
        addresses: new Map([...one.addresses].map(([key, address]) => [key, [address]])),
        nodeAddresses: [one.node, ...own],
        otherNodeAddresses: others,
        apiServerAddresses: apiServers,
      } satisfies Omit<WorldInput, 'resources'>,
    }));

/** Moments that have most resources in common, as those of one cluster have. */
const historyOf = (moment: ReturnType<typeof momentWith>) =>
  fc.tuple(moment, moment).chain(([one, other]) => {
    const all: readonly Resource[] = [...one.resources, ...other.resources];
    const next = fc.record({
      resources: fc.shuffledSubarray([...all]),
      around: fc.constantFrom(one.around, other.around),
    });
    return fc.array(next, { minLength: 2, maxLength: 6 });
  });
const history = historyOf(momentWith(fc.constant(undefined)));
const historyOfBlocks = historyOf(momentWith(fc.option(manyBlocks, { nil: undefined, freq: 2 })));
type Moments = typeof history extends fc.Arbitrary<infer T> ? T : never;

/** What two worlds, and what became of them, are compared by: all that does not depend on the order of things. */
function textOf(
  { workloads, locals, namespaces, policies, networkPolicies, ...world }: World,
  compiled: Compiled,
) {
  return {
    ...{ workloads, locals, namespaces, policies, networkPolicies, compiled },
    selections: world.selections,
    owners: world.addresses.owners,
    conflicts: world.addresses.conflicts,
    prefixes: new Map(
      [...world.prefixes].map((prefix) => [formatPrefix(prefix), world.prefixes.standIn(prefix)]),
    ),
    egressPortNames: world.egressPortNames,
  };
}

interface Told {
  changes: number;
  probed: number;
  grouped: number;
}

/** Each moment from the one before, and alone. */
function compare(moments: Moments, told: Told): void {
  const names = newNames();
  const builder = new WorldBuilder();
  const compiler = new Compiler(names);
  let before: PersistentMap<Resource> | undefined;
  for (const { resources, around } of moments) {
    const now = resourceMap(resources);
    // As sources hand them over: what is the same shares its parts with what was.
    const shared = (before ?? now).with(now.changesSince(before ?? now).map(({ key, is }) => [key, is]));
    if (before !== undefined) told.changes += shared.changesSince(before).length;
    before = shared;
    const world = builder.build({ resources: shared, ...around });
    const alone = new WorldBuilder().build({ resources: now, ...around });
    if (world.locals.some(({ probes }) => probes.length > 0)) told.probed += 1;
    if ([...world.prefixes].length >= MANY_BLOCKS && world.locals.length > 0) told.grouped += 1;
    assert.deepEqual(
      textOf(world, compiler.compile(world)),
      textOf(alone, new Compiler(names).compile(alone)),
    );
  }
}

test('one change after the other comes to what the last moment alone comes to', () => {
  const told: Told = { changes: 0, probed: 0, grouped: 0 };
  fc.assert(
    fc.property(history, (moments) => compare(moments, told)),
    { numRuns: RUNS },
  );
  assert.ok(told.changes > RUNS && told.probed > RUNS / 4, JSON.stringify(told));
});

test('the same of more blocks than have numbers of their own', () => {
  const told: Told = { changes: 0, probed: 0, grouped: 0 };
  fc.assert(
    fc.property(historyOfBlocks, (moments) => compare(moments, told)),
    { numRuns: FEW_RUNS },
  );
  assert.ok(told.grouped >= FEW_RUNS / 4, JSON.stringify(told));
});

const service = fc
  .record({
    name: fc.constantFrom('web', 'api'),
    addresses: fc.constantFrom(['10.96.0.1'], ['10.96.0.2'], ['10.96.0.1', 'fd00::1']),
    ports: fc.uniqueArray(fc.constantFrom(80, 443), { minLength: 1 }),
    local: fc.boolean(),
  })
  .map(({ name, addresses, ports, local }): Service => ({
    ...{ namespace: 'shop', name, addresses, local, affinitySeconds: 0 },
    ports: ports.map((port) => ({ name: String(port), port, protocol: 'TCP' })),
  }));
const slice = fc
  .record({
    service: fc.constantFrom('shop/web', 'shop/api'),
    endpoints: fc.uniqueArray(fc.constantFrom('10.200.0.1', '10.200.0.2', '10.200.0.3'), { minLength: 1 }),
    node: fc.constantFrom('node1', 'node2'),
  })
  .map(({ service, endpoints, node }): EndpointSlice => ({
    ...{
      service,
      family: 4,
      ports: [80, 443].map((port) => ({ name: String(port), port, protocol: 'TCP' })),
    },
    endpoints: endpoints.map((address) => ({
      ...{ addresses: [address], node, zones: [], nodes: [] },
      ...{ ready: true, serving: true, terminating: false },
    })),
  }));
const turn = fc.record({
  services: fc.array(service, { maxLength: 2 }),
  slices: fc.array(slice, { maxLength: 3 }),
  node: fc.constantFrom('node1', 'node2'),
});

test('the same of Services, two of which may claim one address', () => {
  const property = fc.property(fc.array(turn, { minLength: 2, maxLength: 6 }), (turns) => {
    const names = newNames();
    const compiler = new ServiceCompiler(names);
    for (const { services, slices, node } of turns) {
      const set = {
        services: PersistentMap.of(services.map((one) => [`shop/${one.name}`, one])),
        slices: PersistentMap.of(slices.map((one, index) => [`shop/${String(index)}`, one])),
        place: { node, zone: '' },
      };
      const alone = new ServiceCompiler(names).compile(set);
      assert.deepEqual(compiler.compile(set), alone);
    }
  });
  fc.assert(property, { numRuns: RUNS });
});

test('a namespace that is labelled anew has its workloads asked about again', () => {
  const own = (labels: Readonly<Record<string, string>>): readonly Resource[] => [
    parse('Namespace', { name: 'bank', labels }),
    parse('Workload', { namespace: 'shop', name: 'api' }, { netns: 'api' }),
    parse('Workload', { namespace: 'bank', name: 'web' }, { netns: 'web', addresses: ['10.0.0.3'] }),
    parse(
      'AccessPolicy',
      { namespace: 'shop', name: 'teams' },
      { ingress: [{ action: 'Allow', from: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] }] },
    ),
  ];
  const names = newNames();
  const builder = new WorldBuilder();
  const compiler = new Compiler(names);
  const rowsWith = (labels: Readonly<Record<string, string>>): number => {
    const { policy } = compiler.compile(builder.build({ resources: resourceMap(own(labels)) })).desired;
    return policy.flatMap(({ rows }) => rows).filter(({ identity }) => identity !== REST).length;
  };
  assert.equal(rowsWith({ team: 'y' }), 0);
  assert.ok(rowsWith({ team: 'x' }) > 0);
  assert.equal(rowsWith({ team: 'y' }), 0);
});
