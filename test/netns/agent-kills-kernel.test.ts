// SPDX-License-Identifier: Apache-2.0
// Runs alone: its loads leave no processor to others.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  boostedYaml,
  connectionsIn,
  everyLoad,
  RULED,
  serverPolicyYaml,
  startNginx,
  underLoad,
} from '../support/web-scene.ts';

/** Between the start of an agent and its end, ms: before, while and after connections enter the map of sockets. */
const LIVES = [0, 150, 350, 700, 1500, 30];

/** Asks for what is refused, again and again, each time anew, until it is killed; prints each answer. */
const refusedClient = `
import socket,sys,time
while True:
    try:
        s=socket.create_connection((sys.argv[1],int(sys.argv[2])),2); s.settimeout(.3)
        s.sendall(b'GET /admin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); print(s.recv(100).split()[1].decode(),flush=True)
    except TimeoutError: print('nothing',flush=True)
    except (OSError,IndexError): print('closed',flush=True)
    s.close(); time.sleep(.005)
`;

describe('the agent dies while requests are decided in the kernel and messages pass TCP by', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;

  before(async () => {
    node = new NodeScene('kk', { inline: 'auto' });
    web = node.lab.host('web');
    api = node.lab.host('api');
    await startNginx(node, api);
    node.write('workloads.yaml', boostedYaml([web, api], [web, api]));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  test('killed with -9 at every stage: no request fails that is allowed, none passes that is refused', async () => {
    const before = node.boostCounts().redirected;
    const command = node.inside(['python3', '-c', refusedClient, api.address4, String(RULED)]);
    const refused = node.lab.start(web, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    const answers = linesOf(refused);
    const reports = await underLoad(node, everyLoad(web, api), async () => {
      await until('connections to be boosted', () => node.boostCounts().redirected > before);
      for (const life of LIVES) {
        await new Promise((resolve) => setTimeout(resolve, life));
        await node.killAgent();
        await node.startAgent();
      }
    });
    for (const report of reports) {
      assert.deepEqual(report.complaints, []);
      assert.ok(report.requests > 0);
    }
    await until('a refusal that is answered again', () => answers.at(-1) === '403');
    refused.kill('SIGKILL');
    assert.deepEqual(
      [...new Set(answers)].sort().filter((one) => !['403', 'closed', 'nothing'].includes(one)),
      [],
    );
    await until('nothing to be left', () => connectionsIn(node, api, 'state', 'established') === 0);
  });
});
