// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { INBOUND_PORT, OUTBOUND_PORT } from '../../src/proxy/listener-set.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { tcpClient } from '../support/programs.ts';
import { RULED, serverPolicyYaml, startNginx, workloadsYaml } from '../support/web-scene.ts';

/** Listens on the ports of argv, on all addresses of both families; prints what it is told. */
const eavesdropper = `
import select,socket,sys
all=[socket.create_server(('::',int(p)),family=socket.AF_INET6,dualstack_ipv6=True) for p in sys.argv[1:]]
while True:
    for s in select.select(all,[],[])[0]:
        if s in all[:len(sys.argv)-1]: all.append(s.accept()[0]); continue
        d=s.recv(4096); all.remove(s)
        print(repr(d),flush=True)
`;

describe("programs of a pod on the proxy's ports", () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;
  const told: (readonly string[])[] = [];

  before(async () => {
    node = new NodeScene('ports');
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    await startNginx(node, api);
    for (const host of [web, api]) await eavesdrop(host, [OUTBOUND_PORT, INBOUND_PORT]);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', serverPolicyYaml(api));
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  const eavesdrop = async (host: LabHost, ports: readonly number[]): Promise<void> => {
    const command = node.inside(['python3', '-c', eavesdropper, ...ports.map(String)]);
    told.push(linesOf(node.lab.start(host, command, { stdio: ['ignore', 'pipe', 'inherit'] })));
    for (const port of ports) await listening(node.lab, host, port);
  };
  /** Ports on which the proxy listens in a machine. */
  const proxyPorts = (host: LabHost): number[] => {
    const { stdout } = node.lab.run(host, ['ss', '-Hltnp']);
    const mine = stdout
      .split('\n')
      .filter((line) => line.includes(`pid=${String(node.status()?.proxy.pid)},`));
    return [...new Set(mine.map((line) => Number(/:(\d+) /.exec(line)?.[1])))].toSorted((a, b) => a - b);
  };
  const statuses = (): string[] =>
    [web, remote].flatMap((from) =>
      [api.address4, `[${api.address6}]`].flatMap((host) =>
        ['/', '/admin'].map((path) => node.curl(from, `http://${host}:${String(RULED)}${path}`).status),
      ),
    );
  const asWritten = ['200', '403', '200', '403', '200', '403', '200', '403'];

  test('hold them from before: the proxy takes others, and they hear nothing', () => {
    for (const host of [web, api]) {
      const ports = proxyPorts(host);
      assert.equal(ports.length, 2);
      assert.deepEqual(
        ports.filter((port) => port === OUTBOUND_PORT || port === INBOUND_PORT),
        [],
      );
    }
    assert.deepEqual(statuses(), asWritten);
    assert.deepEqual(told.flat(), []);
  });

  test('take them once the proxy is gone: clients are refused, not handed over; the next proxy takes others', async () => {
    const ports = { web: proxyPorts(web), api: proxyPorts(api) };
    const proxy = node.status()?.proxy.pid ?? 0;
    await node.killAgent();
    process.kill(proxy, 'SIGKILL');
    await until('the ports to be free', () => {
      const { stdout } = node.lab.run(web, ['ss', '-Hltn']);
      return !ports.web.some((port) => stdout.includes(`:${String(port)} `));
    });
    await eavesdrop(web, ports.web);
    await eavesdrop(api, ports.api);
    for (const address of [api.address4, api.address6]) {
      const connect = (from: LabHost): string =>
        node.runIn(from, ['python3', '-c', tcpClient, address, String(RULED)]).stdout.trim();
      assert.equal(connect(web), 'EPERM');
      assert.equal(connect(remote), 'ECONNREFUSED');
    }
    await node.startAgent();
    await node.settled();
    assert.deepEqual(statuses(), asWritten);
    assert.deepEqual(told.flat(), []);
  });
});
