// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { FlowRecord } from '../../src/core/abi/flow.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { OpenConnection } from '../../src/core/abi/sweep.ts';
import { pinLayout } from '../../src/datapath/layout.ts';
import { sweepConnections } from '../../src/datapath/sweep.ts';
import { SocketWalk } from '../../src/datapath/walk.ts';
import { Held } from '../support/held.ts';
import { type Governed, KernelScene, objects, sceneState } from '../support/kernel-scene.ts';
import { type LabHost, listening } from '../support/lab.ts';
import { echoServer, udpServer } from '../support/programs.ts';

/** Above and below Linux's first ephemeral port: no port tells who opened a connection. */
const HIGH = 40_000;
const LOW = 8080;

describe('open connections under a policy that came later', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;
  let stranger: LabHost;

  before(async () => {
    scene = new KernelScene('sweep');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    stranger = scene.lab.host('stranger');
    for (const port of [LOW, LOW + 1, HIGH]) {
      scene.serve(server, echoServer, String(port));
      await listening(scene.lab, server, port);
    }
    scene.serve(stranger, echoServer, String(LOW));
    await listening(scene.lab, stranger, LOW);
    scene.serve(server, udpServer, '53');
  });
  after(() => scene.destroy());

  const open = (from: LabHost, ...to: Parameters<typeof Held.open>[2]): Promise<Held> =>
    Held.open(scene, from, to);
  const governClient = (...ports: readonly number[]): void =>
    scene.govern([
      { host: client, egress: ports.map((port) => ({ peer: server, port, action: 'allow' })) },
      { host: server },
    ]);
  const forms = (host: LabHost): readonly string[] => [
    host.address4,
    host.address6,
    `::ffff:${host.address4}`,
  ];
  /** Sweeps once; the records of what was closed. */
  function sweep(round: 'first' | 'rest' = 'first'): FlowRecord[] {
    scene.records();
    const before = scene.drops('policy-changed');
    const { closed, failed } = scene.datapath.sweep(round);
    assert.deepEqual(failed, []);
    const records = scene.records();
    assert.ok(records.every((record) => record.reason === reason['policy-changed']));
    assert.equal(records.length, closed);
    assert.equal(scene.drops('policy-changed') - before, closed);
    return records;
  }
  const ends = (): readonly OpenConnection[] => scene.datapath.connections();

  for (const [index, family] of ['IPv4', 'IPv6', 'IPv4-mapped IPv6'].entries()) {
    test(`over ${family}: the forbidden one is closed, counted and recorded once, the other lives on`, async () => {
      governClient(LOW, HIGH);
      const address = forms(server)[index] ?? '';
      const doomed = await open(client, address, LOW);
      const spared = await open(client, address, HIGH);
      assert.deepEqual(sweep(), []);
      governClient(HIGH);
      const [record, ...more] = sweep();
      assert.equal(more.length, 0);
      assert.equal(record?.destinationPort, LOW);
      assert.equal(record.direction, direction.egress);
      assert.equal(record.verdict, verdict.denied);
      assert.deepEqual([record.bytesSent, record.bytesReceived], [2n, 2n]);
      assert.ok(record.duration > 0n);
      assert.equal(await doomed.ended(), 'ECONNABORTED');
      assert.deepEqual(sweep('rest'), []);
      assert.equal(await spared.ping(), 'ping');
      spared.close();
    });
  }

  test('a server closes a client of another node, and keeps what its policy allows', async () => {
    const govern = (...ports: readonly number[]): void =>
      scene.govern([{ host: server, ingress: ports.map((port) => ({ port, action: 'allow' })) }]);
    govern(LOW, HIGH);
    const doomed = await Promise.all(forms(server).map((address) => open(stranger, address, LOW)));
    const spared = await open(stranger, server.address6, HIGH);
    govern(HIGH);
    const records = sweep();
    assert.equal(records.length, 3);
    for (const record of records) {
      assert.equal(record.direction, direction.ingress);
      assert.equal(record.destinationPort, LOW);
      assert.deepEqual([record.bytesSent, record.bytesReceived], [2n, 2n]);
    }
    for (const held of doomed) assert.match(await held.ended(), /^(ECONNRESET|end)$/);
    assert.equal(await spared.ping(), 'ping');
    spared.close();
  });

  test('an L4 connection that now needs the proxy is closed: no request of it would be judged', async () => {
    governClient(LOW);
    const held = await open(client, server.address4, LOW);
    scene.govern([
      { host: client, egress: [{ peer: server, port: LOW, action: 'proxy' }] },
      { host: server },
    ]);
    assert.equal(sweep().length, 1);
    assert.equal(await held.ended(), 'ECONNABORTED');
  });

  test('both ends of a connection are on record, with whose they are and which side', async () => {
    scene.govern([
      { host: client, egress: [{ peer: server, port: HIGH, action: 'allow' }] },
      { host: server, ingress: [{ peer: client, port: HIGH, action: 'allow' }] },
    ]);
    const held = await open(client, server.address6, HIGH);
    const found = ends().filter(({ localPort, remotePort }) => localPort === HIGH || remotePort === HIGH);
    const text = found.map((end) => [end.workload, end.direction, end.localPort === HIGH].join(' ')).sort();
    const ids = sceneState([{ host: client }, { host: server }]).workloads.map(({ id }) => id);
    assert.deepEqual(text, [`${String(ids[0])} 1 false`, `${String(ids[1])} 2 true`]);
    held.close();
  });

  test('the server keeps a storage of its own for a client of another node alone', async () => {
    const { native, pinRoot, cgroup } = scene;
    const layout = pinLayout(pinRoot);
    const governed: readonly Governed[] = [
      { host: client, egress: [{ peer: server, port: HIGH, action: 'allow' }] },
      {
        host: server,
        ingress: [
          { peer: client, port: HIGH, action: 'allow' },
          { port: HIGH, action: 'allow' },
        ],
      },
    ];
    scene.govern(governed);
    const here = new Set(sceneState(governed).workloads.map(({ identity }) => identity));
    const held = await Promise.all([client, stranger].map((from) => open(from, server.address4, HIGH)));
    const walk = SocketWalk.load({ native, layout, objects, cgroup });
    const storage = native.BpfMap.openPinned(join(layout.maps, 'connections'));
    const kept = walk.cookies(storage);
    const found = ends()
      .filter(({ localPort, remotePort }) => localPort === HIGH || remotePort === HIGH)
      .map((end) => [end.direction, here.has(end.peer), kept.has(end.cookie)].join(' '));
    walk.close();
    storage.close();
    for (const one of held) one.close();
    assert.deepEqual(found.sort(), [
      `${String(direction.egress)} true true`,
      `${String(direction.ingress)} false true`,
      `${String(direction.ingress)} true false`,
    ]);
  });

  test('what was open before its workload was enrolled is judged by its true direction, whatever the ports', async () => {
    scene.govern([]);
    // A client that is bound to a low port, of a server on a high one: the ports say the opposite.
    const outHigh = await open(server, stranger.address4, LOW, 'tcp', 700);
    const outHigh6 = await open(server, stranger.address6, LOW, 'tcp', 701);
    const inHigh = await open(stranger, server.address4, HIGH, 'tcp', 700);
    const inHigh6 = await open(stranger, server.address6, HIGH, 'tcp', 701);
    scene.govern([{ host: server, ingress: [] }]);
    const accepted = sweep();
    assert.deepEqual(
      accepted.map((record) => [record.direction, record.destinationPort]),
      [
        [direction.ingress, HIGH],
        [direction.ingress, HIGH],
      ],
    );
    for (const held of [inHigh, inHigh6]) assert.match(await held.ended(), /^(ECONNRESET|end)$/);
    for (const held of [outHigh, outHigh6]) assert.equal(await held.ping(), 'ping');
    scene.govern([{ host: server, egress: [] }]);
    const opened = sweep();
    assert.deepEqual(opened.map((record) => [record.direction, record.sourcePort]).sort(), [
      [direction.egress, 700],
      [direction.egress, 701],
    ]);
    for (const held of [outHigh, outHigh6]) assert.equal(await held.ended(), 'ECONNABORTED');
  });

  test('its own loopback and its own address are never closed', async () => {
    scene.govern([]);
    const before = [await open(server, '127.0.0.1', LOW), await open(server, server.address4, LOW)];
    scene.govern([{ host: server, egress: [], ingress: [] }]);
    const since = [await open(server, '::1', LOW), await open(server, server.address6, LOW)];
    assert.deepEqual(sweep(), []);
    assert.deepEqual(sweep('rest'), []);
    for (const held of [...before, ...since]) {
      assert.equal(await held.ping(), 'ping');
      held.close();
    }
  });

  test('a connected datagram socket is closed once its peer is forbidden', async () => {
    const govern = (...ports: readonly number[]): void =>
      scene.govern([
        {
          host: client,
          egress: ports.map((port) => ({ peer: server, protocol: 'UDP', port, action: 'allow' })),
        },
        { host: server },
      ]);
    govern(53);
    const held = await open(client, server.address4, 53, 'udp');
    assert.deepEqual(sweep(), []);
    govern(54);
    const [record] = sweep();
    assert.deepEqual([record?.protocol, record?.destinationPort], [17, 53]);
    assert.equal(await held.ended(), 'ECONNABORTED');
  });

  test('a changed identity is looked up as of now: relabelled, the peer of an open connection is another', async () => {
    const rules = [{ peer: server, port: LOW, action: 'allow' }] as const;
    const governed = [{ host: client, egress: rules }, { host: server }];
    scene.govern(governed);
    const held = await open(client, server.address4, LOW);
    const state = sceneState(governed);
    const other = 9999;
    const relabelled = {
      ...state,
      ipcache: state.ipcache.with(
        Array.from(state.ipcache, ([key, entry]) => [
          key,
          entry.workload > 0 ? { ...entry, identity: other } : entry,
        ]),
      ),
    };
    scene.datapath.capture(relabelled.workloads);
    scene.datapath.apply(relabelled);
    assert.equal(sweep()[0]?.destinationIdentity, other);
    assert.equal(await held.ended(), 'ECONNABORTED');
  });

  test('on a kernel that cannot close in the walk the agent closes, with the same counts and records', async () => {
    const { native, pinRoot, cgroup } = scene;
    const walk = SocketWalk.load({ native, layout: pinLayout(pinRoot), objects, cgroup }, false);
    governClient(LOW);
    const held = await Promise.all(forms(server).map((address) => open(client, address, LOW)));
    governClient(HIGH);
    const namespaces = scene.datapath.enrolled.map(({ netnsFd }) => netnsFd);
    const before = scene.drops('policy-changed');
    scene.records();
    assert.deepEqual(sweepConnections({ native, walk, namespaces }, 'first'), { closed: 3, failed: [] });
    walk.close();
    assert.equal(scene.drops('policy-changed') - before, 3);
    assert.equal(scene.records().length, 3);
    for (const one of held) assert.equal(await one.ended(), 'ECONNABORTED');
  });

  test('a socket without room for what policy decided of it is refused, and counted', async () => {
    governClient(LOW);
    const path = '/proc/sys/net/core/optmem_max';
    const shrink = ['sh', '-c', `cat ${path}; echo 64 > ${path}`];
    const usual = scene.lab.run(client, shrink).stdout.trim();
    const before = scene.drops('state-not-kept');
    try {
      assert.equal((await open(client, server.address4, LOW)).opened, 'EPERM');
      assert.equal(scene.drops('state-not-kept') - before, 1);
    } finally {
      scene.lab.run(client, ['sh', '-c', `echo ${usual} > ${path}`]);
    }
    assert.equal((await open(client, server.address4, LOW)).opened, 'open');
  });
});
