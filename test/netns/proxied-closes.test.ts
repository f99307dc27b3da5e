// SPDX-License-Identifier: Apache-2.0
// How connections through the proxy begin and end in flows: the kernel writes it, and the proxy tells it why.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { RULED, startNginx, workloadsYaml } from '../support/web-scene.ts';

/** HTTP/2 is for the proxy alone to read, so HTTP/1 goes through it as well. */
const policy = (who: string): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: pages
    action: Allow
    from: [${who}]
    to: [{port: ${RULED}}]
    http2: true
    http: [{methods: [GET]}]
`;
const EVERYBODY = '{cidrs: [0.0.0.0/0, "::/0"]}, {podSelector: {}}';

/** Asks twice, says its port and what it has sent and received, and ends as it is told; \`hold\` waits for the other end. */
const program = `
import socket,struct,sys
address,port,word=sys.argv[1:]
s=socket.create_connection((address,int(port)),5); sent=received=0
for last in (False,True):
    close='Connection: close\\r\\n' if last and word=='server' else ''
    request=('GET /%d HTTP/1.1\\r\\nHost: api\\r\\n%s\\r\\n'%(last,close)).encode(); s.sendall(request); sent+=len(request)
    answer=b''
    while not answer.endswith(b'hello\\n'): answer+=s.recv(4096)
    received+=len(answer)
print(s.getsockname()[1],sent,received,flush=True)
if word=='malformed': s.sendall(b'GET / HTTP/1.1\\r\\nHost'); s.shutdown(socket.SHUT_WR)
if word=='client-reset': s.setsockopt(socket.SOL_SOCKET,socket.SO_LINGER,struct.pack('ii',1,0))
elif word!='client':
    s.settimeout(60)
    try:
        while s.recv(4096): pass
    except ConnectionResetError: pass
s.close()
`;

interface Flow {
  readonly kind: string;
  readonly path: string;
  readonly verdict: string;
  readonly reason: string;
  readonly closer?: string;
  readonly duration: number;
  readonly rtt: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly connection: string;
  readonly source: { readonly address: string; readonly port: number; readonly workload?: string };
  readonly destination: { readonly address: string; readonly port: number; readonly workload?: string };
  readonly ingressRule?: { readonly rule: string };
}

describe('a connection through the proxy', () => {
  let node: NodeScene;
  let api: LabHost;
  let web: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('pclose', { inline: 'auto' });
    api = node.lab.host('api');
    web = node.lab.host('web');
    remote = node.lab.host('remote');
    await startNginx(node, api);
    node.write('workloads.yaml', workloadsYaml(api, web));
    node.write('policy.yaml', policy(EVERYBODY));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const start = (from: LabHost, address: string, word: string): readonly string[] => {
    const command = node.inside(['python3', '-c', program, address, String(RULED), word]);
    return linesOf(node.lab.start(from, command, { stdio: ['ignore', 'pipe', 'inherit'] }));
  };
  const flowsOf = (port: number): Flow[] =>
    (node.flows('--all', '--port', String(port)) as Flow[]).filter(({ source }) => source.port === port);
  /** All that is recorded of the connection, once its end is. */
  const ended = async (
    lines: readonly string[],
  ): Promise<{ readonly flows: Flow[]; readonly said: number[] }> => {
    await until('its port', () => lines.length > 0);
    const said = (lines[0] ?? '').split(' ').map(Number);
    const [port = 0] = said;
    const kinds = (): string[] => flowsOf(port).map(({ kind }) => kind);
    await until('its end and its requests', () => {
      const found = kinds();
      return found.includes('close') && found.filter((kind) => kind === 'request').length >= 2;
    });
    return { flows: flowsOf(port), said };
  };
  const only = (flows: readonly Flow[], kind: string): Flow => {
    const [one, ...more] = flows.filter((flow) => flow.kind === kind);
    assert.equal(more.length, 0, kind);
    return one ?? assert.fail(`no ${kind}`);
  };

  for (const [name, from] of [
    ['a workload', (): LabHost => web],
    ['a stranger', (): LabHost => remote],
  ] as const)
    for (const [word, family] of [
      ['client', 4],
      ['client', 6],
      ['server', 4],
      ['client-reset', 4],
    ] as const)
      test(`opens once and closes once, with all its bytes: ${word} of ${name} by IPv${family}`, async () => {
        const host = from();
        const address = (one: LabHost): string => (family === 4 ? one.address4 : one.address6);
        const { flows, said } = await ended(start(host, address(api), word));
        const [open, close] = [only(flows, 'verdict'), only(flows, 'close')];
        const requests = flows.filter(({ kind }) => kind === 'request');
        assert.equal(requests.length, 2);
        for (const flow of flows) {
          assert.deepEqual(
            [flow.path, flow.verdict, flow.connection, flow.source, flow.destination],
            ['proxied', 'allowed', open.connection, open.source, open.destination],
          );
        }
        assert.deepEqual([open.source.address, open.destination.address], [address(host), address(api)]);
        assert.deepEqual([open.destination.port, open.destination.workload], [RULED, 'api']);
        assert.deepEqual([close.bytesSent, close.bytesReceived], said.slice(1));
        assert.deepEqual([close.closer, close.reason], [word, 'none']);
        assert.ok(close.rtt > 0 && close.duration > 0);
      });

  for (const [name, from] of [
    ['a workload', (): LabHost => web],
    ['a stranger', (): LabHost => remote],
  ] as const) {
    test(`says why the proxy ended it, and by which rule, to ${name}`, async () => {
      const lines = start(from(), api.address4, 'hold');
      await until('its requests', () => lines.length > 0);
      node.write('policy.yaml', policy('{podSelector: {matchLabels: {app: nobody}}}'));
      const { flows, said } = await ended(lines);
      const close = only(flows, 'close');
      assert.deepEqual(
        [close.reason, close.verdict, close.closer],
        ['policy-changed', 'denied', 'server-reset'],
      );
      assert.deepEqual([close.bytesSent, close.bytesReceived], said.slice(1));
      node.write('policy.yaml', policy(EVERYBODY));
      await node.settled();
    });

    test(`and what no policy ended: half a head of ${name}`, async () => {
      const { flows } = await ended(start(from(), api.address4, 'malformed'));
      const close = only(flows, 'close');
      assert.deepEqual([close.reason, close.verdict], ['http-malformed', 'denied']);
    });
  }
});
