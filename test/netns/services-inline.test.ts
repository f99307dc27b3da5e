// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { flowKind } from '../../src/core/abi/flow.ts';
import { compile, INLINE_LIMITS } from '../../src/core/automaton/compile.ts';
import { KernelScene, type SceneService } from '../support/kernel-scene.ts';
import { type LabHost, listening } from '../support/lab.ts';
import { httpClient, httpServer } from '../support/service-programs.ts';

const CLUSTER4 = '10.96.0.10';
const CLUSTER6 = 'fd96::10';

describe('Services whose requests the kernel reads', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;

  before(() => {
    scene = new KernelScene('servicei');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
  });
  after(() => scene.destroy());

  test('requests that the kernel reads name the Service of their connection, others none', async () => {
    scene.serve(server, httpServer, '8090');
    await listening(scene.lab, server, 8090);
    const { bytes: table } = compile([], { allowsAll: true, limits: INLINE_LIMITS });
    const ingress = [{ peer: client, port: 8090, action: 'proxy', table }] as const;
    const services: readonly SceneService[] = [
      { id: 501, address: CLUSTER4, port: 80, picked: [[server.address4, 8090]] },
      { id: 502, address: CLUSTER6, port: 80, picked: [[server.address6, 8090]] },
      { id: 503, address: CLUSTER4, port: 81, picked: [[server.address4, 8090]] },
    ];
    scene.govern([{ host: client }, { host: server, ingress }], services);
    assert.equal(scene.datapath.inline.off, undefined);
    scene.records();
    const asked: [string, number, number][] = [
      [CLUSTER4, 80, 501],
      [server.address4, 8090, 0],
      [CLUSTER6, 80, 502],
      [`::ffff:${CLUSTER4}`, 81, 503],
      [server.address6, 8090, 0],
    ];
    for (const [address, port] of asked)
      assert.equal(scene.python(client, httpClient, address, String(port), '2'), '200\n200');
    const requests = scene.records().filter(({ kind }) => kind === flowKind.request);
    assert.deepEqual(
      requests.map(({ service }) => service),
      asked.flatMap(([, , service]) => [service, service]),
    );
    using left = scene.native.BpfMap.openPinned(join(scene.datapath.layout.maps, 'service_asked'));
    assert.equal(left.dump().count, 0);
  });
});
