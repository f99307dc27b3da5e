// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { notHttp, VISIBLE, visibleClient, visibleServers } from '../support/visible-programs.ts';
import {
  PLAIN,
  RULED,
  connectionsIn,
  load,
  serverPolicyYaml,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';
import { scrape } from '../support/scrape.ts';

const METRICS = '127.0.0.1:29977';

interface FlowLine {
  readonly kind: string;
  readonly path: string;
  readonly verdict: string;
  readonly reason: string;
  readonly connection: string;
  readonly ingressRule?: { readonly policy: string };
  readonly http?: { readonly method: string; readonly path: string; readonly status: number };
}

interface Explained {
  readonly decision: { readonly path: string };
  readonly path?: { readonly why: string; readonly change?: string };
}

/** Requests one by one on one connection; waits for a line before the second. Prints each status, or `closed`. */
const twoRequests = `
import http.client,sys
c=http.client.HTTPConnection(sys.argv[1],int(sys.argv[2]),timeout=10); c.connect(); c.auto_open=0
for path in sys.argv[3:]:
    try: c.request('GET',path); r=c.getresponse(); r.read(); print(r.status,flush=True)
    except Exception: print('closed',flush=True)
    sys.stdin.readline()
`;

const auditYaml = (server: LabHost): string =>
  serverPolicyYaml(server).replace('spec:\n', 'spec:\n  mode: Audit\n');

describe('visibility: requests are seen where no policy reads them', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let stranger: LabHost;

  const flows = (...filter: string[]): FlowLine[] =>
    node
      .perigee('observe', '--last', '100', '-o', 'json', '--socket', node.socket, ...filter)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as FlowLine);
  const opaque = (reason: string): FlowLine[] => flows('--kind', 'opaque', '--reason', reason);
  /** The sum of a kernel counter over all its reasons. */
  const total = async (name: string): Promise<number> => {
    const lines = (await scrape(METRICS)).match(new RegExp(`^${name}\\{[^}]*\\} \\d+$`, 'gm')) ?? [];
    const kernel = lines.filter((line) => !line.includes('component="proxy"'));
    return kernel.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  const talk = (host: LabHost, port: number, begin: string, mib = 0, option = 'none') =>
    node
      .runIn(host, ['python3', '-c', visibleClient, api.address4, String(port), begin, String(mib), option])
      .stdout.trim()
      .split('\n');
  const explain = (): Explained =>
    JSON.parse(
      node.perigee(
        ...['explain', 'shop/web', 'shop/api', '--port', String(RULED), '-o', 'json'],
        ...['--socket', node.socket],
      ),
    ) as Explained;
  const apply = async (file: string, text: string): Promise<void> => {
    const { revision } = node.status()?.config ?? { revision: 0 };
    node.write(file, text);
    await until('the change', () => (node.status()?.config.revision ?? 0) > revision);
  };

  const visible = (on: boolean): string =>
    workloadsYaml(web) +
    '---\n' +
    workloadsYaml(api).replace(
      '{app: api}',
      on ? '{app: api, perigee.dev/visibility: enabled}' : '{app: api}',
    );

  before(async () => {
    node = new NodeScene('seen', { inline: 'auto' });
    api = node.lab.host('api');
    web = node.lab.host('web');
    stranger = node.lab.host('stranger');
    await startNginx(node, api);
    const certificate = join(node.run, 'certificate.pem');
    execFileSync(
      'openssl',
      `req -x509 -newkey rsa:2048 -nodes -subj /CN=api -keyout ${certificate} -out ${certificate}.crt`.split(
        ' ',
      ),
      { stdio: 'ignore' },
    );
    execFileSync('sh', ['-c', `cat ${certificate}.crt >> ${certificate}`]);
    node.startIn(api, ['python3', '-c', visibleServers, certificate]);
    for (const port of Object.values(VISIBLE)) await listening(node.lab, api, port);
    node.write('workloads.yaml', visible(true));
    await node.startAgent('--metrics-address', METRICS);
  });
  after(() => node.destroy());

  test('without any policy every request is in flows and metrics, whoever asks', async () => {
    const urls = [api.address4, `[${api.address6}]`, `[::ffff:${api.address4}]`];
    for (const host of [web, stranger])
      for (const address of urls)
        assert.equal(
          node.curl(host, `http://${address}:${RULED}/seen`).status,
          '200',
          `${host.name} ${address}`,
        );
    const seen = (): FlowLine[] => flows('--path', '/seen');
    await until('six records', () => seen().length === 6);
    for (const { path, verdict, reason, http } of seen())
      assert.deepEqual([path, verdict, reason, http?.status], ['inline', 'allowed', 'none', 200]);
    const count = (source: string): string =>
      `perigee_http_requests_total{source_workload="${source}",destination_workload="shop/api",` +
      'method="GET",code="200",path_mode="inline"} 3';
    await until('the counts', async () => {
      const lines = new Set((await scrape(METRICS)).split('\n'));
      return lines.has(count('shop/web')) && lines.has(count('World'));
    });
  });

  test('explain says who asks for it, and what would have the requests decided', () => {
    const { decision, path } = explain();
    assert.equal(decision.path, 'inline');
    assert.match(path?.why ?? '', /perigee\.dev\/visibility.*refuses nothing/);
    assert.match(path?.change ?? '', /a rule with http/);
  });

  for (const { what, port, begin, mib = 1, option = 'none', reason, answer = ['ok'] } of notHttp) {
    test(`${what}: passes whole, and the flows say that it is opaque, and why`, async () => {
      for (const host of [web, stranger]) {
        const before = opaque(reason).length;
        assert.deepEqual(talk(host, port, begin, mib, option), answer, host.name);
        await until('the record', () => opaque(reason).length > before);
        const { path, verdict } = opaque(reason).at(-1) ?? {};
        assert.deepEqual([path, verdict], ['direct', 'allowed']);
      }
    });
  }

  const put = (length: number): string =>
    `PUT /big HTTP/1.1\\r\\nHost: api\\r\\nContent-Length: ${String(length)}\\r\\n\\r\\n`;
  test('what is HTTP is read to its end: a body of 1 GiB, a head byte by byte, a request behind it', async () => {
    const before = await total('perigee_opaque_connections_total');
    assert.deepEqual(talk(web, VISIBLE.sink, put(1 << 30), 1024), ['ok']);
    assert.deepEqual(talk(stranger, VISIBLE.sink, put(1 << 28), 256), ['ok']);
    assert.deepEqual(talk(web, VISIBLE.sink, 'GET /bytes HTTP/1.1\\r\\nHost: api\\r\\n\\r\\n', 0, 'bytes'), [
      'ok',
    ]);
    await until('the records of the bodies', () => flows('--path', '/big').length === 2);
    // A request line that comes in pieces is not kept.
    const pieces = (): FlowLine[] => flows('--kind', 'request').filter(({ http }) => http?.path === '');
    await until('the record of the pieces', () => pieces().length === 1);
    assert.equal(await total('perigee_opaque_connections_total'), before);
    assert.equal(node.curl(web, `https://${api.address4}:${VISIBLE.tls}/`, '-k').body, 'ok');
    await until('TLS to be told', () => opaque('opaque-tls').length === 1);
  });

  test('load over many connections: every request is answered and seen', async () => {
    const before = await total('perigee_http_requests_total');
    const report = await load(node, web, `http://${api.address4}:${RULED}/load`, { seconds: 2 });
    assert.equal(report.failed, 0);
    await until(
      'the counts',
      async () => (await total('perigee_http_requests_total')) - before >= report.requests,
    );
  });

  test('nothing was dropped, and nothing refused', async () => {
    assert.equal(await total('perigee_drops_total'), 0);
  });

  test('rules for connections hold as ever, and requests of what they allow are seen', async () => {
    const layer4 = serverPolicyYaml(api).replace(
      / {2}- name: requests[\s\S]*(?= {2}- name: connections)/,
      '',
    );
    await apply('policy.yaml', layer4);
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/no`).status, '000');
    assert.equal(node.curl(stranger, `http://${api.address4}:${PLAIN}/layer4`).status, '200');
    await until('the record', () => flows('--path', '/layer4').length === 1);
    assert.equal(flows('--path', '/layer4')[0]?.path, 'inline');
  });

  test('a rule with http judges the next request of what was read, and closes what was not', async () => {
    await apply('policy.yaml', '# none\n');
    const start = (...paths: string[]) => {
      const command = ['python3', '-c', twoRequests, api.address4, String(RULED), ...paths];
      const child = node.lab.start(web, node.inside(command), { stdio: ['pipe', 'pipe', 'inherit'] });
      return { child, lines: linesOf(child) };
    };
    const judged = start('/first', '/admin');
    const allowed = start('/second', '/third');
    await until('both to have asked', () => judged.lines.length === 1 && allowed.lines.length === 1);
    const unread = node.startIn(web, [
      'python3',
      '-c',
      `import socket,time; s=socket.create_connection(('${api.address4}',${String(VISIBLE.greeter)})); s.recv(9); time.sleep(60)`,
    ]);
    await until(
      'the other',
      () => connectionsIn(node, api, 'state', 'established', 'sport', `= ${String(VISIBLE.greeter)}`) === 1,
    );
    const greets = `  - {name: greets, action: Allow, to: [{port: ${String(VISIBLE.greeter)}}], http: [{methods: [GET]}]}\n`;
    await apply('policy.yaml', serverPolicyYaml(api) + greets);
    for (const { child } of [judged, allowed]) child.stdin?.write('go\n');
    await until('both answers', () => judged.lines.length === 2 && allowed.lines.length === 2);
    assert.deepEqual(
      [judged.lines, allowed.lines],
      [
        ['200', '403'],
        ['200', '200'],
      ],
    );
    await until(
      'what was not read to be closed',
      () => connectionsIn(node, api, 'state', 'established', 'sport', `= ${String(VISIBLE.greeter)}`) === 0,
    );
    for (const child of [judged.child, allowed.child, unread]) child.kill('SIGKILL');
  });

  test('Audit alone reads in the kernel, too: audited, not refused, and what is no HTTP passes', async () => {
    await apply('policy.yaml', auditYaml(api));
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/admin/audited`).status, '200');
    await until('the record', () => flows('--path', '/admin/audited').length === 1);
    const [flow] = flows('--path', '/admin/audited');
    assert.deepEqual([flow?.path, flow?.verdict, flow?.ingressRule?.policy], ['inline', 'audited', 'api']);
    assert.match(explain().path?.why ?? '', /Audit/);
    assert.deepEqual(talk(web, VISIBLE.greeter, 'hello', 1), ['ok']);
  });

  test('without the label nothing is read any more; open connections pass', async () => {
    await apply('policy.yaml', '# none\n');
    await apply('workloads.yaml', visible(false));
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/unseen`).status, '200');
    assert.equal(explain().decision.path, 'direct');
    await apply('workloads.yaml', visible(true));
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/again`).status, '200');
    await until('the record', () => flows('--path', '/again').length === 1);
    assert.equal(flows('--path', '/unseen').length, 0);
  });

  test('where the kernel can not, nothing is proxied instead, and status says so', async () => {
    await node.killAgent('SIGTERM');
    await node.startAgent('--metrics-address', METRICS, '--inline', 'off');
    assert.equal(node.curl(web, `http://${api.address4}:${RULED}/off`).status, '200');
    const { decision, path } = explain();
    assert.equal(decision.path, 'direct');
    assert.match(path?.why ?? '', /but they are not: the setting `inline` is off/);
    const { conditions } = JSON.parse(node.statusText()) as {
      conditions: { type: string; reason: string }[];
    };
    assert.equal(conditions.find(({ type }) => type === 'Visibility')?.reason, 'Setting');
  });
});
