// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  RULED,
  connectionsIn,
  load,
  serverPolicyYaml,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

interface FlowLine {
  readonly kind: string;
  readonly path: string;
  readonly verdict: string;
  readonly reason: string;
  readonly reference?: string;
  readonly http?: {
    readonly method: string;
    readonly path: string;
    readonly host: string;
    readonly status: number;
  };
}

/** Keep-alive requests on one connection, one by one; prints the status of each, or `closed`. */
const oneByOne = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],int(sys.argv[2]),timeout=5)
for path in sys.argv[3:]:
    try:
        c.request('GET',path); r=c.getresponse(); r.read(); print(r.status)
        if r.will_close: c.auto_open=0
    except Exception as e: print('closed')
`;

/** Sends raw bytes, piece by piece, and prints the status lines that come back. */
const raw = `
import re,socket,sys,time
s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5); s.settimeout(5)
s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
try:
    for piece in sys.argv[3:]: s.sendall(piece.encode().decode('unicode_escape').encode('latin1')); time.sleep(0.02)
except OSError: pass # refused before its end
b=b''
try:
    while d:=s.recv(65536): b+=d
except OSError: pass
print('\\n'.join(m.decode() for m in re.findall(rb'HTTP/1\\.1 [^\\r]*',b)))
`;

describe('HTTP policy in the kernel', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let stranger: LabHost;

  const flows = (...filter: string[]): FlowLine[] => node.flows('--last', '50', ...filter) as FlowLine[];
  const python = (host: LabHost, program: string, ...args: string[]): string[] =>
    node
      .runIn(host, ['python3', '-c', program, ...args])
      .stdout.trim()
      .split('\n');

  before(async () => {
    node = new NodeScene('inline', { inline: 'auto' });
    api = node.lab.host('api');
    web = node.lab.host('web');
    stranger = node.lab.host('stranger');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(api, web));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
  });
  after(() => node.destroy());

  const addresses = (): [string, string][] => [
    ['IPv4', api.address4],
    ['IPv6', `[${api.address6}]`],
    ['IPv4 from an IPv6 socket', `[::ffff:${api.address4}]`],
  ];

  test('an allowed request reaches the server, whoever asks', () => {
    for (const host of [web, stranger])
      for (const [what, address] of addresses())
        assert.equal(
          node.curl(host, `http://${address}:${RULED}/orders`).status,
          '200',
          `${host.name}, ${what}`,
        );
  });

  test('a refused request is answered with 403 and never reaches the server', async () => {
    for (const host of [web, stranger]) {
      for (const [what, address] of addresses()) {
        const { status, body } = node.curl(host, `http://${address}:${RULED}/admin/users`);
        assert.equal(status, '403', `${host.name}, ${what}`);
        if (what !== 'IPv4') continue;
        const reference = /reference ([0-9a-f]{16})/.exec(body)?.[1] ?? '';
        await until('the record', () => flows('--reference', reference).length === 1);
        const [flow] = flows('--reference', reference);
        assert.deepEqual(
          [flow?.path, flow?.verdict, flow?.reason, flow?.http?.method, flow?.http?.path, flow?.http?.status],
          ['inline', 'denied', 'http-denied', 'GET', '/admin/users', 403],
        );
      }
    }
    await until('both ends to be closed', () => {
      const open = [api, web, stranger].map((host) =>
        connectionsIn(node, host, 'state', 'connected', 'exclude', 'time-wait'),
      );
      return open.every((count) => count === 0);
    });
  });

  test('the same connection is refused at its second request', () => {
    assert.deepEqual(python(web, oneByOne, api.address4, String(RULED), '/a', '/admin', '/b'), [
      '200',
      '403',
      'closed',
    ]);
  });

  test('each request of a keep-alive connection has its record', async () => {
    python(web, oneByOne, api.address4, String(RULED), '/one', '/two', '/three');
    const paths = (): string[] =>
      flows('--path-regex', '/(one|two|three)').map(
        ({ http, path }) => `${path} ${String(http?.path)} ${String(http?.status)}`,
      );
    await until('three records', () => paths().length === 3);
    assert.deepEqual(paths().sort(), ['inline /one 200', 'inline /three 200', 'inline /two 200']);
  });

  test('a head in pieces of one byte gets through, and is refused as soon as nothing can allow it', () => {
    const head = `GET /pieces HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n`;
    const escaped = Array.from(Buffer.from(head), (byte) =>
      byte < 0x20 ? `\\x0${byte.toString(16)}` : String.fromCharCode(byte),
    );
    assert.deepEqual(python(web, raw, api.address4, String(RULED), ...escaped), ['HTTP/1.1 200 OK']);
    assert.deepEqual(python(web, raw, api.address4, String(RULED), 'GET /admin/', 'x'), [
      'HTTP/1.1 403 Forbidden',
    ]);
  });

  test('what is no strict HTTP/1 is refused with its own status', () => {
    const cases: [string, string][] = [
      ['PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n', 'HTTP/1.1 505 HTTP Version Not Supported'],
      ['GET /\\r\\n', 'HTTP/1.1 400 Bad Request'],
      [
        'GET / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n',
        'HTTP/1.1 400 Bad Request',
      ],
      ['GET / HTTP/1.1\\nHost: a\\n\\n', 'HTTP/1.1 400 Bad Request'],
      ['GET //admin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n', 'HTTP/1.1 400 Bad Request'],
    ];
    for (const [bytes, answer] of cases)
      assert.deepEqual(python(web, raw, api.address4, String(RULED), bytes), [answer], bytes);
  });

  test('bodies are passed over, by length and chunked, and what follows is judged', () => {
    const length = 'POST /a HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 5\\r\\n\\r\\nhello';
    const chunked =
      'POST /a HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n5\\r\\nhello\\r\\n0\\r\\n\\r\\n';
    for (const first of [length, chunked]) {
      // nginx answers the first request before the second is sent.
      const next = 'GET /admin HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n';
      assert.deepEqual(
        python(web, raw, api.address4, String(RULED), first, next),
        ['HTTP/1.1 200 OK', 'HTTP/1.1 403 Forbidden'],
        first,
      );
    }
  });

  test('load over many connections: every request is answered and recorded', async () => {
    const dropped = node.drops('segment-ambiguous');
    const report = await load(node, web, `http://${api.address4}:${RULED}/load`, { seconds: 2 });
    assert.equal(report.failed, 0);
    assert.ok(report.requests > 100);
    assert.equal(node.drops('segment-ambiguous'), dropped, 'each costs its client 200 ms');
  });

  test('policy edited while a connection is open holds from its next request', async () => {
    const client = node.startIn(web, [
      'python3',
      '-c',
      `
import http.client,sys,time
c=http.client.HTTPConnection('${api.address4}',${RULED},timeout=5)
seen=[]
for i in range(400):
    c.request('GET','/edited'); r=c.getresponse(); r.read(); seen.append(r.status)
    if r.status!=200: break
    time.sleep(0.05)
sys.exit(0 if seen[0]==200 and seen[-1]==403 else 1)
`,
    ]);
    const gone = new Promise<number | null>((resolve) => client.once('exit', resolve));
    await until('a request of it', () => flows('--path', '/edited').length > 0);
    node.write('policy.yaml', serverPolicyYaml(api).replace('value: /admin', 'value: /edited'));
    assert.equal(await gone, 0);
    node.write('policy.yaml', serverPolicyYaml(api));
    await until(
      'the first policy again',
      () => node.curl(web, `http://${api.address4}:${RULED}/edited`).status === '200',
    );
  });

  test('rules that need the proxy end what the kernel was reading', async () => {
    const client = node.startIn(web, [
      'python3',
      '-c',
      `
import http.client,sys,time
c=http.client.HTTPConnection('${api.address4}',${RULED},timeout=5); c.auto_open=0; c.connect()
for i in range(400):
    try: c.request('GET','/moved'); r=c.getresponse(); r.read()
    except Exception: sys.exit(0 if i else 2)
    time.sleep(0.05)
sys.exit(1)
`,
    ]);
    const gone = new Promise<number | null>((resolve) => client.once('exit', resolve));
    await until('a request of it', () => flows('--path', '/moved').length > 0);
    const upgrade = `  - name: needs-the-proxy
    action: Allow
    to: [{port: ${RULED}}]
    http: [{path: {type: Exact, value: /socket}, headers: [{name: upgrade, type: Exact, value: websocket}]}]
`;
    node.write('policy.yaml', serverPolicyYaml(api) + upgrade);
    assert.equal(await gone, 0);
    await until('the proxy to judge', () => {
      const { body } = node.curl(web, `http://${api.address4}:${RULED}/admin`);
      const reference = /reference ([0-9a-f]{16})/.exec(body)?.[1] ?? '';
      return flows('--reference', reference)[0]?.path === 'proxied';
    });
    node.write('policy.yaml', serverPolicyYaml(api));
    await until('the kernel to judge again', () => {
      const { body } = node.curl(web, `http://${api.address4}:${RULED}/admin`);
      const reference = /reference ([0-9a-f]{16})/.exec(body)?.[1] ?? '';
      return flows('--reference', reference)[0]?.path === 'inline';
    });
  });

  test('without the agent requests are still judged; a new one sweeps what was refused', async () => {
    const { revision } = node.status()?.config ?? { revision: 0 };
    await node.killAgent();
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/orders`).status, '200');
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/admin`, '-m', '1').status, '000');
    assert.ok(connectionsIn(node, api, 'state', 'established') > 0);
    await node.startAgent();
    await until(
      'the refused connection to be closed',
      () => connectionsIn(node, api, 'state', 'established') === 0,
    );
    assert.ok(revision > 0);
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/admin`).status, '403');
  });

  test('an agent that is told so leaves allowed requests out of the flows, and nothing else', async () => {
    await node.killAgent();
    await node.startAgent('--request-flows', 'refused');
    const requests = (path: string): number =>
      flows().filter(({ kind, http }) => kind === 'request' && http?.path === path).length;
    const closes = (): number => flows().filter(({ kind }) => kind === 'close').length;
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/quiet`).status, '200');
    // Behind the record of its request, had there been one.
    await until('the end of its connection', () => closes() > 0);
    assert.equal(requests('/quiet'), 0);
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/admin/loud`).status, '403');
    await until('the refused one', () => requests('/admin/loud') === 1);
    await node.killAgent();
    await node.startAgent();
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/heard`).status, '200');
    await until('the allowed one', () => requests('/heard') === 1);
  });
});
