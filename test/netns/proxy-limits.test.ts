// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { load, rssMib, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

const FEW = 50;
/** With their servers' sockets they stay below 20,000 descriptors. */
const IDLE = 10_000;
/** Every so many of them asks in the end: each then holds a connection to the server, too. */
const ASKING = 5;

/**
 * Opens argv[1] connections to port argv[2] of the other addresses in turn; every tenth one makes a request.
 * Prints how many are open; after a line on its input it makes a request on every argv[3]-th and prints how many were
 * answered. Connections that were refused count as neither.
 */
const holder = `
import socket,sys
n,port,every,hosts=int(sys.argv[1]),int(sys.argv[2]),int(sys.argv[3]),sys.argv[4:]
def ask(s):
    try:
        s.sendall(b'GET / HTTP/1.1\\r\\nhost: api\\r\\n\\r\\n'); d=b''
        while not d.endswith(b'hello\\n'):
            c=s.recv(4096)
            if not c: return False
            d+=c
        return d.startswith(b'HTTP/1.1 200 ')
    except OSError: return False
kept=[]
for i in range(n):
    try: s=socket.create_connection((hosts[i%len(hosts)],port),timeout=20)
    except ConnectionResetError: continue
    if i%10 or ask(s): kept.append(s)
print('open',len(kept),flush=True)
sys.stdin.readline()
print('answered',sum(map(ask,kept[::every])),flush=True)
sys.stdin.readline()
`;

describe('shares of the proxy', () => {
  let node: NodeScene;
  let web: LabHost;
  let greedy: LabHost;
  let api: LabHost;

  before(async () => {
    node = new NodeScene('rs3');
    web = node.lab.host('web');
    greedy = node.lab.host('greedy');
    api = node.lab.host('api');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(web, greedy, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    await startWith(FEW);
  });
  after(() => node.destroy());

  const startWith = async (connectionsPerWorkload: number): Promise<void> => {
    const file = join(node.run, 'settings.yaml');
    writeFileSync(file, `limits: {connectionsPerWorkload: ${String(connectionsPerWorkload)}}\n`);
    await node.startAgent('--settings', file);
    await node.settled();
  };

  const hold = (count: number, every: number): { child: ChildProcess; lines: readonly string[] } => {
    const program = [
      'python3',
      '-c',
      holder,
      ...[count, RULED, every].map(String),
      api.address4,
      api.address6,
    ];
    const raised = ['sh', '-c', `ulimit -n ${String(IDLE + 1000)} && exec "$@"`, 'sh', ...program];
    const child = node.lab.start(greedy, node.inside(raised), { stdio: ['pipe', 'pipe', 'inherit'] });
    return { child, lines: linesOf(child) };
  };
  const url = (): string => `http://${api.address4}:${String(RULED)}/`;

  test('a workload over its share of connections is refused with the reason; its neighbour loses nothing', async () => {
    const beside = load(node, web, url(), { seconds: 5 });
    const { child, lines } = hold(2 * FEW, 1);
    await until('the connections', () => lines.length === 1);
    child.stdin?.write('\n');
    await until('the answers', () => lines.length === 2);
    assert.equal(lines[1], `answered ${String(FEW)}`);
    const { complaints, requests } = await beside;
    assert.deepEqual(complaints, []);
    assert.ok(requests > 0);
    const refused = (from: string): number =>
      node.flows('--all', '--reason', 'connection-limit', '--from', from).length;
    assert.deepEqual([refused('shop/greedy'), refused('shop/web')], [FEW, 0]);
    child.stdin?.end('\n');
    await until('the share to be free again', () => node.curl(greedy, url()).status === '200');
  });

  test('10,000 open connections, most of them silent: the proxy still answers all who ask, and others', async (t) => {
    await node.killAgent();
    await startWith(IDLE + 500);
    const pid = node.status()?.proxy.pid ?? 0;
    const before = rssMib(pid);
    const { child, lines } = hold(IDLE, ASKING);
    await until('the connections', () => lines.length === 1, 40_000);
    assert.equal(lines[0], `open ${String(IDLE)}`);
    const idle = rssMib(pid);
    assert.deepEqual((await load(node, web, url(), { seconds: 3 })).complaints, []);
    assert.equal(node.curl(web, `${url()}admin`).status, '403');
    child.stdin?.write('\n');
    await until('the answers', () => lines.length === 2, 40_000);
    assert.equal(lines[1], `answered ${String(IDLE / ASKING)}`);
    const mib = [before, idle, rssMib(pid)].map((value) => value.toFixed(0)).join(', ');
    t.diagnostic(`resident memory of the proxy before, with them idle, after some asked: ${mib} MiB`);
    child.stdin?.end('\n');
  });
});
