// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { tcpClient } from '../support/programs.ts';
import { load, PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

/** Holds one idle connection to each of argv[2:] at host argv[1]. */
const holder = `
import socket,sys,time
held=[socket.create_connection((sys.argv[1],int(p))) for p in sys.argv[2:]]
held[0].sendall(b'GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n'); held[0].recv(100)
print('open',flush=True); time.sleep(600)
`;

/** Asks for each path of its input at host argv[1], port argv[2], each time anew; prints the status, or the error. */
const asker = `
import http.client,sys,errno
for line in sys.stdin:
    try:
        c=http.client.HTTPConnection(sys.argv[1],int(sys.argv[2]),timeout=5); c.request('GET',line.strip()); print(c.getresponse().status,flush=True); c.close()
    except OSError as e: print(errno.errorcode.get(e.errno,str(e)),flush=True)
`;

interface WorkloadView {
  readonly key: string;
  readonly ready: boolean;
  readonly addresses: readonly string[];
}

describe('a namespace goes while it is in use, and comes again', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;

  before(() => {
    node = new NodeScene('rs4');
    web = node.lab.host('web');
    api = node.lab.host('api');
  });
  after(() => node.destroy());

  const workload = (key: string): WorkloadView | undefined => {
    const status = JSON.parse(node.statusText()) as { workloads: readonly WorkloadView[] };
    return status.workloads.find((entry) => entry.key === key);
  };
  const end = async (child: ChildProcess): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  };
  const governed = (from: LabHost, to: LabHost): readonly string[] => [
    node.curl(from, `http://${to.address4}:${String(RULED)}/`).status,
    node.curl(from, `http://${to.address4}:${String(RULED)}/admin`).status,
    node.curl(from, `http://[${to.address6}]:${String(RULED)}/admin`).status,
    node.curl(from, `http://${to.address4}:${String(PLAIN)}/`).status,
    node.runIn(from, ['python3', '-c', tcpClient, to.address4, '9001']).stdout.trim(),
  ];
  const asWritten = ['200', '403', '403', '200', 'EPERM'];

  test('a client: its connections end, others do not; under the same name it is governed again', async () => {
    await startNginx(node, api);
    const first = node.lab.host('guest');
    node.write('workloads.yaml', workloadsYaml(web, api, first));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
    assert.deepEqual(governed(first, api), asWritten);
    const command = ['python3', '-c', holder, api.address4, String(RULED), String(PLAIN)];
    const child = node.lab.start(first, node.inside(command), { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = linesOf(child);
    await until('the connections of the guest', () => lines.length === 1);
    const beside = load(node, web, `http://${api.address4}:${String(RULED)}/`, { seconds: 4 });
    await end(child);
    node.lab.remove(first);
    await until('the guest to be let go', () => workload('shop/guest')?.ready === false);
    assert.deepEqual((await beside).complaints, []);
    const second = node.lab.host('guest');
    assert.notEqual(second.address4, first.address4);
    await until('the new guest', () => workload('shop/guest')?.addresses.includes(second.address4) === true);
    await node.settled();
    assert.deepEqual(governed(second, api), asWritten);
    assert.equal(workload('shop/guest')?.addresses.includes(first.address4), false);
    assert.deepEqual(governed(web, api), asWritten);
  });

  test('made again while a program lives in the first: both are judged request by request', async () => {
    const first = node.lab.host('third');
    node.write('workloads.yaml', workloadsYaml(web, api, first));
    const key = 'shop/third';
    await until('the guest to be governed', () => workload(key)?.ready === true);
    const child = node.lab.start(first, node.inside(['python3', '-c', asker, api.address4, String(RULED)]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = linesOf(child);
    const ask = async (path: string): Promise<string> => {
      const count = lines.length;
      child.stdin?.write(`${path}\n`);
      await until('an answer', () => lines.length > count);
      return lines[count] ?? '';
    };
    await node.settled();
    assert.deepEqual([await ask('/'), await ask('/admin')], ['200', '403']);
    node.lab.remove(first);
    const second = node.lab.host('third');
    await until('the second', () => workload(key)?.addresses.includes(second.address6) === true);
    await node.settled();
    assert.deepEqual(governed(second, api), asWritten);
    assert.deepEqual([await ask('/'), await ask('/admin')], ['200', '403']);
    const revision = node.status()?.config.revision ?? 0;
    await end(child);
    await node.settled(revision + 1);
    assert.deepEqual(governed(second, api), asWritten);
  });

  test('met before its loopback is up: governed in both families once it is', async () => {
    const early = node.lab.host('early', { loopback: 'down' });
    node.write('workloads.yaml', workloadsYaml(web, api, early));
    await until('the early guest to be governed', () => workload('shop/early')?.ready === true);
    await node.settled();
    execFileSync('ip', ['-n', early.netns, 'link', 'set', 'lo', 'up']);
    const front = `http://[${api.address6}]:${String(RULED)}/`;
    await until('the proxy to listen there', () => node.curl(early, front).status === '200');
    assert.deepEqual(governed(early, api), asWritten);
  });

  test('a server: its clients fail, and find it governed under its new address', async () => {
    const first = node.lab.host('shop');
    const nginx = await startNginx(node, first);
    node.write('workloads.yaml', workloadsYaml(web, api, first));
    node.write('policy2.yaml', serverPolicyYaml(first));
    await until('the server to be governed', () => workload('shop/shop')?.ready === true);
    await node.settled();
    assert.deepEqual(governed(web, first), asWritten);
    const command = ['python3', '-c', holder, first.address4, String(RULED), String(PLAIN)];
    const child = node.lab.start(web, node.inside(command), { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = linesOf(child);
    await until('the connections to the server', () => lines.length === 1);
    await end(nginx);
    node.lab.remove(first);
    await until('the server to be let go', () => workload('shop/shop')?.ready === false);
    assert.deepEqual(governed(web, api), asWritten);
    const second = node.lab.host('shop');
    await startNginx(node, second);
    await until('the new server', () => workload('shop/shop')?.addresses.includes(second.address4) === true);
    await node.settled();
    assert.deepEqual(governed(web, second), asWritten);
    await end(child);
  });
});
