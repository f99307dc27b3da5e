// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { AgentProcess } from '../support/agent-process.ts';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene, type NodeStatus } from '../support/node-scene.ts';
import { tcpClient } from '../support/programs.ts';
import { PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

describe('the proxy hangs', () => {
  let node: NodeScene;
  let agent: AgentProcess;
  let web: LabHost;
  let api: LabHost;
  let proxy: number;

  before(async () => {
    node = new NodeScene('hung');
    web = node.lab.host('web');
    api = node.lab.host('api');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    const wrap = (command: readonly string[]): string[] => node.inside(command);
    agent = new AgentProcess({
      name: 'perigee-hung',
      config: node.config,
      cgroup: node.cgroup,
      wrap,
      inline: 'off',
    });
    await agent.start();
    proxy = agent.proxyPid() ?? 0;
    process.kill(proxy, 'SIGSTOP');
  });
  after(async () => {
    process.kill(proxy, 'SIGCONT');
    await agent.cleanup();
    await node.destroy();
  });

  const url = (port: number, path = '/'): string => `http://${api.address4}:${String(port)}${path}`;
  const connect = (port: number): string =>
    node.runIn(web, ['python3', '-c', tcpClient, api.address4, String(port)]).stdout.trim();
  const status = async (): Promise<NodeStatus> => {
    const { stdout } = await agent.cli(['status', '-o', 'json']);
    return JSON.parse(stdout) as NodeStatus;
  };

  test('what needs no proxy goes on, and a change of it comes into force', async () => {
    assert.equal(node.curl(web, url(PLAIN)).status, '200');
    const { revision } = (await status()).config;
    node.write(
      'policy.yaml',
      serverPolicyYaml(api)
        .replace(`port: ${String(PLAIN)}`, 'port: 9002')
        .replace('/admin', '/secret'),
    );
    await until('the next revision', async () => (await status()).config.revision > revision);
    assert.equal(connect(PLAIN), 'EPERM');
    assert.equal(connect(9002), 'ECONNREFUSED', 'nobody listens there, but it may be asked');
  });

  test('no second proxy is started beside it; requests wait and are answered when it goes on', async () => {
    const waiting = node.lab.start(web, node.inside(['curl', '-sS', '-m', '60', url(RULED)]), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = linesOf(waiting);
    await until('the agent to notice', () => agent.logs(200).includes('the proxy does not answer in time'));
    assert.deepEqual(agent.proxyPids(), [proxy]);
    assert.deepEqual(lines, []);
    process.kill(proxy, 'SIGCONT');
    await until('the answer', () => lines.length === 1);
    assert.deepEqual(lines, ['hello']);
    assert.equal(waiting.exitCode ?? 0, 0);
    await until('the proxy to have the new rules', async () => {
      const now = await status();
      return now.proxy.revision === now.config.revision;
    });
    assert.deepEqual(
      ['/secret', '/admin'].map((path) => node.curl(web, url(RULED, path)).status),
      ['403', '200'],
    );
    assert.deepEqual(agent.proxyPids(), [proxy]);
  });

  test('an agent that waits for its answer ends all the same when it is told to', async () => {
    process.kill(proxy, 'SIGSTOP');
    const noticed = agent.logs(500).split('does not answer').length;
    await agent.end('SIGKILL');
    await agent.start({
      isReady: () => Promise.resolve(agent.logs(500).split('does not answer').length > noticed),
    });
    assert.equal(await agent.end('SIGTERM'), 0);
    process.kill(proxy, 'SIGCONT');
    await agent.start();
  });
});
