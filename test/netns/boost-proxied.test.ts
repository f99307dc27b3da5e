// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BoostCounts } from '../../src/datapath/boost/counts.ts';
import { echoClient, echoServer } from '../support/boost-programs.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { RULED, boostedYaml, serverPolicyYaml } from '../support/web-scene.ts';

describe('boost between applications and the proxy', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;

  before(async () => {
    node = new NodeScene('boostp');
    web = node.lab.host('web');
    api = node.lab.host('api');
    node.startIn(api, [process.execPath, '-e', echoServer(RULED)]);
    await listening(node.lab, api, RULED);
    ask(web, api);
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const ask = (...hosts: LabHost[]): void => {
    node.write('workloads.yaml', boostedYaml(hosts, [web, api]));
  };
  const counts = (): BoostCounts => node.boostCounts();
  const talk = async (): Promise<{ entered: number; redirected: number }> => {
    const before = counts();
    const command = node.inside([process.execPath, '-e', echoClient(RULED), api.address4]);
    const lines = linesOf(node.lab.start(web, command, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await until('the client to end', () => lines.length > 0, 60_000);
    const found = JSON.parse(lines[0] ?? '') as Record<'same' | 'other' | 'refused', number>;
    assert.equal(found.other, 0);
    assert.ok(found.same > 50 && found.refused > 0, JSON.stringify(found));
    const now = counts();
    return { entered: now.entered - before.entered, redirected: now.redirected - before.redirected };
  };

  test('both legs: each body comes as it was, what policy refuses is refused', async () => {
    const { entered, redirected } = await talk();
    assert.ok(entered >= 2, `${String(entered)} connections entered`);
    assert.ok(redirected > 50);
  });

  test('one leg, of the end that asks for it', async () => {
    ask(api);
    await node.settled(2);
    const { entered, redirected } = await talk();
    assert.ok(entered >= 1, `${String(entered)} connections entered`);
    assert.ok(redirected > 20);
  });

  test('nobody asks: no boost', async () => {
    ask();
    await node.settled(3);
    assert.deepEqual(await talk(), { entered: 0, redirected: 0 });
  });
});
