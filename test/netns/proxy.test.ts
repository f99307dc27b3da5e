// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { flowKind } from '../../src/core/abi/flow.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { RuleSet } from '../../src/core/automaton/rules.ts';
import { KernelScene, WORLD } from '../support/kernel-scene.ts';
import { type LabHost, listening, until } from '../support/lab.ts';
import { tcpClient, tcpServer } from '../support/programs.ts';
import { ProxyProcess, row } from '../support/proxy-process.ts';

/** Answers with its peer's address and what it was asked. */
const httpServer = `
import http.server,socket,sys
class H(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def do_GET(self):
        b=('%s %d %s'%(self.client_address[0],self.client_address[1],self.path)).encode()
        self.send_response(200); self.send_header('Content-Length',str(len(b))); self.end_headers(); self.wfile.write(b)
    do_POST=do_GET
    def log_message(self,*a): pass
class S(http.server.ThreadingHTTPServer):
    address_family=socket.AF_INET6
    request_queue_size=128
S(('::',int(sys.argv[1])),H).serve_forever()
`;

/** Prints the local port of its connection and the answer. */
const ownPort = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],int(sys.argv[2]),timeout=5); c.connect()
n=c.sock.getsockname(); p=c.sock.getpeername()
c.request('POST','/ok'); print(n[0],n[1],p[0],p[1],c.getresponse().read().decode())
`;

const rules: RuleSet = [
  { rule: 5, action: 'Allow', matches: [{ path: { type: 'PathPrefix', value: '/ok' } }] },
];

const CLUSTER = '10.96.0.10';

describe('the proxy behind the real hooks', () => {
  let scene: KernelScene;
  let proxy: ProxyProcess;
  let client: LabHost;
  let server: LabHost;
  let stranger: LabHost;

  before(async () => {
    scene = new KernelScene('prox');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    stranger = scene.lab.host('stranger');
    scene.serve(server, httpServer, '8080');
    scene.serve(server, tcpServer, '5432');
    await listening(scene.lab, server, 8080);
    await listening(scene.lab, server, 5432);
    scene.govern(
      [
        { host: client },
        {
          host: server,
          ingress: [
            { peer: client, port: 8080, action: 'proxy' },
            { peer: client, port: 5432, action: 'proxy' },
            { port: 8080, action: 'proxy' },
          ],
        },
      ],
      [
        { id: 501, address: CLUSTER, port: 80, picked: [[server.address4, 8080]] },
        { id: 502, address: CLUSTER, port: 5432, picked: [[server.address4, 5432]] },
      ],
    );
    proxy = new ProxyProcess(scene);
    await proxy.start('--workers', '2');
    proxy.follow();
    const { code, body } = await proxy.put(
      proxy.config(
        [client, server],
        [
          row('ingress', server, client, [8080, 'http', 0]),
          row('ingress', server, client, [5432, 'allow']),
          row('ingress', server, WORLD, [8080, 'http', 0]),
        ],
        [rules],
      ),
    );
    assert.equal(code, 200, JSON.stringify(body));
  });
  after(async () => {
    await proxy.destroy();
    await scene.destroy();
  });

  const curl = (from: LabHost, url: string, ...flags: string[]): string =>
    scene.run(from, ['curl', '-s', '-m', '5', '-w', ' %{http_code}', ...flags, url]).stdout;

  test('requests and connections name the Service that the client asked for, and those without one none', async () => {
    assert.match(curl(client, `http://${CLUSTER}/ok/service`), / 200$/);
    assert.match(curl(client, `http://${server.address4}:8080/ok/none`), / 200$/);
    assert.match(scene.python(client, tcpClient, CLUSTER, '5432'), /^ok /);
    const service = (target: string): number | undefined =>
      proxy.flows.find(({ target: one }) => one === target)?.service;
    const kindsOf502: number[] = [];
    await until('the flows', () => {
      kindsOf502.push(...scene.records().flatMap((record) => (record.service === 502 ? [record.kind] : [])));
      return service('/ok/none') !== undefined && kindsOf502.length === 2;
    });
    assert.deepEqual([service('/ok/service'), service('/ok/none')], [501, 0]);
    assert.deepEqual(kindsOf502, [flowKind.verdict, flowKind.close]);
  });

  for (const family of ['IPv4', 'IPv6'] as const) {
    const address = (host: LabHost): string => (family === 'IPv4' ? host.address4 : `[${host.address6}]`);

    test(`local client over ${family}: an allowed request passes, and the server sees the client's address`, () => {
      const text = curl(client, `http://${address(server)}:8080/ok`);
      assert.match(text, /\/ok 200$/);
      assert.ok(text.includes(family === 'IPv4' ? client.address4 : client.address6), text);
    });

    test(`local client over ${family}: a request that no rule allows gets 403 and a reference that the flow has`, async () => {
      const text = curl(client, `http://${address(server)}:8080/admin`, '-i');
      const reference = /perigee-reference: ([0-9a-f]{16})/.exec(text)?.[1] ?? '';
      assert.match(text, /^HTTP\/1\.1 403 /);
      await until('the flow of the refusal', () =>
        proxy.flows.some((flow) => flow.reference === BigInt(`0x${reference}`) && flow.target === '/admin'),
      );
    });

    test(`remote client over ${family}: is stopped at the server's namespace, and the server sees its address`, () => {
      const text = curl(stranger, `http://${address(server)}:8080/ok`);
      assert.match(text, /\/ok 200$/);
      assert.ok(text.includes(family === 'IPv4' ? stranger.address4 : stranger.address6), text);
      assert.match(curl(stranger, `http://${address(server)}:8080/admin`), / 403$/);
    });

    test(`opaque TCP over ${family}: a server that speaks first is heard at once`, () => {
      const plain = family === 'IPv4' ? server.address4 : server.address6;
      assert.match(scene.python(client, tcpClient, plain, '5432'), /^ok .*/);
    });
  }

  // A request that must not be repeated never goes on another client's kept connection.
  test('both ends of a connection agree on each other: addresses and ports', () => {
    const [name, port, peer, peerPort, seen, seenPort] = scene
      .python(client, ownPort, server.address4, '8080')
      .split(' ');
    assert.equal(name, client.address4);
    assert.equal(`${peer ?? ''}:${peerPort ?? ''}`, `${server.address4}:8080`);
    assert.equal((seen ?? '').replace('::ffff:', ''), client.address4);
    assert.equal(seenPort, port);
  });

  test('the listener is no open relay: who comes to it directly is reset and counted', async () => {
    const { workloads } = await proxy.status();
    const port = String(workloads[0]?.outboundPort);
    assert.match(scene.python(client, tcpClient, '127.0.0.1', port), /ECONNRESET|^ok $/);
    const text = (await proxy.ask('GET', '/v1/metrics')).text;
    assert.match(text, /perigee_drops_total\{reason="not-steered"\} [1-9]/);
    await until('its flow', () => proxy.flows.some((flow) => flow.reason === reason['not-steered']));
  });
});
