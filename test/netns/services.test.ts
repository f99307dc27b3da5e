// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, afterEach, before, describe, test } from 'node:test';
import { KernelScene, type SceneService } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import {
  datagramClient,
  namingDatagrams,
  namingServer,
  serviceClient,
  waitingClient,
} from '../support/service-programs.ts';

const CLUSTER4 = '10.96.0.10';
const CLUSTER6 = 'fd96::10';

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

describe('addresses of Services, resolved where a program asks for them', () => {
  let scene: KernelScene;
  let client: LabHost;
  let other: LabHost;
  let a: LabHost;
  let b: LabHost;
  const clients: ChildProcess[] = [];

  before(async () => {
    scene = new KernelScene('services');
    [client, other, a, b] = ['client', 'other', 'a', 'b'].map((name) => scene.lab.host(name)) as [
      LabHost,
      LabHost,
      LabHost,
      LabHost,
    ];
    for (const host of [a, b]) {
      scene.serve(host, namingServer, '8080', '8081');
      for (const address of [host.address4, host.address6])
        scene.serve(host, namingDatagrams, address, '5353');
    }
    for (const host of [a, b])
      await until(
        'the servers',
        () => scene.lab.run(host, ['ss', '-Hltun']).stdout.trim().split('\n').length === 4,
      );
  });
  after(() => scene.destroy());
  // A client that is left over would be closed with those of the next test.
  afterEach(() => Promise.all(clients.splice(0).map(endOf)));

  const tcp = (picked: SceneService['picked'], more: Partial<SceneService> = {}): SceneService => ({
    ...{ id: 501, address: CLUSTER4, port: 80, picked },
    ...more,
  });
  const udp = (picked: SceneService['picked'], more: Partial<SceneService> = {}): SceneService =>
    tcp(picked, { id: 503, port: 53, protocol: 'UDP', ...more });
  const all = (services: readonly SceneService[]): void =>
    scene.govern([{ host: client }, { host: other }, { host: a }, { host: b }], services);
  /** What connections to a Service saw, each different answer once. */
  const connects = (address: string, port: number, times: number, from = client): readonly string[] =>
    scene.python(from, serviceClient, address, String(port), String(times)).split('\n');
  const connect = (address: string, port: number, from = client): string =>
    connects(address, port, 1, from).join();

  /** Starts a client in a namespace; its lines, and a way to write to it. */
  function start(program: string, ...args: string[]): { lines: readonly string[]; child: ChildProcess } {
    const command = scene.inside(['python3', '-c', program, ...args]);
    const child = scene.lab.start(client, command, { stdio: ['pipe', 'pipe', 'inherit'] });
    clients.push(child);
    return { lines: linesOf(child), child };
  }

  /** A client that sends datagrams when it is told to. */
  function datagrams(mode: 'connected' | 'unconnected') {
    const { lines, child } = start(datagramClient, mode);
    let sent = 0;
    return {
      child,
      ask: async (address: string, port: number): Promise<string> => {
        child.stdin?.write(`${address} ${String(port)}\n`);
        sent += 1;
        await until('an answer', () => lines.length >= sent);
        return lines[sent - 1] ?? '';
      },
    };
  }

  for (const [family, address, backend, own] of [
    ['IPv4', CLUSTER4, (host: LabHost) => host.address4, (host: LabHost) => host.address4],
    ['IPv6', CLUSTER6, (host: LabHost) => host.address6, (host: LabHost) => host.address6],
    [
      'IPv4-mapped IPv6',
      `::ffff:${CLUSTER4}`,
      (host: LabHost) => host.address4,
      (host: LabHost) => `::ffff:${host.address4}`,
    ],
  ] as const) {
    test(`TCP over ${family}: each connection reaches some backend, and getpeername() says the Service`, () => {
      const services = [
        tcp([
          [a.address4, 8080],
          [b.address4, 8081],
        ]),
        tcp(
          [
            [a.address6, 8080],
            [b.address6, 8081],
          ],
          { id: 502, address: CLUSTER6 },
        ),
      ];
      all(services);
      assert.deepEqual(
        connects(address, 80, 40),
        [`${backend(a)} 8080 peer ${address} 80`, `${backend(b)} 8081 peer ${address} 80`].sort(),
      );
    });

    test(`datagrams over ${family}: answers come from the Service, with and without connect()`, async () => {
      all([udp([[a.address4, 5353]]), udp([[a.address6, 5353]], { id: 504, address: CLUSTER6 })]);
      const connected = datagrams('connected');
      assert.equal(await connected.ask(address, 53), `${backend(a)} 5353 peer ${address} 53`);
      const unconnected = datagrams('unconnected');
      assert.equal(await unconnected.ask(address, 53), `${backend(a)} 5353 from ${address} 53`);
      assert.equal(
        await unconnected.ask(own(a), 5353),
        `${backend(a)} 5353 from ${address} 53`,
        'a backend that is asked by its own address is known as the Service that it was asked as',
      );
    });
  }

  test('policy, records and the connection see the backend; the record names the Service', () => {
    const service = tcp([[a.address4, 8080]]);
    const rule = { peer: a, port: 8080, action: 'allow' } as const;
    scene.govern([{ host: client, egress: [rule] }, { host: a }, { host: b }], [service]);
    scene.records();
    assert.match(connect(CLUSTER4, 80), /^10\.77/);
    const [opened] = scene.records();
    assert.deepEqual([opened?.destinationPort, opened?.service], [8080, 501]);
    scene.govern([{ host: client, egress: [rule] }, { host: a }, { host: b }], [tcp([[b.address4, 8080]])]);
    assert.equal(connect(CLUSTER4, 80), 'EPERM');
    const [refused] = scene.records();
    assert.deepEqual([refused?.verdict, refused?.destinationPort, refused?.service], [2, 8080, 501]);
    const ingress = [{ peer: other, port: 8080, action: 'allow' }] as const;
    scene.govern([{ host: client }, { host: other }, { host: a, ingress }, { host: b }], [service]);
    assert.equal(connect(CLUSTER4, 80), 'EPERM');
    assert.match(connect(CLUSTER4, 80, other), /^10\.77/);
  });

  test('what is no Service, another port of one, and who is not governed are left alone', () => {
    all([tcp([[a.address4, 8080]])]);
    assert.equal(connect(a.address4, 8081), `${a.address4} 8081 peer ${a.address4} 8081`);
    assert.equal(connect(CLUSTER4, 81), 'ENETUNREACH');
    scene.govern([{ host: a }], [tcp([[a.address4, 8080]])]);
    assert.equal(connect(CLUSTER4, 80), 'ENETUNREACH');
  });

  test('without Services nothing of them is attached or asked', () => {
    all([tcp([[a.address4, 8080]])]);
    all([]);
    assert.equal(connect(CLUSTER4, 80), 'ENETUNREACH');
  });

  test('a Service that nobody serves refuses at once, counted and recorded', async () => {
    all([tcp([]), tcp([], { id: 502, address: CLUSTER6 }), udp([])]);
    scene.records();
    const before = scene.drops('service-no-backend');
    assert.equal(connect(CLUSTER4, 80), 'ECONNREFUSED');
    assert.equal(connect(CLUSTER6, 80), 'ECONNREFUSED');
    assert.equal(await datagrams('unconnected').ask(CLUSTER4, 53), 'ECONNREFUSED');
    assert.equal(await datagrams('connected').ask(CLUSTER4, 53), 'ECONNREFUSED');
    assert.equal(scene.drops('service-no-backend') - before, 4);
    assert.deepEqual(
      scene.records().map(({ destinationPort, service }) => [destinationPort, service]),
      [
        [80, 501],
        [80, 502],
        [53, 503],
        [53, 503],
      ],
    );
  });

  test('a pod that serves the Service itself reaches itself', () => {
    all([tcp([[a.address4, 8080]])]);
    assert.equal(connect(CLUSTER4, 80, a), `${a.address4} 8080 peer ${CLUSTER4} 80`);
  });

  test('session affinity: a client stays where it was while that is picked, each client by itself', () => {
    const both: SceneService['picked'] = [
      [a.address4, 8080],
      [b.address4, 8080],
    ];
    all([tcp(both, { affinitySeconds: 600 })]);
    const [first = '', ...others] = connects(CLUSTER4, 80, 30);
    assert.deepEqual(others, []);
    assert.equal(connect(CLUSTER4, 80), first, 'another process of the pod');
    const stayed = first.startsWith(a.address4) ? a : b;
    const left = stayed === a ? b : a;
    // It ends: new connections go elsewhere although it serves still.
    const kept = [[stayed.address4, 8080]] as const;
    all([tcp([[left.address4, 8080]], { affinitySeconds: 600, kept })]);
    const moved = connect(CLUSTER4, 80);
    assert.match(moved, new RegExp(`^${left.address4} `));
    all([tcp(both, { affinitySeconds: 600 })]);
    assert.deepEqual(connects(CLUSTER4, 80, 30), [moved]);
    all([tcp(both)]);
    assert.equal(connects(CLUSTER4, 80, 40).length, 2);
  });

  test('datagrams of one socket stay with their backend while it serves, and go elsewhere after', async () => {
    const both: SceneService['picked'] = [
      [a.address4, 5353],
      [b.address4, 5353],
    ];
    all([udp(both)]);
    const { ask } = datagrams('unconnected');
    const first = await ask(CLUSTER4, 53);
    for (let turn = 0; turn < 20; turn += 1) assert.equal(await ask(CLUSTER4, 53), first);
    const stayed = first.startsWith(a.address4) ? a : b;
    const left = stayed === a ? b : a;
    all([udp([[left.address4, 5353]], { kept: [[stayed.address4, 5353]] })]);
    assert.equal(await ask(CLUSTER4, 53), first);
    all([udp([[left.address4, 5353]])]);
    assert.equal(await ask(CLUSTER4, 53), `${left.address4} 5353 from ${CLUSTER4} 53`);
  });

  test('one socket writes to more Services than it can remember, and each gets its datagrams', async () => {
    const port = (index: number): number => 2000 + index;
    const services = Array.from({ length: 20 }, (_, index) =>
      udp([[(index % 2 === 0 ? a : b).address4, 5353]], { id: 600 + index, port: port(index) }),
    );
    all(services);
    const { ask } = datagrams('unconnected');
    for (let turn = 0; turn < 3; turn += 1)
      for (let index = 0; index < services.length; index += 1)
        assert.equal(
          await ask(CLUSTER4, port(index)),
          `${(index % 2 === 0 ? a : b).address4} 5353 from ${CLUSTER4} ${String(port(index))}`,
        );
  });

  test('a connected socket of datagrams is closed when its backend serves no more', async () => {
    all([udp([[a.address4, 5353]], { kept: [[b.address4, 5353]] })]);
    const { lines } = start(waitingClient, CLUSTER4, '53', 'UDP');
    await until('the client', () => lines.length === 1);
    all([udp([[b.address4, 5353]], { kept: [[a.address4, 5353]] })]);
    scene.datapath.sweep('first');
    assert.equal(lines.length, 1);
    scene.records();
    all([udp([[b.address4, 5353]])]);
    assert.equal(scene.datapath.sweep('first').closed, 1);
    await until('its end', () => lines.length === 2);
    assert.equal(lines[1], 'ECONNABORTED');
    const closed = scene.records().find(({ reason }) => reason === 29);
    assert.deepEqual([closed?.destinationPort, closed?.service], [5353, 503]);
  });

  test('a TCP connection outlives its place in the Service, and is closed when nobody has the address', async () => {
    all([tcp([[b.address4, 8080]])]);
    const { lines } = start(waitingClient, CLUSTER4, '80');
    await until('the client', () => lines.length === 1);
    all([tcp([[a.address4, 8080]])]);
    assert.equal(scene.datapath.sweep('first').closed, 0);
    all([]);
    assert.equal(scene.datapath.sweep('first').closed, 0);
    scene.govern([{ host: client }, { host: a }], [tcp([[a.address4, 8080]])]);
    assert.equal(scene.datapath.sweep('first').closed, 1);
    await until('its end', () => lines.length === 2);
    assert.equal(lines[1], 'ECONNABORTED');
  });

  test('an agent that starts anew finds what is there and writes nothing', () => {
    const picked: SceneService['picked'] = [
      [a.address4, 8080],
      [b.address4, 8080],
    ];
    all([tcp(picked)]);
    const dump = (): string => scene.datapath.maps.service_slots.dump().values.toString('hex');
    const before = dump();
    scene.datapath.close();
    scene.replace(scene.load());
    all([tcp([...picked].reverse())]);
    assert.equal(dump(), before);
    assert.match(connect(CLUSTER4, 80), /^10\.77/);
  });
});
