// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compilation } from '../../src/agent/compilation.ts';
import { changeEvents } from '../../src/agent/change-events.ts';
import { Compiler } from '../../src/control/compile/compile.ts';
import { createPeerIdentity } from '../../src/core/identity/peer-identity.ts';
import { parsePrefix } from '../../src/core/identity/prefix.ts';
import type { Service, ServiceSet } from '../../src/core/service/service.ts';
import { PersistentMap } from '../../src/lib/persistent-map.ts';
import { Names } from '../../src/control/compile/names.ts';
import type { Maps } from '../../src/datapath/maps.ts';
import { NameStore, readNames } from '../../src/datapath/name-store.ts';
import { keyBytes, keyText } from '../../src/datapath/typed-map.ts';
import { firstRuleText } from '../../src/agent/names-view.ts';
import { resourceMap } from '../../src/core/resources/kinds.ts';
import { parse } from '../support/policy-arbitrary.ts';
import { remotes } from '../support/reconciler-scene.ts';

const SPARE = 20;

const service: Service = {
  ...{ namespace: 'shop', name: 'api', addresses: ['10.96.0.1'], affinitySeconds: 0, local: false },
  ports: [{ name: '', port: 80, protocol: 'TCP' }],
};

const jobPeer = (job: number) => createPeerIdentity({ prefix: parsePrefix(`10.0.${String(job)}.0/24`) });

test('numbers of label sets that are never seen again are forgotten in time, and none is given out twice', () => {
  const names = new Names({ seed: [], next: 0 }, { spare: SPARE });
  const compilation = new Compilation(names);
  const meant = new Map<number, string>();
  let id: number | undefined;
  for (let round = 0; round < 100; round += 1) {
    const { world, compiled } = compilation.of({ resources: remotes(3, `job-${String(round)}`) }, undefined);
    assert.ok(names.assignments().seed.length <= SPARE + 15, String(names.assignments().seed.length));
    const [near] = compiled.desired.workloads;
    assert.ok(near !== undefined);
    assert.equal((id ??= near.id), near.id);
    for (const { identity } of compiled.desired.ipcache.values()) {
      const key = names.peerOf(identity)?.key ?? 'nobody';
      assert.equal(meant.get(identity) ?? key, key);
      meant.set(identity, key);
    }
    assert.deepEqual(new Compiler(names).compile(world), compiled);
  }
});

test('taking stock is no change of anything: nothing is told of it, and all that is in use keeps its number', () => {
  const names = new Names({ seed: [], next: 0 }, { spare: SPARE });
  const compilation = new Compilation(names);
  const policy = parse(
    'AccessPolicy',
    { namespace: 'shop', name: 'api' },
    { selector: {}, egress: [{ action: 'Allow', to: [{ cidrs: ['192.0.2.0/24'] }] }] },
  );
  const kept = remotes(3).with([['AccessPolicy shop/api', policy]]);
  const services: ServiceSet = {
    services: PersistentMap.empty<Service>().with([['shop/api', service]]),
    slices: PersistentMap.empty(),
    place: { node: '', zone: '' },
  };
  const at = new Date(0);
  let before = compilation.of({ resources: kept }, services);
  let jobs = 0;
  for (let round = 0; round < 3; round += 1) {
    for (const { generation } = names; generation === names.generation; jobs += 1) {
      assert.ok(jobs < 100);
      const now = compilation.of({ resources: kept }, services);
      assert.deepEqual(changeEvents({ ...before, revision: 1, at }, { ...now, revision: 2, at }), []);
      assert.equal(now.world.workloads, before.world.workloads);
      assert.deepEqual(now.compiled, before.compiled);
      before = now;
      names.peer(jobPeer(jobs));
    }
  }
});

test('a node that is nearly full takes stock before what keeps the numbers is', () => {
  const room = 48;
  const names = new Names({ seed: [], next: 0 }, { room });
  const compilation = new Compilation(names);
  const numbers = (): number => names.assignments().seed.length;
  for (let round = 0; round < 100; round += 1) {
    compilation.of({ resources: remotes(30, `job-${String(round)}`) }, undefined);
    assert.ok(numbers() <= room, String(numbers()));
  }
  // More in one change than there is room for: once it was refused, the next attempt has forgotten the rest.
  for (let job = 0; job < room; job += 1) names.peer(jobPeer(job));
  compilation.of({ resources: remotes(30, 'last') }, undefined);
  assert.ok(numbers() <= room, String(numbers()));
  assert.ok(!names.isCrowded);
});

test('what a number meant is known while flows may speak of it, also after it was forgotten', () => {
  const names = new Names({ seed: [], next: 0 }, { spare: SPARE });
  const compilation = new Compilation(names);
  const of = (round: number): number => {
    const { compiled } = compilation.of({ resources: remotes(0, `job-${String(round)}`) }, undefined);
    return compiled.desired.workloads[0]?.identity ?? 0;
  };
  const isKept = (number: number): boolean => names.assignments().seed.some(([kept]) => kept === number);
  const identities = [of(0)];
  while (isKept(identities[0] ?? 0) && identities.length < 2 * SPARE) identities.push(of(identities.length));
  assert.equal(new Set(identities).size, identities.length);
  const forgotten = identities.filter((identity) => !isKept(identity));
  assert.ok(forgotten.length > SPARE / 3, String(forgotten.length));
  for (const identity of forgotten)
    assert.match(names.peerOf(identity)?.workload?.labels['label'] ?? '', /^job-/);
});

test('a compilation that fails while stock is taken loses no meaning', () => {
  const names = new Names({ seed: [], next: 0 }, { spare: SPARE });
  const first = names.peer(jobPeer(0));
  names.forgetUnused();
  for (let job = 1; !names.isCrowded; job += 1) names.peer(jobPeer(job));
  names.takeStock();
  const second = names.peer(jobPeer(1));
  names.takeStock(); // it begins again
  names.forgetUnused();
  assert.equal(names.peerOf(first)?.key, jobPeer(0).key);
  assert.deepEqual(
    names.assignments().seed.map(([number]) => number),
    [second],
  );
  assert.equal(names.peer(jobPeer(1)), second);
  assert.ok(names.peer(jobPeer(0)) > second);
});

test('the kernel keeps the numbers that are in use, and where to go on from', () => {
  const kept = new Map<string, Buffer>();
  const map = {
    ...{ info: { keySize: 4 }, entrySize: 16 },
    update: (key: Uint8Array, value: Uint8Array) => kept.set(keyText(key), Buffer.from(value)),
    delete: (key: Uint8Array) => kept.delete(keyText(key)),
    dump: () => ({
      keys: Buffer.concat([...kept.keys()].map(keyBytes)),
      values: Buffer.concat([...kept.values()]),
      count: kept.size,
    }),
  };
  const maps = { names: map } as unknown as Maps;
  const store = new NameStore(maps);
  const names = new Names({ seed: [], next: 0 }, { spare: SPARE });
  for (const used of [[0], [0, 1], [1], [1, 2]]) {
    names.takeStock();
    for (const job of used) names.peer(jobPeer(job));
    names.forgetUnused();
    store.write(names);
    assert.deepEqual(readNames(maps), names.assignments());
  }
  assert.equal(readNames(maps).seed.length, 2);
});

test('a rule that is called otherwise is named so, though its table stays', () => {
  const names = new Names({ seed: [], next: 0 });
  const compilation = new Compilation(names);
  const read = (name: string) => {
    const http = [{ path: { type: 'Exact', value: '/' } }];
    const ingress = [{ name, action: 'Allow', http }];
    const resources = resourceMap([
      parse('Workload', { namespace: 'shop', name: 'api' }, { netns: 'api' }),
      parse('AccessPolicy', { namespace: 'shop', name: 'api' }, { selector: {}, ingress }),
    ]);
    const [automaton] = compilation.of({ resources }, undefined).compiled.proxy.automata;
    return { automaton, text: firstRuleText(names, automaton?.rules ?? []) };
  };
  const [before, after] = [read('readers'), read('everybody')];
  assert.equal(before.automaton, after.automaton);
  assert.deepEqual(
    [before.text, after.text],
    ['AccessPolicy shop/api ingress[0] (readers)', 'AccessPolicy shop/api ingress[0] (everybody)'],
  );
});
