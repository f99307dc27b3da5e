// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { controlSocketName, stateFileName } from '../../src/core/proxy/places.ts';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  load,
  PLAIN,
  RULED,
  serverPolicyYaml,
  shortLived,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

const perigee = join(import.meta.dirname, '../../bin/perigee');

describe("a node's proxy is replaced under load", () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('rs2');
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  /** A second proxy as an operator starts it: the same control socket and state. */
  const startProxy = (): void => {
    const flags = [
      '--control',
      join(node.run, controlSocketName),
      '--state',
      join(node.run, stateFileName()),
    ];
    const [program = 'sh', ...rest] = node.inside([perigee, 'proxy', ...flags]);
    node.lab.own(spawn(program, rest, { stdio: 'ignore' }));
  };

  test('no request fails, local or remote; the old one ends, the agent follows the new one', async () => {
    const url = `http://${api.address4}:${String(RULED)}/`;
    const seconds = 8;
    const old = node.status()?.proxy.pid;
    assert.ok(old !== undefined);
    const loads = Promise.all([
      load(node, web, url, { seconds }),
      load(node, web, url, { seconds, connections: 4, flags: shortLived }),
      load(node, remote, url, { seconds }),
      load(node, remote, url, { seconds, connections: 4, flags: shortLived }),
      load(node, web, `http://${api.address4}:${String(PLAIN)}/`, { seconds }),
    ]);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    startProxy();
    const ended = until('the old proxy to end', () => !existsSync(`/proc/${String(old)}`), 35_000);
    for (const report of await loads) {
      assert.deepEqual(report.complaints, []);
      assert.ok(report.requests > 0);
    }
    await ended;
    await node.settled();
    const now = node.status()?.proxy.pid;
    assert.ok(now !== undefined && now !== old);
    assert.equal(node.curl(web, url).status, '200');
    assert.equal(node.curl(remote, `${url}admin`).status, '403');
  });
});
