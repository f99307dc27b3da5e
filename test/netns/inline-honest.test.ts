// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { checksumClient, checksumServer } from '../support/checksums.ts';
import { type LabHost, listening, until } from '../support/lab.ts';
import { testObject } from '../support/native.ts';
import { NodeScene } from '../support/node-scene.ts';
import { RULED, serverPolicyYaml, workloadsYaml } from '../support/web-scene.ts';

describe('honest clients of a server whose requests the kernel decides', () => {
  let node: NodeScene;
  let server: LabHost;
  let client: LabHost;
  let serving: ChildProcess;

  before(async () => {
    node = new NodeScene('honest', { inline: 'auto' });
    server = node.lab.host('server');
    client = node.lab.host('client');
    serving = node.startIn(server, ['python3', '-c', checksumServer, String(RULED)]);
    await listening(node.lab, server, RULED);
    node.write('workloads.yaml', workloadsYaml(server, client));
    node.write('policy.yaml', serverPolicyYaml(server));
    await node.startAgent();
  });
  after(() => node.destroy());

  const start = (
    ...options: [connections: number, requests: number, size: number, ahead: number]
  ): (() => Promise<void>) => {
    const command = ['python3', '-c', checksumClient, server.address4, String(RULED), ...options.map(String)];
    const child = node.lab.start(client, node.inside(command), { stdio: ['ignore', 'pipe', 'inherit'] });
    return async (): Promise<void> => {
      const said = child.stdout === null ? '' : await text(child.stdout);
      if (serving.exitCode !== null) assert.fail('the server has ended');
      assert.deepEqual(said.split(' ').slice(0, 3), [String(options[0] * options[1]), '0', '0']);
    };
  };

  test('get every byte through, large and small', async () => {
    await start(8, 20, 400_000, 0)();
    await start(8, 100, 300, 30)();
  });

  test('lose nothing to a server that stands still', async () => {
    const done = start(4, 600, 60, 600);
    await until(
      'a request',
      () => node.lab.run(server, ['ss', '-Htn', 'state', 'established']).stdout !== '',
    );
    serving.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    serving.kill('SIGCONT');
    await done();
  });

  test('get through a path that loses one frame in twenty, both ways', async () => {
    const object = testObject('loss');
    const attach = (...how: string[]): void => {
      for (const device of ['v2', 'v3'])
        execFileSync('ip', ['-n', 'honest-net', 'link', 'set', 'dev', device, 'xdpgeneric', ...how]);
    };
    attach('obj', object, 'sec', 'xdp');
    try {
      await start(8, 30, 20_000, 0)();
      await start(8, 30, 300, 10)();
    } finally {
      attach('off');
    }
  });
});
