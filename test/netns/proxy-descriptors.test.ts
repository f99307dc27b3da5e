// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  load,
  RULED,
  serverPolicyYaml,
  shortLived,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

/** Open files of agent and proxy. */
const LIMIT = 256;
const MANY = 200;

/**
 * Opens argv[3] connections and makes a request on each; prints how many were answered. At every line on its input it
 * makes one more request on each of those and prints how many were answered.
 */
const holder = `
import socket,sys
h,port,n=sys.argv[1],int(sys.argv[2]),int(sys.argv[3])
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
    try: s=socket.create_connection((h,port),timeout=20)
    except ConnectionResetError: continue
    if ask(s): kept.append(s)
print(len(kept),flush=True)
while sys.stdin.readline(): print(sum(map(ask,kept)),flush=True)
`;

describe('a proxy with few descriptors', () => {
  let node: NodeScene;
  let web: LabHost;
  let greedy: LabHost;
  let api: LabHost;
  let proxy: number;

  before(async () => {
    node = new NodeScene('rs8');
    [web, greedy, api] = ['web', 'greedy', 'api'].map((name) => node.lab.host(name)) as [
      LabHost,
      LabHost,
      LabHost,
    ];
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(web, greedy, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    node.launcher = ['prlimit', `--nofile=${String(LIMIT / 2)}:${String(LIMIT)}`];
    await node.startAgent();
    await node.settled();
    proxy = node.status()?.proxy.pid ?? 0;
  });
  after(() => node.destroy());

  const url = (): string => `http://${api.address4}:${String(RULED)}/`;
  const descriptors = (): number => readdirSync(`/proc/${String(proxy)}/fd`).length;
  const refused = (from: string): number =>
    node.flows('--last', '1000', '--reason', 'connection-limit', '--from', from).length;
  const hold = (host: LabHost, count: number): { child: ChildProcess; lines: readonly string[] } => {
    const program = ['python3', '-c', holder, api.address4, String(RULED), String(count)];
    const child = node.lab.start(host, node.inside(program), { stdio: ['pipe', 'pipe', 'inherit'] });
    return { child, lines: linesOf(child) };
  };
  const askAgain = async ({ child, lines }: ReturnType<typeof hold>): Promise<string | undefined> => {
    const count = lines.length;
    child.stdin?.write('\n');
    await until('the answers', () => lines.length > count);
    return lines[count];
  };

  test('raises its soft limit to the hard one', () => {
    const limits = execFileSync('prlimit', [
      '--pid',
      String(proxy),
      '--nofile',
      '-o',
      'SOFT',
      '--noheadings',
    ]);
    assert.equal(Number(limits.toString()), LIMIT);
  });

  test('refuses with a reason before they are used up; open connections, and other workloads, go on', async () => {
    const neighbour = hold(web, 3);
    await until('the neighbour', () => neighbour.lines.length === 1);
    assert.equal(neighbour.lines[0], '3');
    const rounds: string[] = [];
    for (let round = 0; round < 2; round++) {
      const before = refused('shop/greedy');
      const flood = hold(greedy, MANY);
      await until('the flood', () => flood.lines.length === 1, 20_000);
      const kept = Number(flood.lines[0]);
      rounds.push(String(kept));
      assert.ok(kept > 4 && kept < MANY, `${String(kept)} of ${String(MANY)} were let in`);
      await until('all refusals', () => refused('shop/greedy') - before === MANY - kept);
      assert.ok(descriptors() < LIMIT, `${String(descriptors())} of ${String(LIMIT)} are in use`);
      assert.equal(await askAgain(flood), String(kept));
      assert.equal(await askAgain(neighbour), '3');
      for (let request = 0; request < 10; request++) assert.equal(node.curl(web, url()).status, '200');
      flood.child.stdin?.end();
      await until('room for the greedy one', () => node.curl(greedy, url()).status === '200');
    }
    assert.equal(rounds[0], rounds[1], 'all room came back');
    assert.equal(refused('shop/web'), 0);
    assert.doesNotMatch(node.proxyLog(), /EMFILE|too many open files/i);
    neighbour.child.stdin?.end();
  });

  test('a flood of short connections takes no request from a neighbour', async () => {
    const flood = load(node, greedy, url(), { seconds: 4, connections: 400, flags: shortLived });
    let answered = 0;
    const neighbour = hold(web, 3);
    await until('the neighbour', () => neighbour.lines.length === 1, 20_000);
    for (let request = 0; request < 20; request++) {
      if (node.curl(web, url()).status === '200') answered++;
      assert.equal(await askAgain(neighbour), '3');
    }
    assert.equal(answered, 20);
    assert.ok((await flood).requests > 0);
    assert.ok(refused('shop/greedy') > 0);
    assert.equal(refused('shop/web'), 0);
    neighbour.child.stdin?.end();
    await until('room for the greedy one', () => node.curl(greedy, url()).status === '200');
  });
});
