// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type DesiredTable, REST } from '../../src/core/state/desired.ts';
import { readEntries } from '../../src/datapath/typed-map.ts';
import { KernelScene, sceneState, WORLD } from '../support/kernel-scene.ts';
import { type LabHost, listening } from '../support/lab.ts';
import { tcpClient, tcpServer, udpClient, udpServer } from '../support/programs.ts';
import { noState } from '../support/states.ts';

describe('the hooks, without an agent or a proxy', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;
  let stranger: LabHost;

  before(async () => {
    scene = new KernelScene('hooks');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    stranger = scene.lab.host('stranger');
    for (const port of ['8080', '8081']) scene.serve(server, tcpServer, port);
    scene.serve(server, udpServer, '53');
    scene.serve(client, udpServer, '53');
    await listening(scene.lab, server, 8080);
    await listening(scene.lab, server, 8081);
  });
  after(() => scene.destroy());

  const connect = (from: LabHost, address: string, port: number): string =>
    scene.python(from, tcpClient, address, String(port));
  const datagram = (from: LabHost, address: string, mode: string): string =>
    scene.python(from, udpClient, address, '53', mode);

  test('a namespace that is not enrolled is not touched', () => {
    scene.govern([]);
    assert.match(connect(client, server.address4, 8080), /^ok/);
    assert.match(connect(client, server.address6, 8080), /^ok/);
    assert.equal(datagram(client, server.address4, 'unconnected'), 'ok hi');
  });

  for (const [family, address] of [
    ['IPv4', (host: LabHost) => host.address4],
    ['IPv6', (host: LabHost) => host.address6],
    ['IPv4-mapped IPv6', (host: LabHost) => `::ffff:${host.address4}`],
  ] as const) {
    test(`egress over ${family}: what a rule allows passes, what none allows fails at once with EPERM`, () => {
      scene.govern([
        { host: client, egress: [{ peer: server, port: 8080, action: 'allow' }] },
        { host: server },
      ]);
      assert.match(connect(client, address(server), 8080), /^ok/);
      assert.equal(connect(client, address(server), 8081), 'EPERM');
    });

    test(`ingress over ${family}: the server's policy refuses a local client at its connect`, () => {
      scene.govern([
        { host: client },
        { host: server, ingress: [{ peer: client, port: 8080, action: 'allow' }] },
      ]);
      assert.match(connect(client, address(server), 8080), /^ok/);
      assert.equal(connect(client, address(server), 8081), 'EPERM');
    });

    test(`ingress over ${family}: a client that is not enrolled gets a reset, or through, as the world may`, () => {
      scene.govern([{ host: server, ingress: [{ port: 8081, action: 'allow' }] }]);
      assert.equal(connect(stranger, address(server), 8080), 'ECONNREFUSED');
      assert.match(connect(stranger, address(server), 8081), /^ok/);
    });
  }

  test('a workload reaches itself whatever its policy says: by loopback and by its own address', () => {
    scene.govern([{ host: server, egress: [], ingress: [] }]);
    assert.match(connect(server, '127.0.0.1', 8080), /^ok/);
    assert.match(connect(server, '::1', 8080), /^ok/);
    assert.match(connect(server, server.address4, 8080), /^ok/);
    assert.match(connect(server, server.address6, 8080), /^ok/);
  });

  test('a destination that needs the proxy is refused and counted while there is none', () => {
    scene.govern([
      { host: client, egress: [{ peer: server, port: 8080, action: 'proxy' }] },
      { host: server },
    ]);
    const before = scene.drops('proxy-unavailable');
    assert.equal(connect(client, server.address4, 8080), 'EPERM');
    assert.equal(connect(client, server.address6, 8080), 'EPERM');
    assert.equal(scene.drops('proxy-unavailable') - before, 2);
  });

  test('what needs the proxy on arrival is refused while it does not listen', () => {
    scene.govern([{ host: server, ingress: [{ port: 8080, action: 'proxy' }] }]);
    const before = scene.drops('proxy-unavailable');
    assert.equal(connect(stranger, server.address4, 8080), 'ECONNREFUSED');
    assert.equal(connect(stranger, server.address6, 8080), 'ECONNREFUSED');
    assert.ok(scene.drops('proxy-unavailable') - before >= 2);
  });

  test('a peer without answers of its own gets that of the rest, and one that nobody knows is refused', () => {
    const open = sceneState([{ host: client, egress: [{ port: 8080, action: 'allow' }] }, { host: server }]);
    const [table] = open.policy;
    assert.ok(table !== undefined);
    const rest = table.rows
      .filter(({ identity }) => identity === WORLD)
      .map((row) => ({ ...row, identity: REST }));
    const own = table.rows.filter(({ identity }) => identity !== WORLD);
    const govern = (rows: DesiredTable['rows']) => {
      scene.datapath.capture(open.workloads);
      scene.datapath.apply({ ...open, policy: [{ ...table, rows }] });
    };
    govern(rest);
    assert.match(connect(client, server.address4, 8080), /^ok/);
    assert.equal(connect(client, server.address4, 9090), 'EPERM');
    govern([...own, ...rest]);
    assert.equal(connect(client, server.address4, 8080), 'EPERM');
    govern(rest);
    const { ipcache } = scene.datapath.maps;
    const dump = ipcache.dump();
    ipcache.deleteBatch(dump.keys);
    const before = scene.drops('policy-state-missing');
    assert.equal(connect(client, server.address4, 8080), 'EPERM');
    assert.equal(scene.drops('policy-state-missing') - before, 1);
    ipcache.updateBatch(dump.keys, dump.values);
  });

  test('a governed workload whose answers are missing from the map is refused', () => {
    scene.govern([
      { host: client, egress: [{ peer: server, port: 8080, action: 'allow' }] },
      { host: server },
    ]);
    const { policy } = scene.datapath.maps;
    const dump = policy.dump();
    policy.deleteBatch(dump.keys);
    const before = scene.drops('policy-state-missing');
    assert.equal(connect(client, server.address4, 8080), 'EPERM');
    assert.equal(scene.drops('policy-state-missing') - before, 1);
  });

  for (const mode of ['unconnected', 'connected'] as const) {
    test(`datagrams of ${mode} sockets obey egress policy, and their answers come in`, () => {
      scene.govern([
        { host: client, egress: [{ peer: server, protocol: 'UDP', port: 53, action: 'allow' }], ingress: [] },
        { host: server },
      ]);
      assert.equal(datagram(client, server.address4, mode), 'ok hi');
      assert.equal(datagram(client, server.address6, mode), 'ok hi');
      assert.equal(datagram(client, stranger.address4, mode), 'EPERM');
    });
  }

  test('datagrams from anybody else are dropped and recorded', () => {
    scene.govern([{ host: client, ingress: [] }]);
    scene.records();
    const before = scene.drops('policy-no-rule');
    assert.equal(datagram(stranger, client.address4, 'unconnected'), 'silence');
    assert.equal(datagram(stranger, client.address6, 'unconnected'), 'silence');
    assert.equal(scene.drops('policy-no-rule') - before, 2);
    assert.equal(
      scene.records().filter((record) => record.protocol === 17 && record.verdict === 2).length,
      2,
    );
  });

  test('Multipath TCP is refused to governed workloads alone', () => {
    scene.govern([{ host: client }]);
    const program = `
import socket
try: socket.socket(socket.AF_INET,socket.SOCK_STREAM,262); print('made')
except OSError as e: print(e.errno)
`;
    assert.equal(scene.python(client, program), '1');
    assert.equal(scene.python(stranger, program), 'made');
  });

  test('a connection leaves records of its verdict and its end, with bytes and names of both sides', () => {
    scene.govern([
      { host: client, egress: [{ peer: server, port: 8080, action: 'allow' }] },
      { host: server },
    ]);
    scene.records();
    connect(client, server.address4, 8080);
    const records = scene.records();
    assert.deepEqual(
      records.map((record) => record.kind),
      [1, 2],
    );
    const [opened, closed] = records;
    assert.ok(opened !== undefined && closed !== undefined);
    assert.equal(opened.connection, closed.connection);
    assert.equal(closed.destinationPort, 8080);
    assert.equal(closed.sourceWorkload, 1000 + Number(client.address4.split('.')[3]));
    assert.equal(closed.bytesSent, 0n);
    assert.equal(closed.bytesReceived, BigInt(`::ffff:${client.address4}|::ffff:${client.address4}`.length));
  });

  test('a connection from outside is recorded at the end of the workload that accepts it', () => {
    scene.govern([{ host: server, ingress: [{ port: 8080, action: 'allow' }] }]);
    scene.records();
    connect(stranger, server.address6, 8080);
    const records = scene.records();
    assert.deepEqual(
      records.map(({ kind, direction }) => [kind, direction]),
      [
        [1, 2],
        [2, 2],
      ],
    );
    const [, closed] = records;
    assert.ok(closed !== undefined);
    assert.equal(closed.destinationPort, 8080);
    assert.ok(closed.bytesReceived > 10n);
    assert.equal(closed.bytesSent, 0n);
  });

  test('enforcement goes on when nobody holds the datapath open, and a new agent changes nothing', () => {
    scene.govern([
      { host: client, egress: [{ peer: server, port: 8080, action: 'allow' }] },
      { host: server },
    ]);
    scene.datapath.close();
    const again = scene.load();
    assert.deepEqual(again.loaded.attached, []);
    assert.deepEqual(again.loaded.replaced, []);
    assert.ok(again.loaded.kept.includes('connect4'));
    assert.match(connect(client, server.address4, 8080), /^ok/);
    assert.equal(connect(client, server.address4, 8081), 'EPERM');
    scene.replace(again);
  });

  test('the same state again writes nothing, and an empty one leaves nothing', () => {
    const governed = [
      { host: client, egress: [{ peer: server, port: 8080, action: 'allow' as const }] },
      { host: server },
    ];
    scene.govern(governed);
    const state = sceneState(governed);
    scene.datapath.capture(state.workloads);
    const { rowsChanged, addressesChanged } = scene.datapath.apply(state);
    assert.deepEqual([rowsChanged, addressesChanged], [false, false]);
    scene.datapath.capture([]);
    scene.datapath.apply(noState);
    for (const name of ['workloads', 'ipcache', 'policy'] as const) {
      assert.equal(readEntries(scene.datapath.maps[name]).size, 0, name);
    }
  });

  test('a namespace that vanishes while governed is let go without a fault', () => {
    const guest = scene.lab.host('guest');
    scene.govern([{ host: guest, ingress: [] }]);
    const [workload] = sceneState([{ host: guest, ingress: [] }]).workloads;
    assert.ok(workload !== undefined);
    scene.lab.remove(guest);
    assert.equal(scene.datapath.capture([workload]).length, 1);
    scene.datapath.apply({ ...noState, workloads: [workload] });
    assert.equal(readEntries(scene.datapath.maps.workloads).size, 0);
  });
});
