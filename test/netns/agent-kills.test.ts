// SPDX-License-Identifier: Apache-2.0
// Runs alone: its loads leave no processor to others.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { tcpClient } from '../support/programs.ts';
import {
  everyLoad,
  PLAIN,
  RULED,
  serverPolicyYaml,
  startNginx,
  underLoad,
  workloadsYaml,
} from '../support/web-scene.ts';

const KILLS = 4;
const perigee = join(import.meta.dirname, '../../bin/perigee');

describe('the agent dies under load', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;

  before(async () => {
    node = new NodeScene('rs1');
    web = node.lab.host('web');
    api = node.lab.host('api');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  test('killed with -9 again and again: not one request fails, through the proxy or directly', async () => {
    const proxy = node.status()?.proxy.pid;
    const reports = await underLoad(node, everyLoad(web, api), async () => {
      for (let kill = 0; kill < KILLS; kill += 1) {
        await node.killAgent();
        await node.startAgent();
      }
      await node.settled();
    });
    assert.equal(node.status()?.proxy.pid, proxy, 'the proxy outlives the agents');
    for (const report of reports) {
      assert.deepEqual(report.complaints, []);
      assert.ok(report.requests > 0);
    }
  });

  test('with no agent at all, policy is enforced on new connections as before', async () => {
    await node.killAgent();
    const statuses = [`${String(RULED)}/`, `${String(RULED)}/admin`, `${String(PLAIN)}/admin`].map(
      (rest) => node.curl(web, `http://${api.address4}:${rest}`).status,
    );
    const forbidden = node.runIn(web, ['python3', '-c', tcpClient, api.address4, '9001']).stdout.trim();
    await node.startAgent();
    await node.settled();
    assert.deepEqual(statuses, ['200', '403', '200']);
    assert.equal(forbidden, 'EPERM');
  });

  test('a second agent beside the first is refused with a clear message, and disturbs nothing', async () => {
    const flags = ['--config', node.config, '--pin-root', node.pinRoot, '--cgroup', node.cgroup];
    const other = ['--run-directory', join(node.run, 'second')];
    const reports = await underLoad(node, everyLoad(web, api), () => {
      const options = { encoding: 'utf8', timeout: 30_000 } as const;
      const { status, stderr } = spawnSync(perigee, ['agent', ...flags, ...other], options);
      assert.equal(status, 2);
      assert.match(stderr, /another agent governs this host already/);
    });
    for (const { complaints } of reports) assert.deepEqual(complaints, []);
    assert.equal(node.status()?.ready, true);
  });

  test('of agents that are started at once after one was killed, exactly one governs', async () => {
    await node.killAgent();
    const flags = ['--config', node.config, '--pin-root', node.pinRoot, '--cgroup', node.cgroup];
    const places = ['--run-directory', node.run, '--metrics-address', 'off'];
    const [program = 'sh', ...rest] = node.inside([perigee, 'agent', ...flags, ...places]);
    const agents = Array.from({ length: 4 }, () => node.lab.own(spawn(program, rest, { stdio: 'ignore' })));
    await until('all but one to give up', () => agents.filter(({ exitCode }) => exitCode === 2).length === 3);
    await node.settled();
    const [winner] = agents.filter(({ exitCode }) => exitCode === null);
    assert.ok(winner !== undefined);
    assert.equal(node.curl(web, `http://${api.address4}:${String(RULED)}/admin`).status, '403');
    const gone = new Promise((resolve) => winner.once('exit', resolve));
    winner.kill('SIGTERM');
    await gone;
    await node.startAgent();
    await node.settled();
  });
});
