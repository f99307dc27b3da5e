// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Lab, type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { visibleClient, VISIBLE } from '../support/visible-programs.ts';
import { PLAIN, RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';
import { scrape } from '../support/scrape.ts';

const METRICS = '127.0.0.1:29978';

/** Answers with length and digest of what came; reads nothing for a while first, and then slowly. */
const slowServer = `
import hashlib,socket,sys,time
l=socket.socket(); l.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); l.setsockopt(socket.SOL_SOCKET,socket.SO_RCVBUF,65536)
l.bind(('',int(sys.argv[1]))); l.listen(); print('listening',flush=True)
while True:
    c=l.accept()[0]; time.sleep(float(sys.argv[2])); h=hashlib.sha1(); n=0
    while d:=c.recv(1<<16):
        h.update(d); n+=len(d)
        if n<1<<18: time.sleep(.05)
    c.sendall(b'%d %s'%(n,h.hexdigest().encode())); c.close()
`;

const anySink = `  - {name: sink, action: Allow, to: [{port: ${String(VISIBLE.sink)}}]}\n`;

describe('odd circumstances of requests that the kernel reads', () => {
  let node: NodeScene;
  let twinLab: Lab;
  let api: LabHost;
  let web: LabHost;
  let twin: LabHost;
  let twinWeb: LabHost;

  /** The twin asks to be seen where no rule reads its requests. */
  const workloads = (...hosts: readonly LabHost[]): string =>
    workloadsYaml(...hosts).replace('{app: twin}', '{app: twin, perigee.dev/visibility: enabled}');
  const drops = async (reason: string): Promise<number> => {
    const text = await scrape(METRICS);
    const line = new RegExp(`^perigee_drops_total\\{reason="${reason}",component="kernel"\\} (\\d+)$`, 'm');
    return Number(line.exec(text)?.[1] ?? 0);
  };

  before(async () => {
    node = new NodeScene('odd', { inline: 'auto' });
    // The machines of the second lab have the addresses of the first one's.
    twinLab = Lab.create('odd2');
    [api, web] = [node.lab.host('api'), node.lab.host('web')];
    [twin, twinWeb] = [twinLab.host('twin'), twinLab.host('twin-web')];
    assert.equal(api.address4, twin.address4);
    await startNginx(node, api);
    await startNginx(node, twin);
    for (const host of [api, twin]) {
      const command = ['python3', '-c', slowServer, String(VISIBLE.sink), '3'];
      const lines = linesOf(
        node.lab.start(host, node.inside(command), { stdio: ['ignore', 'pipe', 'inherit'] }),
      );
      await until('the server', () => lines.length > 0);
    }
    node.write('workloads.yaml', workloads(api, twin));
    const puts = `  - {name: puts, action: Allow, to: [{port: ${String(VISIBLE.sink)}}], http: [{methods: [PUT]}]}\n`;
    node.write('policy.yaml', serverPolicyYaml(api) + puts);
    node.write('twin.yaml', serverPolicyYaml(twin).replace('/admin', '/orders') + anySink);
    await node.startAgent('--metrics-address', METRICS);
  });
  after(async () => {
    await twinLab.destroy();
    await node.destroy();
  });

  const apart = (): void => {
    const ask = (from: LabHost, path: string): string =>
      node.curl(from, `http://${api.address4}:${String(RULED)}${path}`).status;
    for (let round = 0; round < 5; round += 1) {
      assert.deepEqual([ask(web, '/admin'), ask(web, '/orders')], ['403', '200']);
      assert.deepEqual([ask(twinWeb, '/admin'), ask(twinWeb, '/orders')], ['200', '403']);
    }
  };

  test('two workloads with one address, in namespaces of their own: each has its own policy', apart);

  for (const [what, server, from] of [
    ['policy', () => api, () => web],
    ['visibility', () => twin, () => twinWeb],
  ] as const) {
    test(`a window that closes for seconds and is probed: every byte comes (read for ${what})`, () => {
      const probes = (): number => {
        const { stdout } = node.lab.run(from(), ['nstat', '-asz', 'TcpExtTCPWinProbe']);
        return Number(/TCPWinProbe\s+(\d+)/.exec(stdout)?.[1]);
      };
      const before = probes();
      const begin = `PUT /slow HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: ${String(16 << 20)}\\r\\n\\r\\n`;
      const command = [
        'python3',
        '-c',
        visibleClient,
        server().address4,
        String(VISIBLE.sink),
        begin,
        '16',
        'none',
      ];
      assert.equal(node.runIn(from(), command).stdout.trim(), 'ok');
      assert.ok(probes() > before);
      const seen = node.perigee(
        'observe',
        '--path',
        '/slow',
        '--to',
        `shop/${server().name}`,
        '--socket',
        node.socket,
      );
      assert.match(seen, /PUT \/slow/);
    });
  }

  test('the same two, with clients that are workloads, and have one address, too', async () => {
    const { revision } = node.status()?.config ?? { revision: 0 };
    node.write('workloads.yaml', workloads(api, twin, web, twinWeb));
    await until('the change', () => (node.status()?.config.revision ?? 0) > revision);
    apart();
  });

  test('no memory for the state of a connection: its requests are refused, or not seen', async () => {
    const setRoom = (bytes: string): string => {
      const paths = '/proc/sys/net/core/optmem_max';
      const command = ['sh', '-c', `cat ${paths}; echo ${bytes} > ${paths}`];
      return [api, twin].map((host) => node.lab.run(host, command).stdout.trim())[0] ?? '';
    };
    const room = setRoom('700');
    const before = await drops('stream-state-missing');
    try {
      assert.equal(node.curl(web, `http://${api.address4}:${String(RULED)}/orders`, '-m', '1').status, '000');
      assert.ok((await drops('stream-state-missing')) > before);
      assert.equal(node.curl(twinWeb, `http://${twin.address4}:${String(PLAIN)}/unseen`).status, '200');
    } finally {
      setRoom(room);
    }
    assert.equal(node.curl(web, `http://${api.address4}:${String(RULED)}/orders`).status, '200');
    assert.equal(node.perigee('observe', '--path', '/unseen', '--socket', node.socket).trim(), '');
  });
});
