// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Flow } from '../../src/core/flow.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { scrape } from '../support/scrape.ts';
import { workloadsYaml } from '../support/web-scene.ts';

const CALLS = 50051;
const WEB = 8080;
const OLD = 8081;
const METRICS = '127.0.0.1:29979';

const policy = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: calls
    action: Allow
    to: [{port: ${CALLS}}]
    grpc:
    - {service: shop.v1.Payments, methods: [Charge, List, Upload, Talk, Slow, Cancelled, Missing]}
  - name: pages
    action: Allow
    to: [{port: ${WEB}}]
    http2: true
    http: [{methods: [GET, POST], path: {type: PathPrefix, value: /items}}]
  - name: old-pages
    action: Allow
    to: [{port: ${OLD}}]
    http: [{path: {type: PathPrefix, value: /items}}]
`;

/** nginx that takes HTTP/2 without TLS on one port, and HTTP/1 on the other. */
function nginxConfig(folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((use) => `${use}_temp_path ${folder}/${use};`)
    .join(' ');
  return `user root; worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/log;
events { worker_connections 1000; }
http {
  access_log off; ${temporary}
  server { listen ${WEB} http2; listen [::]:${WEB} http2; location / { return 200 "$server_protocol $remote_addr\\n"; } }
  server { listen ${OLD}; listen [::]:${OLD}; location / { return 200 "$server_protocol\\n"; } }
}
`;
}

const program = join(import.meta.dirname, '../support/grpc-program.ts');

describe('HTTP/2 and gRPC through the real path', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('grpc', { inline: 'auto' });
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    const folder = mkdtempSync(join(node.run, 'nginx-'));
    writeFileSync(join(folder, 'conf'), nginxConfig(folder));
    node.startIn(api, ['nginx', '-p', folder, '-c', `${folder}/conf`, '-e', `${folder}/log`]);
    node.startIn(api, [process.execPath, program, 'server', String(CALLS)]);
    for (const port of [CALLS, WEB, OLD]) await listening(node.lab, api, port);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', policy);
    await node.startAgent('--metrics-address', METRICS);
    await node.settled();
  });
  after(() => node.destroy());

  const everyWay = (check: (from: LabHost, address: string) => void): void => {
    for (const from of [web, remote])
      for (const address of [api.address4, api.address6]) check(from, address);
  };
  const authority = (address: string, port: number): string =>
    `${address.includes(':') ? `[${address}]` : address}:${port}`;

  test('calls of every kind, big messages, deadlines and refusals, with the clients that people use', () => {
    let cancelled = 0;
    everyWay((from, address) => {
      const command = [process.execPath, program, 'client', authority(address, CALLS)];
      const { stdout, stderr } = node.runIn(from, command);
      assert.equal(stderr, '');
      const report = JSON.parse(stdout) as Record<string, unknown>;
      assert.match(
        String(report['refused']),
        /^7 perigee: .* not allowed by policy \(reference [0-9a-f]{16}\)$/,
      );
      assert.match(String(report['deadline']), /^4 /);
      assert.match(String(report['missing']), /^12 /);
      cancelled++;
      assert.deepEqual(
        { ...report, refused: '', deadline: '', missing: '' },
        {
          unary: 'ten',
          big: 3 << 20,
          list: 500,
          upload: '5000000',
          talk: 50,
          refused: '',
          deadline: '',
          missing: '',
          cancelled: String(cancelled),
        },
      );
    });
  });

  test('calls are counted by the status that gRPC gives them, also those that end without one', async () => {
    const text = await scrape(METRICS);
    const count = (status: string, from = 'shop/web'): number => {
      const labels = `source_workload="${from}",destination_workload="shop/api",grpc_status="${status}"`;
      const [, value = '0'] =
        new RegExp(`^perigee_grpc_requests_total\\{${labels}\\} (\\d+)$`, 'm').exec(text) ?? [];
      return Number(value);
    };
    // Each of two rounds: Charge twice, List, Upload, Talk and Cancelled; Refund; Missing.
    const found = ['OK', 'PERMISSION_DENIED', 'UNIMPLEMENTED'].map((status) => count(status));
    assert.deepEqual(found, [12, 2, 2]);
    // Who gives Slow up first: the client, which says nothing, or the server.
    assert.equal(count('none') + count('DEADLINE_EXCEEDED'), 2);
    assert.equal(count('OK', ''), 12);
  });

  test('curl with prior knowledge: judged by request, and the server sees who asks', () => {
    everyWay((from, address) => {
      const url = `http://${authority(address, WEB)}`;
      const good = node.curl(from, `${url}/items`, '--http2-prior-knowledge');
      const own = address === api.address4 ? from.address4 : from.address6;
      assert.deepEqual([good.status, good.body], ['200', `HTTP/2.0 ${own}\n`]);
      const bad = node.curl(from, `${url}/other`, '--http2-prior-knowledge');
      assert.equal(bad.status, '403');
      assert.match(bad.body, /not allowed by policy/);
    });
  });

  test('HTTP/1 on a port of HTTP/2 is judged by the same rules', () => {
    everyWay((from, address) => {
      const url = `http://${authority(address, CALLS)}`;
      const headers = ['-X', 'POST', '-H', 'content-type: application/grpc'];
      assert.equal(node.curl(from, `${url}/shop.v1.Payments/Refund`, ...headers).status, '403');
      // Allowed, and this server does not speak it.
      assert.match(node.curl(from, `${url}/shop.v1.Payments/Charge`, ...headers).status, /^(000|400|502)$/);
    });
  });

  test('on other ports a preface is refused as ever', () => {
    everyWay((from, address) => {
      const url = `http://${authority(address, OLD)}/items`;
      assert.match(node.curl(from, url, '--http2-prior-knowledge').status, /^(000|400)$/);
      assert.equal(node.curl(from, url).body, 'HTTP/1.1\n');
    });
  });

  test('observe tells of calls: version, status, the rule that allowed, and filters by path find them', () => {
    const called = (name: string): Flow => {
      const flows = node.flows('--from', 'shop/web', '--path', `/shop.v1.Payments/${name}`) as Flow[];
      return flows[0] ?? assert.fail(`no call of ${name}`);
    };
    const charge = called('Charge');
    assert.deepEqual([charge.http?.isHttp2, charge.http?.grpcStatus], [true, 0]);
    assert.deepEqual([charge.path, charge.ingressRule?.rule], ['proxied', 'calls']);
    const refund = called('Refund');
    assert.deepEqual([refund.verdict, refund.http?.grpcStatus], ['denied', 7]);
    assert.match(refund.reference ?? '', /^[0-9a-f]{16}$/);
  });

  test('explain says that the proxy takes such ports, and why, and that others stay in the kernel', () => {
    const explain = (port: number): string =>
      node.perigee('explain', '--socket', node.socket, 'shop/web', 'shop/api', '--port', String(port));
    assert.match(explain(CALLS), /proxied/);
    assert.match(explain(CALLS), /HTTP\/2 \(grpc or http2\), which the proxy alone reads/);
    assert.match(explain(OLD), /inline/);
  });

  test('a policy that changes ends open calls that it forbids', async () => {
    const command = [process.execPath, program, 'hold', authority(api.address4, CALLS)];
    const lines = linesOf(
      node.lab.start(web, node.inside(command), { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    await until('a call', () => lines.length === 1);
    node.write('policy.yaml', policy.replace('Talk, ', ''));
    await until('its end', () => lines.length === 2);
    assert.deepEqual([lines[0], lines[1]?.split(' ')[0]], ['open', '1']);
    const changed = (): Flow[] =>
      (node.flows('--from', 'shop/web', '--path', '/shop.v1.Payments/Talk') as Flow[]).filter(
        ({ reason }) => reason === 'policy-changed',
      );
    await until('its record', () => changed().length === 1);
    node.write('policy.yaml', policy);
  });
});
