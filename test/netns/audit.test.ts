// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';

const workloads = `
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {netns: audit-web}
---
apiVersion: perigee.dev/v1alpha1
kind: Workload
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {netns: audit-api}
`;

/** Ingress of the server, egress of the client; what is in force beside them is up to the test. */
const audit = `
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: dry-ingress, namespace: shop}
spec:
  mode: Audit
  selector: {matchLabels: {app: api}}
  ingress:
  - {name: items, action: Allow, http: [{methods: [GET], path: {type: PathPrefix, value: /items}}]}
---
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: dry-egress, namespace: shop}
spec:
  mode: Audit
  selector: {matchLabels: {app: web}}
  egress:
  - {name: any, action: Allow}
  - {name: no-secrets, action: Deny, http: [{path: {type: PathPrefix, value: /items/secret}}]}
`;

const enforced = `
apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: enforced, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - {name: reads, action: Allow, http: [{methods: [GET]}]}
`;

const server = `
import http.server,sys,socket
class H(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def do_GET(self):
        self.send_response(200); self.send_header('content-length','2'); self.end_headers(); self.wfile.write(b'ok')
    do_POST=do_GET
    def log_message(self,*a): pass
class S(http.server.ThreadingHTTPServer): address_family=socket.AF_INET6
S(('::',int(sys.argv[1])),H).serve_forever()
`;

/** Speaks first, then answers each line with its length. */
const greeter = `
import socketserver,socket,sys
class H(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b'ready\\n')
        for line in self.rfile: self.wfile.write(b'%d\\n'%len(line))
class S(socketserver.ThreadingTCPServer): address_family=socket.AF_INET6; allow_reuse_address=True
S(('::',int(sys.argv[1])),H).serve_forever()
`;

interface SeenFlow {
  readonly verdict: string;
  readonly http?: { readonly path: string; readonly status: number };
  readonly direction: string;
  readonly egressRule?: { readonly policy: string; readonly rule: string };
  readonly ingressRule?: { readonly policy: string; readonly rule: string };
}

describe('policies in Audit mode that read requests', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('audit');
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    node.startIn(api, ['python3', '-c', server, '8080']);
    node.startIn(api, ['python3', '-c', greeter, '7000']);
    await listening(node.lab, api, 8080);
    await listening(node.lab, api, 7000);
    node.write('workloads.yaml', workloads);
    node.write('audit.yaml', audit);
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  /** The one request flow of a path that no other test asks for. */
  const flowOf = async (path: string): Promise<SeenFlow> => {
    let found: SeenFlow | undefined;
    await until(`the flow of ${path}`, () => {
      [found] = node.flows('--path', path) as SeenFlow[];
      return found !== undefined;
    });
    assert.ok(found !== undefined);
    return found;
  };
  const url = (path: string): string => `http://${api.address4}:8080${path}`;

  test('nothing is refused; what would be is audited, with the policy of the side that would', async () => {
    assert.equal(node.curl(web, url('/items/1')).status, '200');
    assert.equal((await flowOf('/items/1')).verdict, 'allowed');
    assert.equal(node.curl(web, url('/other')).status, '200');
    const other = await flowOf('/other');
    assert.deepEqual(
      [other.verdict, other.direction, other.ingressRule?.policy, other.http?.status],
      ['audited', 'ingress', 'dry-ingress', 200],
    );
    assert.equal(node.curl(web, url('/items/secret')).status, '200');
    const secret = await flowOf('/items/secret');
    assert.deepEqual(
      [secret.verdict, secret.direction, secret.egressRule?.policy, secret.egressRule?.rule],
      ['audited', 'egress', 'dry-egress', 'no-secrets'],
    );
  });

  test('a remote client, and IPv6, likewise', async () => {
    assert.equal(node.curl(remote, url('/remote')).status, '200');
    assert.equal((await flowOf('/remote')).verdict, 'audited');
    assert.equal(node.curl(web, `http://[${api.address6}]:8080/six`).status, '200');
    assert.equal((await flowOf('/six')).verdict, 'audited');
  });

  test('observe --why and explain name the rule and its line', async () => {
    assert.equal(node.curl(web, url('/why')).status, '200');
    await flowOf('/why');
    const why = node.perigee('observe', '--socket', node.socket, '--path', '/why', '--why');
    assert.match(why, /AUDITED/);
    assert.match(why, /a policy in Audit mode would refuse it \(on ingress\)/);
    assert.match(why, /AccessPolicy shop\/dry-ingress ingress default deny|dry-ingress ingress/);
    assert.match(why, /audit\.yaml:\d+/);
    const explained = node.perigee(
      ...['explain', '--socket', node.socket, 'shop/web', 'shop/api', '--port', '8080', '--path', '/why'],
    );
    assert.match(explained, /ALLOWED/);
    assert.match(explained, /the connection is proxied/);
    assert.match(explained, /would be denied if policies in Audit mode were enforced\n.*dry-ingress/);
  });

  test('what is not HTTP goes on untouched, also when the server speaks first', () => {
    const program = `
import socket,sys
s=socket.create_connection((sys.argv[1],7000)); f=s.makefile('rb')
print(f.readline()); s.sendall(b'\\x00\\x01 GET no http\\n'); print(f.readline())
s.sendall(b'x'*100000+b'\\n'); print(f.readline()); s.shutdown(socket.SHUT_WR); print(f.read())
`;
    for (const host of [web, remote]) {
      const result = node.runIn(host, ['python3', '-c', program, api.address4]);
      assert.equal(result.stdout, "b'ready\\n'\nb'15\\n'\nb'100001\\n'\nb''\n", result.stderr);
    }
  });

  test('without the proxy connections go direct, and none is refused', async () => {
    const pid = node.status()?.proxy.pid;
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGKILL');
    assert.equal(node.curl(web, url('/no-proxy')).status, '200');
    assert.equal(node.curl(remote, url('/no-proxy')).status, '200');
    await until('another proxy', () => {
      const now = node.status()?.proxy;
      return now?.state === 'running' && now.pid !== pid;
    });
    await node.settled();
    assert.equal(node.curl(web, url('/proxy-again')).status, '200');
    assert.equal((await flowOf('/proxy-again')).verdict, 'audited');
  });

  test('an open direct connection stays when Audit begins to read requests', async () => {
    const revision = node.status()?.config.revision ?? 0;
    node.write('audit.yaml', '# none for now\n');
    await node.settled(revision + 1);
    const program = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],8080)
def get():
    c.request('GET','/stays'); r=c.getresponse(); r.read(); return r.status
c.connect(); first=c.sock
print(get(),flush=True); sys.stdin.readline(); print(get(),c.sock is first,flush=True)
`;
    const [command = '', ...args] = node.inside(['python3', '-c', program, api.address4]);
    const child = node.lab.start(web, [command, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesOf(child);
    await until('the first answer', () => lines.length === 1);
    node.write('audit.yaml', audit);
    await node.settled(revision + 2);
    child.stdin?.write('\n');
    await until('the second answer', () => lines.length === 2);
    assert.deepEqual(lines, ['200', '200 True']);
  });

  test('beside rules that are enforced: they refuse, Audit reports on the rest', async () => {
    const revision = node.status()?.config.revision ?? 0;
    node.write('enforced.yaml', enforced);
    await node.settled(revision + 1);
    assert.equal(node.curl(web, url('/posted'), '-X', 'POST').status, '403');
    assert.equal((await flowOf('/posted')).verdict, 'denied');
    assert.equal(node.curl(web, url('/items/secret/2')).status, '200');
    const secret = await flowOf('/items/secret/2');
    assert.deepEqual([secret.verdict, secret.egressRule?.rule], ['audited', 'no-secrets']);
    assert.equal(node.curl(web, url('/got')).status, '200');
    assert.equal((await flowOf('/got')).verdict, 'allowed', 'an Allow rule that is enforced allows it');
  });
});
