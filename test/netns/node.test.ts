// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';

const workloads = `
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {netns: node-web}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {netns: node-api}
`;

const policy = (path: string): string => `
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: reads
    action: Allow
    from: [{podSelector: {matchLabels: {app: web}}}, {entities: [World]}]
    to: [{port: 8080, protocol: TCP}]
    http: [{methods: [GET], path: {type: PathPrefix, value: ${path}}}]
  - name: plain
    action: Allow
    from: [{podSelector: {matchLabels: {app: web}}}]
    to: [{port: 9000, protocol: TCP}]
`;

/** Answers with the client's address as accept() gave it, and keeps connections open. */
const server = `
import http.server,sys,socket
class H(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def do_GET(self):
        b=('%s %s'%(self.client_address[0],self.connection.getpeername()[0])).encode()
        self.send_response(200); self.send_header('content-length',str(len(b))); self.end_headers(); self.wfile.write(b)
    do_POST=do_GET
    def log_message(self,*a): pass
class S(http.server.ThreadingHTTPServer): address_family=socket.AF_INET6
S(('::',int(sys.argv[1])),H).serve_forever()
`;

describe('a node with agent and proxy', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('node');
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    for (const port of ['8080', '9000']) node.startIn(api, ['python3', '-c', server, port]);
    await listening(node.lab, api, 8080);
    await listening(node.lab, api, 9000);
    node.write('workloads.yaml', workloads);
    node.write('policy.yaml', policy('/items'));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const urls = (host: LabHost, rest: string): string[] => [
    `http://${host.address4}:${rest}`,
    `http://[${host.address6}]:${rest}`,
  ];

  test('a local client is judged request by request, on IPv4 and IPv6, and the server sees its address', () => {
    for (const [index, url] of urls(api, '8080/items/1').entries()) {
      const answer = node.curl(web, url);
      assert.equal(answer.status, '200', answer.error);
      const address = index === 0 ? `::ffff:${web.address4}` : web.address6;
      assert.equal(answer.body, `${address} ${address}`);
    }
    for (const url of urls(api, '8080/other')) assert.equal(node.curl(web, url).status, '403');
    assert.equal(node.curl(web, `http://${api.address4}:8080/items`, '-X', 'DELETE').status, '403');
  });

  test('a remote client is judged likewise, and the server sees its address', () => {
    for (const [index, url] of urls(api, '8080/items/1').entries()) {
      const answer = node.curl(remote, url);
      assert.equal(answer.status, '200', answer.error);
      const address = index === 0 ? `::ffff:${remote.address4}` : remote.address6;
      assert.equal(answer.body, `${address} ${address}`);
    }
    for (const url of urls(api, '8080/other')) assert.equal(node.curl(remote, url).status, '403');
  });

  test('what no HTTP rule governs takes no proxy', () => {
    for (const url of urls(api, '9000/any')) assert.equal(node.curl(web, url).status, '200');
    for (const url of urls(api, '9000/any')) assert.equal(node.curl(remote, url).status, '000');
  });

  test('a steered client sees the destination it asked for, and its own address', () => {
    const program = `
import socket,sys
s=socket.create_connection((sys.argv[1],8080)); print(s.getpeername()[0],s.getpeername()[1],s.getsockname()[0])
`;
    for (const [address, own] of [
      [api.address4, web.address4],
      [api.address6, web.address6],
    ] as const) {
      const result = node.runIn(web, ['python3', '-c', program, address]);
      assert.equal(result.stdout.trim(), `${address} 8080 ${own}`, result.stderr);
    }
  });

  test('a refusal names a reference that observe finds, down to the rule', () => {
    const answer = node.curl(web, `http://${api.address4}:8080/other`, '-i');
    const reference = /perigee-reference: ([0-9a-f]{16})/i.exec(answer.body)?.[1];
    assert.ok(reference !== undefined, answer.body);
    return until('the flow of the refusal', () => {
      const found = node.perigee('observe', '--socket', node.socket, '--reference', reference, '-o', 'json');
      return found.includes('"/other"') && found.includes('http-no-rule');
    });
  });

  test('a changed rule applies to the next request of an open connection, without closing it', async () => {
    const program = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],8080)
def get():
    c.request('GET','/items'); r=c.getresponse(); r.read(); return r.status
c.connect(); first=c.sock
print(get(),flush=True); sys.stdin.readline(); print(get(),c.sock is first,flush=True)
`;
    const [command = '', ...args] = node.inside(['python3', '-c', program, api.address4]);
    const child = node.lab.start(web, [command, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesOf(child);
    await until('the first answer', () => lines.length === 1);
    const before = node.status()?.config.revision ?? 0;
    node.write('policy.yaml', policy('/goods'));
    await node.settled(before + 1);
    child.stdin?.write('\n');
    await until('the second answer', () => lines.length === 2);
    assert.deepEqual(lines, ['200', '403 True']);
    node.write('policy.yaml', policy('/items'));
    await node.settled(before + 2);
  });

  test('a policy that forbids an open direct connection closes it; another connection lives on', async () => {
    const program = `
import socket,sys
s=socket.create_connection((sys.argv[1],int(sys.argv[2]))); print('open',flush=True)
try: print('data' if s.recv(1) else 'end',flush=True)
except OSError as e: print('closed',e.errno,flush=True)
`;
    const start = (port: string): readonly string[] => {
      const child = node.lab.start(web, node.inside(['python3', '-c', program, api.address4, port]), {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      return linesOf(child);
    };
    const doomed = start('9000');
    const spared = start('8080');
    await until('both connections', () => doomed.length === 1 && spared.length === 1);
    const before = node.status()?.config.revision ?? 0;
    node.write('policy.yaml', policy('/items').replace('port: 9000', 'port: 9001'));
    await node.settled(before + 1);
    await until('the forbidden connection to be closed', () => doomed.length === 2);
    assert.match(doomed[1] ?? '', /^(closed|end)/);
    assert.equal(spared.length, 1);
    node.write('policy.yaml', policy('/items'));
    await node.settled(before + 2);
  });

  test('a broken file changes nothing, and status says which line', async () => {
    node.write('policy.yaml', policy('/items').replace('action: Allow', 'action: Permit'));
    await until('the problem to be reported', () => {
      const text = node.statusText();
      return text.includes('spec.ingress[0].action');
    });
    assert.equal(node.curl(web, `http://${api.address4}:8080/items`).status, '200');
    assert.equal(node.curl(web, `http://${api.address4}:8080/other`).status, '403');
    node.write('policy.yaml', policy('/items'));
    await until('the problem to be gone', () => !node.statusText().includes('spec.ingress[0].action'));
  });

  test('agent killed: policy and proxy go on; a second agent at once is refused', async () => {
    await node.killAgent();
    assert.equal(node.curl(web, `http://${api.address4}:8080/items`).status, '200');
    assert.equal(node.curl(web, `http://${api.address4}:8080/other`).status, '403');
    assert.equal(node.curl(remote, `http://${api.address4}:9000/`).status, '000');
    await node.startAgent();
    await node.settled();
    assert.throws(
      () => node.perigee('agent', '--config', node.config, '--pin-root', node.pinRoot),
      /another agent/,
    );
    assert.equal(node.curl(web, `http://${api.address4}:8080/items`).status, '200');
  });

  test('proxy killed: governed connections are refused, direct ones are not, and it is back within seconds', async () => {
    const pid = node.status()?.proxy.pid;
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    assert.equal(node.curl(web, `http://${api.address4}:8080/items`).status, '000');
    assert.equal(node.curl(web, `http://${api.address4}:9000/`).status, '200');
    await until('another proxy', () => {
      const now = node.status()?.proxy;
      return now?.state === 'running' && now.pid !== pid;
    });
    await node.settled();
    assert.equal(node.curl(web, `http://${api.address4}:8080/items`).status, '200');
  });
});
