// SPDX-License-Identifier: Apache-2.0
// Runs alone: its floods leave no processor to others.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { counter, floods } from '../support/flood.ts';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  connectionsIn,
  PLAIN,
  RULED,
  serverPolicyYaml,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

/** Connections that one workload may have in the proxy; the flood wants many times as many. */
const SHARE = 150;
/** Requests of the neighbour on each of its connections, on each path. */
const REQUESTS = 50;
const CONNECTIONS = 4;

describe('a workload floods', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let foe: LabHost;
  let flood: readonly ChildProcess[];

  before(async () => {
    node = new NodeScene('near');
    [web, api, foe] = ['web', 'api', 'foe'].map((name) => node.lab.host(name)) as [LabHost, LabHost, LabHost];
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(web, api, foe));
    node.write('policy.yaml', serverPolicyYaml(api));
    const file = join(node.run, 'settings.yaml');
    // Short enough that slow heads end and come again while the neighbour asks.
    writeFileSync(file, `limits: {connectionsPerWorkload: ${String(SHARE)}, headTimeoutMs: 1000}\n`);
    await node.startAgent('--settings', file);
    await node.settled();
    const commands = [
      ...floods.requests(api.address4, RULED),
      ...floods.limits(api.address6, RULED, 10 * SHARE, '/big'),
      ...floods.requests(api.address4, PLAIN),
    ];
    flood = commands.map((command) => node.startIn(foe, command));
    await until('the share of the flood to be full', () => overShare('shop/foe'));
  });
  after(() => node.destroy());

  /** Whether a workload was refused for its share. */
  const overShare = (from: string): boolean =>
    node.flows('--last', '1', '--reason', 'connection-limit', '--from', from).length > 0;

  for (const [what, port] of [
    ['through the proxy', RULED],
    ['directly', PLAIN],
  ] as const) {
    test(`every request of its neighbour is answered, ${what}`, () => {
      for (const address of [api.address4, api.address6]) {
        const counts = [port, REQUESTS, CONNECTIONS].map(String);
        const { stdout, stderr } = node.runIn(web, ['python3', '-c', counter, address, ...counts]);
        assert.equal(stdout.trim(), String(REQUESTS * CONNECTIONS), stderr);
      }
      assert.equal(node.curl(web, `http://${api.address4}:${String(RULED)}/admin`).status, '403');
    });
  }

  test('and the flood has gone on all the while, over its share and refused, which the neighbour never was', () => {
    assert.deepEqual(
      flood.map(({ exitCode }) => exitCode),
      flood.map(() => null),
    );
    assert.ok(connectionsIn(node, foe, 'state', 'established') >= SHARE);
    assert.ok(overShare('shop/foe'));
    assert.equal(overShare('shop/web'), false);
  });

  test('new connections of the neighbour are answered one by one, too', () => {
    const url = `http://${api.address4}:${String(RULED)}/`;
    const command = ['curl', '-s', '-m', '20', '-o', '/dev/null', '-H', 'Connection: close'];
    const { stdout } = node.runIn(web, [...command, '-w', '%{http_code}\\n', `${url}?[1-50]`]);
    assert.deepEqual([...new Set(stdout.trim().split('\n'))], ['200']);
    assert.equal(stdout.trim().split('\n').length, 50);
  });
});
