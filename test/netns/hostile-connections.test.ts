// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pinLayout } from '../../src/datapath/layout.ts';
import { loadNative } from '../../src/datapath/native.ts';
import { readEntries } from '../../src/datapath/typed-map.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  connectionsIn,
  load,
  RULED,
  serverPolicyYaml,
  socketsOf,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

/** argv: host, port, stage, how often. Goes so far and resets; prints how many connections it has opened. */
const resetter = `
import socket,struct,sys
h,port,stage,n=sys.argv[1],int(sys.argv[2]),sys.argv[3],int(sys.argv[4])
get=b'GET / HTTP/1.1\\r\\nhost: api\\r\\n\\r\\n'
big=get.replace(b'/ ',b'/big ',1)
sent={'connected':b'','request line':b'GET /so','head':get[:-2],'request':get,'pipeline':get*50,'response':big,
 'body':b'POST / HTTP/1.1\\r\\nhost: api\\r\\ncontent-length: 100000\\r\\n\\r\\n'+b'x'*50000,
 'chunk':b'POST / HTTP/1.1\\r\\nhost: api\\r\\ntransfer-encoding: chunked\\r\\n\\r\\nff\\r\\nabc','idle':get}
read={'response':100000,'idle':1}
for i in range(n):
    s=socket.create_connection((h,port),timeout=5)
    s.sendall(sent[stage]); left=read.get(stage,0)
    while left>0: left-=len(s.recv(65536))
    s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0)); s.close()
print(n)
`;

/** A server that resets every connection at the stage that the path names. */
const rudeServer = `
import socket,struct,sys,threading
def serve(c):
    try:
        d=b''
        while b'\\r\\n\\r\\n' not in d:
            b=c.recv(65536)
            if not b: return
            d+=b
        stage=d.split(b' ')[1]
        if stage==b'/head': c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-le')
        if stage==b'/body': c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 100\\r\\n\\r\\nhalf')
        if stage==b'/chunk': c.sendall(b'HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n5\\r\\nhello\\r\\nff\\r\\nab')
        if stage==b'/after':
            c.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok'); c.recv(1)
        c.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0))
    finally: c.close()
s=socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)
s.bind(('::',int(sys.argv[1]))); s.listen(256)
while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()
`;

/** Opens argv[3] connections, sends on each a head that never ends, and prints the status lines it gets. */
const slowHeads = `
import socket,sys,time
cs=[socket.create_connection((sys.argv[1],int(sys.argv[2]))) for i in range(int(sys.argv[3]))]
for c in cs: c.sendall(b'GET / HTTP/1.1\\r\\n')
alive=set(cs); got=[]
while alive:
    for c in list(alive):
        try:
            c.sendall(b'x-a: b\\r\\n'); c.settimeout(0.01); d=c.recv(4096)
            if d: got.append(d.split(b'\\r\\n')[0].decode())
            if d and c.recv(4096): raise ValueError
        except TimeoutError: continue
        except OSError: pass
        alive.discard(c)
    time.sleep(0.05)
print(len(got),set(got))
`;

/** Opens argv[3] connections, asks for a large file on each and reads nothing; ends after a line on its input. */
const slowReaders = `
import socket,sys
cs=[]
for i in range(int(sys.argv[3])):
    c=socket.socket(); c.setsockopt(socket.SOL_SOCKET,socket.SO_RCVBUF,4096); c.connect((sys.argv[1],int(sys.argv[2])))
    c.sendall(b'GET /big HTTP/1.1\\r\\nhost: api\\r\\n\\r\\n'); cs.append(c)
print('asked',flush=True); sys.stdin.readline()
`;

const stages = 'connected,request line,head,request,pipeline,response,body,chunk,idle'.split(',');

describe('connections that mean harm, through the real interception', () => {
  let node: NodeScene;
  let web: LabHost;
  let foe: LabHost;
  let api: LabHost;
  let rude: LabHost;
  let remote: LabHost;
  let proxy: number;

  before(async () => {
    node = new NodeScene('rs5');
    [web, foe, api, rude, remote] = ['web', 'foe', 'api', 'rude', 'remote'].map((name) =>
      node.lab.host(name),
    ) as [LabHost, LabHost, LabHost, LabHost, LabHost];
    await startNginx(node, api);
    node.startIn(rude, ['python3', '-c', rudeServer, String(RULED)]);
    await listening(node.lab, rude, RULED);
    node.write('workloads.yaml', workloadsYaml(web, foe, api, rude));
    node.write('policy.yaml', `${serverPolicyYaml(api)}---\n${serverPolicyYaml(rude)}`);
    writeFileSync(join(node.run, 'settings.yaml'), 'limits: {headTimeoutMs: 500}\n');
    await node.startAgent('--settings', join(node.run, 'settings.yaml'));
    await node.settled();
    proxy = node.status()?.proxy.pid ?? 0;
  });
  after(() => node.destroy());

  const url = (path: string): string => `http://${api.address4}:${String(RULED)}${path}`;
  const python = (host: LabHost, program: string, ...args: string[]): string => {
    const result = node.runIn(host, ['python3', '-c', program, ...args]);
    return (result.stdout + result.stderr).trim();
  };
  const established = ['state', 'connected', 'exclude', 'time-wait', 'exclude', 'syn-recv'];
  const counts = (): readonly number[] => [
    ...[web, foe, api, rude, remote].map((host) => connectionsIn(node, host, ...established)),
    socketsOf(proxy),
  ];
  const entries = (name: string): number => {
    const map = loadNative().BpfMap.openPinned(join(pinLayout(node.pinRoot).maps, name));
    const { size } = readEntries(map);
    map.close();
    return size;
  };
  /** Idle connections to servers go after some seconds; then everything must be as before. */
  const cleanAgain = async (before: readonly number[]): Promise<void> => {
    await until(
      `as many sockets as before (${before.join(' ')}; now ${counts().join(' ')})`,
      () => counts().every((count, index) => count <= (before[index] ?? 0)),
      15_000,
    );
    assert.deepEqual([entries('handoff'), entries('announcements')], [0, 0]);
    assert.equal(node.curl(web, url('/')).status, '200');
    assert.equal(node.curl(foe, url('/admin')).status, '403');
  };

  for (const from of ['foe', 'remote'] as const) {
    test(`resets of a client at every stage leave nothing behind (${from === 'foe' ? 'local' : 'remote'})`, async () => {
      const host = from === 'foe' ? foe : remote;
      const before = counts();
      for (const address of [api.address4, api.address6]) {
        for (const stage of stages) {
          assert.equal(python(host, resetter, address, String(RULED), stage, '20'), '20', stage);
        }
      }
      await cleanAgain(before);
    });
  }

  test('resets of a server at every stage are 502 or a cut answer, never a wrong one', async () => {
    const before = counts();
    for (const [stage, status, error] of [
      ['/accept', '502', ''],
      ['/head', '502', ''],
      ['/body', '200', /curl: \((18|56)\)/],
      ['/chunk', '200', /curl: \((18|56)\)/],
      ['/after', '200', ''],
    ] as const) {
      for (let round = 0; round < 5; round += 1) {
        const answer = node.curl(web, `http://${rude.address4}:${String(RULED)}${stage}`);
        assert.equal(answer.status, status, `${stage}: ${answer.error}`);
        assert.match(answer.error, error === '' ? /^$/ : error, stage);
      }
    }
    await cleanAgain(before);
  });

  test('heads that never end are answered 408, all of them, while others are served', async () => {
    const before = counts();
    const beside = load(node, web, url('/'), { seconds: 3 });
    assert.equal(
      python(foe, slowHeads, api.address4, String(RULED), '200'),
      "200 {'HTTP/1.1 408 Request Timeout'}",
    );
    assert.deepEqual((await beside).complaints, []);
    await cleanAgain(before);
  });

  test('readers that do not read hold up nobody else, and what they held is freed', async () => {
    const before = counts();
    const command = node.inside(['python3', '-c', slowReaders, api.address4, String(RULED), '200']);
    const child = node.lab.start(foe, command, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesOf(child);
    await until('the requests', () => lines.length === 1);
    assert.deepEqual((await load(node, web, url('/'), { seconds: 3 })).complaints, []);
    const whole = node.curl(web, url('/big'), '-o', '/dev/null', '-w', '%{size_download} %{http_code}\n');
    assert.equal(whole.body.trim(), '67108864 200');
    child.stdin?.end('\n');
    await cleanAgain(before);
  });
});
