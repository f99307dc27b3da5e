// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { PLAIN, RULED, serverPolicyYaml, workloadsYaml } from '../support/web-scene.ts';

/** An address that no machine has, so that none answers for the client that writes its own segments. */
const OWN = '10.77.0.201';

/** argv: file, ports. Writes what each connection brings, and `|end`, to the file. */
const server = `
import selectors,socket,sys
s=selectors.DefaultSelector(); log=open(sys.argv[1],'ab',0)
for port in sys.argv[2:]: l=socket.create_server(('',int(port))); s.register(l,1)
while True:
    for k,_ in s.select():
        if k.fileobj.getsockopt(socket.SOL_SOCKET,socket.SO_ACCEPTCONN): s.register(k.fileobj.accept()[0],1); continue
        try: d=k.fileobj.recv(65536)
        except OSError: d=b''
        log.write(d or b'|end')
        if not d: s.unregister(k.fileobj)
`;

/** argv: MAC and address of the server, port, own address, and calls of \`put(position, flags, data, urgent)\` to run after SYN and SYN-ACK. */
const client = `
import os,socket,struct,sys,time
mac,there,port,own,calls=sys.argv[1:]; port=int(port); me,it=map(socket.inet_aton,(own,there))
w=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(0x800)); w.bind(('eth0',0x800)); w.settimeout(3)
mine=20000+os.getpid()%20000; first=int.from_bytes(os.urandom(4),'big'); theirs=0
FIN,SYN,ACK,URG=1,2,16,32
def total(b):
    n=sum(struct.unpack('!%dH'%(len(b)//2),b+b'\\0'*(len(b)%2) if len(b)%2==0 else b[:-1]))+(b[-1]<<8 if len(b)%2 else 0)
    while n>>16: n=(n&0xffff)+(n>>16)
    return ~n&0xffff
def put(at,flags,data=b'',urgent=0):
    t=struct.pack('!HHIIBBHHH',mine,port,(first+at)%2**32,theirs,80,flags,60000,0,urgent)+data
    t=t[:16]+struct.pack('!H',total(me+it+struct.pack('!HH',6,len(t))+t))+t[18:]
    h=struct.pack('!BBHHHBBH4s4s',69,0,20+len(t),0,0,64,6,0,me,it)
    w.send(bytes.fromhex(mac.replace(':',''))+w.getsockname()[4]+b'\\x08\\0'+h[:10]+struct.pack('!H',total(h))+h[12:]+t); time.sleep(0.05)
put(-1,SYN)
while True:
    p=w.recv(2000)[34:]
    if struct.unpack('!HH',p[:4])==(port,mine) and p[13]&18==18: break
theirs=struct.unpack('!I',p[4:8])[0]+1
exec(calls)
`;

/** argv: MAC and address of the server, port, own address, count. Segments with a refused request, each of a connection that nobody opened; their length is even. */
const flood = `
import socket,struct,sys
mac,there,port,own,count=sys.argv[1:]; port=int(port); me,it=map(socket.inet_aton,(own,there))
w=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(0x800)); w.bind(('eth0',0x800))
data=b'GET /admin HTTP/1.1\\r\\nHost: abc\\r\\n\\r\\n'
def total(b):
    n=sum(struct.unpack('!%dH'%(len(b)//2),b))
    while n>>16: n=(n&0xffff)+(n>>16)
    return ~n&0xffff
link=bytes.fromhex(mac.replace(':',''))+w.getsockname()[4]+b'\\x08\\0'
h=struct.pack('!BBHHHBBH4s4s',69,0,40+len(data),0,0,64,6,0,me,it); h=h[:10]+struct.pack('!H',total(h))+h[12:]
for i in range(int(count)):
    t=struct.pack('!HHIIBBHHH',1024+i%60000,port,7,9,80,24,60000,0,0)+data
    t=t[:16]+struct.pack('!H',total(me+it+struct.pack('!HH',6,len(t))+t))+t[18:]
    w.send(link+h+t)
`;

/** Where something comes before its turn; each works against a port without rules for requests. */
const cases = [
  {
    name: "an urgent pointer on the handshake's last segment takes no byte out of a request",
    calls: "put(0,ACK|URG,b'',7); put(0,ACK,b'GET /aXdmin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')",
    harm: 'GET /admin',
  },
  {
    name: "a FIN on the handshake's last segment cuts no head that comes later",
    calls: "put(24,ACK|FIN); put(0,ACK,b'GET /x HTTP/1.1\\r\\nHost: a')",
    harm: 'GET /x HTTP/1.1\r\nHost: a|end',
  },
];

describe('an inline connection that begins out of order', () => {
  let node: NodeScene;
  let api: LabHost;
  let stranger: LabHost;

  const log = (): string => join(node.run, 'api.log');
  const macOf = (host: LabHost): string =>
    /link\/ether (\S+)/.exec(node.lab.run(host, ['ip', 'link', 'show', 'eth0']).stdout)?.[1] ?? '';
  const run = (port: number, calls: string): void => {
    node.lab.run(stranger, ['python3', '-c', client, macOf(api), api.address4, String(port), OWN, calls]);
  };
  const limited = (): number => node.drops('early-limited');
  const readOf = (port: number, calls: string): string => {
    const from = readFileSync(log()).length;
    run(port, calls);
    return readFileSync(log()).subarray(from).toString('latin1');
  };

  before(async () => {
    node = new NodeScene('early', { inline: 'auto' });
    api = node.lab.host('api');
    stranger = node.lab.host('stranger');
    execFileSync('ip', ['-n', api.netns, 'neigh', 'add', OWN, 'lladdr', macOf(stranger), 'dev', 'eth0']);
    node.write('workloads.yaml', workloadsYaml(api));
    node.write('policy.yaml', serverPolicyYaml(api));
    node.startIn(api, ['python3', '-c', server, log(), String(RULED), String(PLAIN)]);
    await listening(node.lab, api, PLAIN);
    await node.startAgent();
  });
  after(() => node.destroy());

  for (const { name, calls, harm } of cases)
    test(name, () => {
      assert.ok(readOf(PLAIN, calls).includes(harm), 'without rules');
      assert.ok(!readOf(RULED, calls).includes(harm), 'with rules');
    });

  test('a flood of segments without a connection is rationed, and requests go on', () => {
    assert.equal(limited(), 0);
    const command = ['python3', '-c', flood, macOf(api), api.address4, String(RULED), OWN, '20000'];
    assert.equal(node.lab.run(stranger, command).stderr, '');
    assert.ok(limited() > 5000, 'of 20,000');
    assert.ok(
      readOf(RULED, "put(0,ACK); put(0,ACK,b'GET /x HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')").includes('GET /x'),
    );
  });

  test('a request is judged after a body whose end came first', async () => {
    const head = 'POST /a HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 10\\r\\n\\r\\n';
    const calls = `h=b'${head}'; n=len(h); put(0,ACK); put(0,ACK,h); put(n+5,ACK,b'world'); put(n,ACK,b'hello')
put(n+10,ACK,b'GET /b HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); put(n+38,ACK,b'GET /admin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n')`;
    run(RULED, calls);
    await until('the next request', () =>
      readFileSync(log(), 'latin1').includes('helloworldGET /b HTTP/1.1'),
    );
    assert.ok(
      !readFileSync(log(), 'latin1').includes('helloworldGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /admin'),
    );
  });
});
