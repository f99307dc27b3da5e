// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { FlowRecord } from '../../src/core/abi/flow.ts';
import { direction } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { compile, INLINE_LIMITS } from '../../src/core/automaton/compile.ts';
import { Held } from '../support/held.ts';
import { type Governed, KernelScene, type SceneRule, sceneState } from '../support/kernel-scene.ts';
import { type LabHost, listening } from '../support/lab.ts';
import { echoServer } from '../support/programs.ts';

const ALLOWED = 8080;
const OTHER = 8081;

describe('connections within a node that only their server’s end tells of', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;

  before(async () => {
    scene = new KernelScene('rounds');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    scene.serve(server, echoServer, String(ALLOWED));
    await listening(scene.lab, server, ALLOWED);
  });
  after(() => scene.destroy());

  const open = (address: string): Promise<Held> => Held.open(scene, client, [address, ALLOWED]);
  /** Sweeps once; the records of what was closed for policy. */
  function sweep(round: 'first' | 'rest'): FlowRecord[] {
    scene.records();
    const { closed, failed } = scene.datapath.sweep(round);
    assert.deepEqual(failed, []);
    const records = scene.records().filter((record) => record.reason === reason['policy-changed']);
    assert.equal(records.length, closed);
    return records;
  }

  test("a connection within the node whose requests are to be read is closed in the first round: its client's end can't tell", async () => {
    const { bytes: table } = compile([], { allowsAll: true, limits: INLINE_LIMITS });
    const govern = (rule: Partial<SceneRule>): void =>
      scene.govern([
        { host: client },
        { host: server, ingress: [{ peer: client, port: ALLOWED, action: 'allow', ...rule }] },
      ]);
    govern({});
    const held = await Promise.all([server.address4, server.address6, `::ffff:${server.address4}`].map(open));
    govern({ action: 'proxy', table });
    assert.equal(scene.datapath.inline.off, undefined);
    assert.deepEqual(
      sweep('first').map((record) => record.direction),
      held.map(() => direction.ingress),
    );
    for (const one of held) assert.match(await one.ended(), /^(ECONNRESET|end)$/);
  });

  test("a connection whose client's end is nobody's here is closed at its server's, in the second round", async () => {
    // As behind a translated address: the peer's address is a workload's, its socket is not to be found.
    const governed = (port: number): readonly Governed[] => [
      { host: server, ingress: [{ peer: client, port, action: 'allow' }] },
      { host: client },
    ];
    const govern = (port: number): void => {
      const state = sceneState(governed(port));
      const shown = { ...state, workloads: state.workloads.filter(({ key }) => key !== 'lab/client') };
      scene.datapath.capture(shown.workloads);
      scene.datapath.apply(shown);
    };
    govern(ALLOWED);
    const held = await open(server.address4);
    govern(OTHER);
    assert.deepEqual(sweep('first'), []);
    assert.equal(await held.ping(), 'ping');
    const [record] = sweep('rest');
    assert.equal(record?.direction, direction.ingress);
    assert.match(await held.ended(), /^(ECONNRESET|end)$/);
  });
});
