// SPDX-License-Identifier: Apache-2.0
// Hubble's own client, watching real traffic of a real agent, on each path.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

const hubble = join(import.meta.dirname, '../../build/test-go/hubble');

/** A client's rules on requests need the proxy, the server's own are decided in the kernel. */
const proxiedClient = (client: LabHost): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${client.name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${client.name}}}
  egress:
  - name: reads
    action: Allow
    to: [{port: ${String(RULED)}}]
    http: [{methods: [GET]}]
`;

describe("Hubble's client at a node", () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let careful: LabHost;
  let stranger: LabHost;

  before(async () => {
    node = new NodeScene('hubble', { inline: 'auto' });
    api = node.lab.host('api');
    web = node.lab.host('web');
    careful = node.lab.host('careful');
    stranger = node.lab.host('stranger');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(api, web, careful));
    node.write('policy.yaml', [serverPolicyYaml(api), proxiedClient(careful)].join('---\n'));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const server = (): string => `unix://${node.socket}`;
  const observe = (...args: string[]): string[] =>
    execFileSync(hubble, ['observe', '--last', '100', ...args, '--color', 'never', '--server', server()], {
      encoding: 'utf8',
    })
      .split('\n')
      .filter((line) => line !== '');

  test('lists what was allowed and refused, inline and proxied alike', async () => {
    const url = `http://${api.address4}:${String(RULED)}`;
    assert.equal(node.curl(web, `${url}/big`, '-o', '/dev/null').status, '200');
    assert.equal(node.curl(web, `${url}/admin/keys`).status, '403');
    assert.equal(node.curl(careful, `${url}/admin/keys`).status, '403');
    assert.equal(node.curl(careful, `${url}/big`, '-X', 'POST').status, '403');
    assert.equal(
      node.curl(web, `http://${api.address4}:${String(PLAIN)}/big`, '-o', '/dev/null').status,
      '200',
    );
    await until('all refusals', () => observe('--verdict', 'DROPPED', '--http-status', '403').length === 3);
    const refused = observe('--verdict', 'DROPPED', '--http-path', '^/admin/');
    assert.deepEqual(
      refused.map((line) => line.replace(/^\w+ \d+ [\d:.]+: | \(ID:\d+\)|:\d+(?= )/g, '')).sort(),
      [
        `shop/careful -> shop/api http-request DROPPED (HTTP/1.1 GET ${url}/admin/keys)`,
        `shop/web -> shop/api http-request DROPPED (HTTP/1.1 GET ${url}/admin/keys)`,
      ],
    );
    assert.equal(observe('--from-pod', 'shop/web', '--http-status', '200').length, 1);
    await until('the close of the plain connection', () =>
      observe('--to-port', String(PLAIN), '--type', 'trace').some((line) => line.includes('FIN')),
    );
    assert.equal(observe('--http-method', 'POST', '--drop-reason-desc', 'POLICY_DENIED').length, 1);
  });

  for (const path of ['inline', 'proxied'])
    test(`finds a request by the trace that its client began, and says where its time went: ${path}`, async () => {
      const client = path === 'inline' ? web : careful;
      const id = `0af7651916cd43dd8448eb211c8031${path === 'inline' ? '9c' : '9d'}`;
      const header = `traceparent: 00-${id}-b7ad6b7169203331-01`;
      node.curl(client, `http://${api.address4}:${String(RULED)}/traced`, '-H', header);
      node.curl(client, `http://${api.address4}:${String(RULED)}/other`);
      await until('the traced request', () => observe('--trace-id', id).length === 1);
      const [line = ''] = observe('--trace-id', id, '-o', 'json');
      const { flow } = JSON.parse(line) as { flow: { trace_context: object; l7: { http: { url: string } } } };
      assert.deepEqual(flow.trace_context, { parent: { trace_id: id } });
      assert.match(flow.l7.http.url, /\/traced$/);
      const wide = node.perigee('observe', '--trace', id, '-o', 'wide', '--socket', node.socket);
      assert.match(wide, new RegExp(`request \\S+ server \\S+ response \\S+ {2}trace ${id}`));
      const json = node.perigee('observe', '--trace', id, '-o', 'json', '--socket', node.socket);
      const found = JSON.parse(json) as { path: string; trace: object; timing: object };
      assert.deepEqual([found.path, found.trace], [path, { id, parent: 'b7ad6b7169203331', sampled: true }]);
    });

  test('tells the time that a request took to come from that of its server, inline', async () => {
    const late = `
import socket,sys,time
c=socket.create_connection((sys.argv[1],int(sys.argv[2])))
c.sendall(b'POST /late HTTP/1.1\\r\\nHost: api\\r\\nContent-Length: 4\\r\\n\\r\\nab')
time.sleep(0.2); c.sendall(b'cd'); print(c.recv(4096).split()[1].decode())
`;
    const { stdout } = node.lab.run(web, node.inside(['python3', '-c', late, api.address4, String(RULED)]));
    assert.match(stdout, /^\d{3}$/m);
    const find = (): string =>
      node.perigee('observe', '--path', '/late', '-o', 'json', '--socket', node.socket);
    await until('the late request', () => find() !== '');
    const flow = JSON.parse(find()) as {
      path: string;
      duration: number;
      timing: { request: number; server: number; response: number };
    };
    const { request, server, response } = flow.timing;
    assert.deepEqual([flow.path, request + server + response], ['inline', flow.duration]);
    // The body's end came when the client had slept.
    assert.ok(request > 0);
  });

  test('knows the world by its number', async () => {
    node.curl(stranger, `http://${api.address4}:${String(PLAIN)}/big`, '-o', '/dev/null');
    await until('the connection', () => observe('--identity', 'world').length > 0);
    const lines = observe('--from-identity', 'world');
    assert.ok(lines.length > 0);
    for (const line of lines)
      assert.match(line, new RegExp(`: ${stranger.address4}:\\d+ \\(world\\) -> shop/api`));
    assert.deepEqual(observe('--identity', 'host'), []);
  });

  test('follows a filter while traffic goes on', async () => {
    const args = ['observe', '-f', '--verdict', 'DROPPED', '-o', 'json', '--server', server()];
    const child = spawn(hubble, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const lines = linesOf(child);
      await until('a refusal to be followed', () => {
        node.curl(web, `http://${api.address4}:${String(RULED)}/admin/followed`);
        return lines.some((line) => line.includes('/admin/followed'));
      });
      assert.ok(lines.every((line) => line.includes('"DROPPED"')));
    } finally {
      child.kill();
    }
  });

  test('shows what the agent did', async () => {
    const events = (): string =>
      execFileSync(hubble, ['observe', 'agent-events', '--server', server()], { encoding: 'utf8' });
    assert.match(events(), /Agent start|AGENT_STARTED/i);
    node.write('policy.yaml', serverPolicyYaml(api));
    await until('the policy that went', () => events().includes('AccessPolicy shop/careful'));
    assert.match(events(), /api/);
  });
});
