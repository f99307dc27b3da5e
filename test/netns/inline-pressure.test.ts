// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  RULED,
  connectionsIn,
  load,
  serverPolicyYaml,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

/** argv: file, port. Answers each request, `/slow` after a second, and writes the path of each that reached it to the file. */
const recorder = `
import socket,sys,threading,time
out=open(sys.argv[1],'a',1)
def serve(c):
    b=b''
    try:
        while d:=c.recv(1<<20):
            b+=d; *heads,b=b.split(b'\\r\\n\\r\\n')
            for h in heads:
                path=h.split(b' ')[1].decode(); print(path,file=out)
                if path=='/slow': time.sleep(1)
            c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'*len(heads))
    except OSError: pass
    c.close()
l=socket.create_server(('',int(sys.argv[2])))
while True: threading.Thread(target=serve,args=(l.accept()[0],),daemon=True).start()
`;

/** argv: server, port, own port (0: any), program. \`ask\` sends paths in one piece, \`answers\` reads so many statuses, or up to the end. */
const client = `
import re,socket,struct,sys,time
def connect(own):
    s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
    if own: s.bind(('',own))
    s.settimeout(10); s.connect((sys.argv[1],int(sys.argv[2]))); return s
def ask(s,*paths):
    try: s.sendall(b''.join(b'GET %s HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'%p.encode() for p in paths))
    except OSError: pass
def answers(s,count=1<<30):
    b=b''; n=[]
    try:
        while len(n)<count and (d:=s.recv(1<<20)): b+=d; n=re.findall(rb'HTTP/1.1 (\\d+)',b)
    except OSError as e: n.append(type(e).__name__.encode())
    return [x.decode() for x in n]
def same(l): return sorted(set(l))
own=int(sys.argv[3]); exec(sys.argv[4])
`;

describe('an inline server under pressure', () => {
  let node: NodeScene;
  let api: LabHost;
  let shop: LabHost;
  let web: LabHost;

  before(async () => {
    node = new NodeScene('pressure', { inline: 'auto' });
    api = node.lab.host('api');
    shop = node.lab.host('shop');
    web = node.lab.host('web');
    await startNginx(node, shop);
    node.startIn(api, ['python3', '-c', recorder, join(node.run, 'paths'), String(RULED)]);
    await listening(node.lab, api, RULED);
    node.write('workloads.yaml', workloadsYaml(api, shop, web));
    node.write('policy.yaml', [api, shop].map(serverPolicyYaml).join('---\n'));
    await node.startAgent();
  });
  after(() => node.destroy());

  const run = (program: string, own = 0): string[] => {
    const command = ['python3', '-c', client, api.address4, String(RULED), String(own), program];
    const { stdout, stderr } = node.runIn(web, command);
    assert.equal(stderr, '');
    return stdout.trim().split('\n');
  };
  const reached = (): string[] => readFileSync(join(node.run, 'paths'), 'latin1').trim().split('\n');

  test('1,500 requests at once are judged one by one', () => {
    const warm = `s=connect(own)\nfor i in range(8): ask(s,*['/w']*300); answers(s,300)`;
    assert.deepEqual(
      run(`${warm}\nask(s,*['/a%d'%i for i in range(1500)]); a=answers(s,1500); print(len(a),*same(a))`),
      ['1500 200'],
    );
    assert.equal(reached().filter((path) => path.startsWith('/a')).length, 1500);
    const mixed = `ask(s,*['/b' if i%3 else '/admin/%d'%i for i in range(1,1501)]); print(*same(answers(s)))`;
    assert.doesNotMatch(run(`${warm}\n${mixed}`).join(' '), /403/);
    const last = `ask(s,*['/c']*1499,'/admin/last'); print(*same(answers(s)))`;
    assert.doesNotMatch(run(`${warm}\n${last}`).join(' '), /403/);
    assert.deepEqual(
      reached().filter((path) => path.startsWith('/admin')),
      [],
    );
  });

  test('a refusal while a response is outstanding is a reset, never that response', () => {
    const said = run(
      `s=connect(own); ask(s,'/slow'); time.sleep(0.2); ask(s,'/admin/x'); print(*answers(s))`,
    );
    assert.deepEqual(said, ['ConnectionResetError']);
    assert.ok(reached().includes('/slow'));
    assert.ok(!reached().includes('/admin/x'));
  });

  test('a reset inside a head leaves nothing behind, and its ports are judged anew', async () => {
    const half = `s=connect(own); s.sendall(b'GET /half HTTP/1.1\\r\\nHos'); time.sleep(0.1)
s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0)); s.close()`;
    const whole = `s=connect(own); ask(s,'/again'); print(*answers(s,1)); ask(s,'/admin/again'); print(*answers(s))`;
    for (let round = 0; round < 5; round += 1) {
      run(half, 41000);
      assert.deepEqual(run(whole, 41000), ['200', '403'], `round ${String(round)}`);
    }
    await until('every connection of it to be gone', () =>
      [api, web].every(
        (host) => connectionsIn(node, host, 'state', 'connected', 'exclude', 'time-wait') === 0,
      ),
    );
    assert.ok(!reached().includes('/half'));
  });

  test('tables swapped under load lose no request', async () => {
    const before = node.status()?.config.revision ?? 0;
    const loading = load(node, web, `http://${shop.address4}:${String(RULED)}/load`, {
      seconds: 4,
      connections: 32,
    });
    const end = Date.now() + 3500;
    for (let turn = 0; Date.now() < end; turn += 1) {
      const changed = serverPolicyYaml(shop).replace('value: /admin', `value: /admin${String(turn)}`);
      node.write('policy.yaml', [serverPolicyYaml(api), changed].join('---\n'));
      await delay(10);
    }
    const report = await loading;
    assert.equal(report.failed, 0);
    assert.ok(report.requests > 100);
    const swaps = (node.status()?.config.revision ?? 0) - before;
    assert.ok(swaps >= 3, `${String(swaps)} swaps`);
  });
});
