// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { workloadsYaml } from '../support/web-scene.ts';

const policy = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: requests
    action: Allow
    to: [{port: 8080}, {port: 2526}]
    http:
    - {methods: [GET, POST], path: {type: PathPrefix, value: /items}}
    - path: {type: Exact, value: /socket}
      headers: [{name: upgrade, type: Exact, value: websocket}]
  - name: mail
    action: Allow
    to: [{port: 2525}]
`;

/** Answers with the bytes of the request's body, in chunks, and takes WebSockets, whose frames it sends back raw. */
const server = `
import base64,hashlib,http.server,socket,sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def do_GET(self):
        if self.headers.get('upgrade')=='websocket': return self.upgrade()
        n=self.headers.get('content-length'); b=self.rfile.read(int(n)) if n else self.chunks()
        self.send_response(200); self.send_header('transfer-encoding','chunked'); self.end_headers()
        for i in range(0,len(b),3000): p=b[i:i+3000]; self.wfile.write(b'%x\\r\\n%s\\r\\n'%(len(p),p))
        self.wfile.write(b'0\\r\\n\\r\\n')
    do_POST=do_GET
    def chunks(self):
        if self.headers.get('transfer-encoding')!='chunked': return b'none'
        b=b''
        while n:=int(self.rfile.readline(),16): b+=self.rfile.read(n); self.rfile.readline()
        self.rfile.readline(); return b
    def upgrade(self):
        k=self.headers['sec-websocket-key'].encode()+b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
        self.send_response(101); self.send_header('upgrade','websocket'); self.send_header('connection','upgrade')
        self.send_header('sec-websocket-accept',base64.b64encode(hashlib.sha1(k).digest()).decode()); self.end_headers()
        self.close_connection=True
        while d:=self.connection.recv(65536): self.connection.sendall(d)
    def log_message(self,*a): pass
class S(http.server.ThreadingHTTPServer): address_family=socket.AF_INET6; request_queue_size=128
S(('::',8080),H).serve_forever()
`;

/** Speaks first, as mail servers do; then answers each line. */
const mail = `
import socket,sys,threading
def serve(c):
    c.sendall(b'220 api ready\\r\\n')
    for line in c.makefile('rb'): c.sendall(b'250 '+line)
s=socket.create_server(('::',int(sys.argv[1])),family=socket.AF_INET6,dualstack_ipv6=True)
while True: threading.Thread(target=serve,args=(s.accept()[0],),daemon=True).start()
`;

const pythonClient = `
import http.client,os,sys
c=http.client.HTTPConnection(sys.argv[1],8080,timeout=10); c.connect(); first=c.sock; wrong=0
for n in (0,1,1000,70000,1000000):
    b=os.urandom(n)
    for body in (b,iter([b[:7],b[7:]] if n>7 else [b'x'])):
        c.request('POST','/items/1',body,{} if body is b else {'transfer-encoding':'chunked'},encode_chunked=body is not b)
        r=c.getresponse().read(); wrong+=r!=(b if body is b or n>7 else b'x')
c.request('GET','/other'); r=c.getresponse(); r.read(); refused=r.status
c.request('GET','/items'); last=c.getresponse().read()
print(wrong,refused,last.decode(),c.sock is first)
`;

const nodeClient = `
const http=require('node:http'),agent=new http.Agent({keepAlive:true,maxSockets:4}),locals=new Set();let wrong=0,refused=0;
const ask=(path,size)=>new Promise((resolve,reject)=>{const body=require('node:crypto').randomBytes(size);
 const q=http.request({host:process.argv[1],port:8080,agent,path,method:size?'POST':'GET'},(r)=>{locals.add(r.socket.localPort);const got=[];
  r.on('data',(d)=>got.push(d)).on('end',()=>{if(r.statusCode===403)refused++;else if(!Buffer.concat(got).equals(body))wrong++;resolve()})});
 q.on('error',reject);q.end(body)});
const main=async()=>{for(let i=0;i<20;i++)await Promise.all([1,2,3,4].map((n)=>n===4&&i%5===0?ask('/other',0):ask('/items',n*5000)));
 console.log(wrong,refused,locals.size);agent.destroy()};main();
`;

/** Shakes hands, sends masked and binary frames of several sizes and compares what comes back, byte by byte. */
const webSocketClient = `
import base64,os,socket,struct,sys
s=socket.create_connection((sys.argv[1],8080),timeout=10)
s.sendall(b'GET '+sys.argv[2].encode()+b' HTTP/1.1\\r\\nhost: api\\r\\nconnection: Upgrade\\r\\nupgrade: websocket\\r\\n'
 b'sec-websocket-version: 13\\r\\nsec-websocket-key: '+base64.b64encode(os.urandom(16))+b'\\r\\n\\r\\n')
f=s.makefile('rb'); status=f.readline().split()[1].decode(); size=0
while (l:=f.readline().strip().lower()): size=int(l.split(b':')[1]) if l.startswith(b'content-length') else size
if status!='101': print(status); sys.exit()
same=0
for n in (1,125,70000,300000):
    b=os.urandom(n)
    h=b'\\x82'+(bytes([0x80|n]) if n<126 else bytes([0xff])+struct.pack('!Q',n))+os.urandom(4)
    s.sendall(h+b); same+=f.read(len(h+b))==h+b
s.shutdown(socket.SHUT_WR); print(status,same,f.read())
`;

const lineClient = `
import socket,sys
s=socket.create_connection((sys.argv[1],int(sys.argv[2])),timeout=3)
try: first=s.recv(100)
except TimeoutError: first=b'silence'
s.settimeout(10); s.sendall(b'EHLO me\\r\\n'); d=b''
try:
    while b'\\r\\n' not in d and (c:=s.recv(100)): d+=c
except ConnectionResetError: d=b'reset'
print(first.decode().strip(),'/',d.split(b'\\r\\n')[0].decode())
`;

describe('unmodified programs through the real path', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('rs9');
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    node.startIn(api, ['python3', '-c', server]);
    for (const port of ['2525', '2526']) node.startIn(api, ['python3', '-c', mail, port]);
    for (const port of [8080, 2525, 2526]) await listening(node.lab, api, port);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', policy);
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const output = (from: LabHost, ...command: string[]): string => {
    const { stdout, stderr } = node.runIn(from, command);
    return (stdout + stderr).trim();
  };
  const everyWay = (check: (from: LabHost, address: string) => void): void => {
    for (const from of [web, remote])
      for (const address of [api.address4, api.address6]) check(from, address);
  };

  test("Python's client: bodies of many sizes, plain and chunked, and a refusal, all on one connection", () => {
    everyWay((from, address) => {
      assert.equal(output(from, 'python3', '-c', pythonClient, address), '0 403 none True');
    });
  });

  test("Node's client: four connections kept alive carry 80 requests, refused ones among them", () => {
    everyWay((from, address) => {
      assert.equal(output(from, process.execPath, '-e', nodeClient, address), '0 4 4');
    });
  });

  test('a WebSocket that policy names passes, frame by frame and to its half-close; another is refused', () => {
    everyWay((from, address) => {
      assert.equal(output(from, 'python3', '-c', webSocketClient, address, '/socket'), "101 4 b''");
      assert.equal(output(from, 'python3', '-c', webSocketClient, address, '/items'), '403');
    });
  });

  test('HTTP/2 is refused, whether claimed from the start or asked for by Upgrade', () => {
    everyWay((from, address) => {
      const host = address.includes(':') ? `[${address}]` : address;
      const url = `http://${host}:8080/items`;
      assert.match(node.curl(from, url, '--http2-prior-knowledge').status, /^(000|400)$/);
      assert.equal(node.curl(from, url, '--http2').status, '403');
      assert.equal(node.curl(from, url).status, '200');
    });
  });

  test('a server that speaks first is heard on a port without rules for requests, and never on one with them', () => {
    everyWay((from, address) => {
      const talk = (port: string): string => output(from, 'python3', '-c', lineClient, address, port);
      assert.equal(talk('2525'), '220 api ready / 250 EHLO me');
      assert.equal(talk('2526'), 'silence / HTTP/1.1 400 Bad Request');
    });
  });
});
