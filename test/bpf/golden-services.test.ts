// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { Names } from '../../src/control/compile/names.ts';
import { ServiceCompiler } from '../../src/control/compile/services.ts';
import type { ApiObject } from '../../src/control/source/kubernetes/api.ts';
import { serviceOf, sliceOf } from '../../src/control/source/kubernetes/service.ts';
import type { EndpointSlice, Service } from '../../src/core/service/service.ts';
import type { DesiredState } from '../../src/core/state/desired.ts';
import { StateWriter } from '../../src/datapath/state-writer.ts';
import { dumpServices } from '../support/map-dump.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { noState, serviceSet } from '../support/states.ts';

const folder = join(import.meta.dirname, '../golden/services');
const place = { node: 'node1', zone: 'zone-a' };
const steps = { enrol: () => undefined, withdraw: () => undefined };

/** An object of the API as it is kept; undefined: it isn't. */
type Kept = Service | EndpointSlice;

const isSlice = (kept: Kept): kept is EndpointSlice => 'endpoints' in kept;

function read(file: string): Kept[] {
  const documents = parseAllDocuments(readFileSync(join(folder, file), 'utf8'));
  return documents.flatMap((document): Kept[] => {
    const object = document.toJS() as ApiObject;
    const kept = object.kind === 'Service' ? serviceOf(object) : sliceOf(object);
    return kept === undefined ? [] : [kept];
  });
}

function isService(kept: Kept): kept is Service {
  return !isSlice(kept);
}

describe('Services in, maps of the kernel out', () => {
  let scene: KernelScene;
  before(() => {
    scene = new KernelScene('goldsvc');
  });
  after(() => scene.destroy());

  const write = (writer: StateWriter, services: DesiredState['services']) =>
    writer.write({ ...noState, services }, new Map(), steps);

  /** One set after the other through one agent, which remembers; the last one's maps. */
  function load(...sets: readonly (readonly Kept[])[]): string {
    const names = new Names({ seed: [], next: 0 });
    const compiler = new ServiceCompiler(names);
    const writer = new StateWriter(scene.datapath.maps);
    for (const kept of sets) {
      write(writer, compiler.compile(serviceSet(kept.filter(isService), kept.filter(isSlice), place)));
    }
    return dumpServices(scene.datapath.maps, names);
  }

  test('as expected, the same in any order, and nothing left at the end', () => {
    const kept = read('shop.yaml');
    const dump = load(kept);
    const expected = join(folder, 'shop.expected');
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(expected, dump);
    assert.equal(dump, readFileSync(expected, 'utf8'));
    const reversed = [...kept].reverse();
    const growing = kept.map((_, index) => kept.slice(0, index + 1));
    const without = kept.flatMap((one) => [kept.filter((other) => other !== one), kept]);
    for (const sets of [
      [reversed],
      growing,
      reversed.map((_, index) => reversed.slice(0, index + 1)),
      [kept, kept],
      [kept, [], kept],
      without,
      [read('shop.yaml'), read('shop.yaml').reverse()],
    ])
      assert.equal(load(...sets), dump);
    assert.equal(load(kept, []), '\n');
  });

  test('a slice that comes twice, or one cut in two, changes nothing', () => {
    const kept = read('shop.yaml');
    const dump = load(kept);
    const slices = kept.filter(isSlice);
    const halves = slices.flatMap(({ endpoints, ...slice }): EndpointSlice[] => [
      { ...slice, endpoints: endpoints.slice(0, 1) },
      { ...slice, endpoints: endpoints.slice(1) },
    ]);
    assert.equal(load([...kept, ...slices]), dump);
    assert.equal(load([...kept.filter(isService), ...halves]), dump);
    load([]);
  });

  test('a backend that comes or goes is a handful of writes, however many there are', () => {
    const service: Service = {
      ...{ namespace: 'shop', name: 'large', addresses: ['10.96.1.1'], affinitySeconds: 0, local: false },
      ports: [{ name: '', port: 80, protocol: 'TCP' }],
    };
    const slice = (hosts: readonly number[]): EndpointSlice => ({
      service: 'shop/large',
      family: 4,
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: hosts.map((host) => ({
        addresses: [`10.200.${String(host >> 8)}.${String(host & 255)}`],
        ...{ ready: true, serving: true, terminating: false, node: '', zones: [], nodes: [] },
      })),
    });
    const hosts = Array.from({ length: 1000 }, (_, index) => index + 1);
    const compiler = new ServiceCompiler(new Names({ seed: [], next: 0 }));
    const writer = new StateWriter(scene.datapath.maps);
    const apply = (slices: readonly EndpointSlice[]) =>
      write(writer, compiler.compile(serviceSet([service], slices, place)));
    const parts = [hosts.slice(0, 500), hosts.slice(500)].map(slice);
    apply(parts);
    const [first = slice([]), second = slice([])] = parts;
    // The last backend takes the place of the one that goes; the setting is written every time.
    const gone = apply([slice(hosts.slice(0, 500).filter((host) => host !== 250)), second]);
    assert.deepEqual([gone.upserted, gone.removed], [3, 2]);
    const back = apply([first, second]);
    assert.deepEqual([back.upserted, back.removed], [4, 0]);
    assert.deepEqual(apply([first, second]), {
      ...{ upserted: 1, removed: 0 },
      ...{ rowsChanged: false, addressesChanged: false, backendsGone: false },
    });
    apply([]);
  });
});
