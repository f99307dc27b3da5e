// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { StdioOptions } from 'node:child_process';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { BoostOutcomeName } from '../../src/core/abi/boost.ts';
import { readBoostCounts } from '../../src/datapath/boost/counts.ts';
import { removeDatapath } from '../../src/datapath/cleanup.ts';
import { lonelyReader, lonelyWriter, streamPeer } from '../support/boost-programs.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';

const PORT = 9000;

interface Plan {
  readonly up?: number;
  readonly down?: number;
  readonly least?: number;
  readonly most?: number;
  readonly [option: string]: unknown;
}

describe('boost of connections that no HTTP policy speaks of', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;
  let served: readonly string[];
  let splicing: readonly string[];
  let multipath: readonly string[];
  let seed = 1;

  before(async () => {
    scene = new KernelScene('boost');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    served = start(server, ['serve', String(PORT)]).lines;
    splicing = start(server, ['serve', String(PORT + 1), 'splice']).lines;
    multipath = start(server, ['serve', String(PORT + 3), 'multipath']).lines; // which nobody governed may make
    for (const port of [PORT, PORT + 1, PORT + 3]) await listening(scene.lab, server, port);
  });
  after(() => scene.destroy());
  beforeEach(async () => {
    govern(false); // forgets what was found out about the workloads
    govern(true);
    await until('boost', () => scene.datapath.boost.active);
  });

  const govern = (boost: boolean): void => {
    const ports = [PORT, PORT + 1, PORT + 2, PORT + 3];
    scene.govern([
      { host: client, egress: ports.map((port) => ({ peer: server, port, action: 'allow' })), boost },
      { host: server, ingress: ports.map((port) => ({ peer: client, port, action: 'allow' })), boost },
    ]);
  };
  const start = (host: LabHost, args: readonly string[]) => {
    const child = scene.lab.start(host, scene.inside(['python3', '-c', streamPeer, ...args]), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return { child, lines: linesOf(child) };
  };
  const count = (outcome: BoostOutcomeName): number => readBoostCounts(scene.datapath.maps)[outcome];

  /** Opens a connection; it is ready when both ends have read a byte. */
  const open = async (plan: Plan, address = server.address4, port = PORT) => {
    seed += 10;
    const whole = { seed, up: 1 << 20, down: 1 << 20, least: 1, most: 100_000, ...plan };
    const { child, lines } = start(client, ['connect', address, String(port), JSON.stringify(whole)]);
    await until('the connection', () => lines.length > 0);
    return { child, lines, answers: port === PORT ? served : splicing };
  };
  /** Lets an open connection run to its end; what client and server say. */
  const finish = async ({ child, lines, answers }: Awaited<ReturnType<typeof open>>): Promise<string[]> => {
    const before = answers.length;
    child.stdin?.write('go\n');
    await until('both ends', () => lines.length > 1 && answers.length > before, 60_000);
    return [lines[1] ?? '', answers[before] ?? ''];
  };
  const enter = (before: number): Promise<void> =>
    until('the connection to enter', () => count('entered') > before);

  for (const [name, plan] of [
    ['messages of all sizes both ways', { up: 64 << 20, down: 64 << 20 }],
    ['bulk one way', { up: 256 << 20, down: 0, least: 65_536, most: 262_144 }],
    ['bulk the other way', { up: 0, down: 256 << 20, least: 65_536, most: 262_144 }],
    ['small messages', { up: 4 << 20, down: 4 << 20, least: 1, most: 200 }],
    ['a million single bytes', { up: 1_000_000, down: 1_000_000, least: 1, most: 1 }],
    ['small socket buffers', { up: 16 << 20, down: 16 << 20, buffer: 4096 }],
    ['corked sockets', { up: 16 << 20, down: 16 << 20, most: 20_000, cork: true }],
    ['edge-triggered readers that stop at a short read', { up: 32 << 20, down: 32 << 20, edge: true }],
    ['the same with small messages', { up: 4 << 20, down: 4 << 20, most: 300, edge: true }],
    ['the same one way', { up: 64 << 20, down: 0, edge: true }],
    ['a reader that stalls', { up: 128 << 20, down: 1 << 20, pause: 3000 }],
    ['a sender that signals interrupt', { up: 32 << 20, down: 32 << 20, signals: true }],
    ['sendfile', { up: 32 << 20, down: 32 << 20, file: true }],
    ['zero-copy sends', { up: 32 << 20, down: 32 << 20, zero: true }],
    ['zero-copy sends of a socket that comes to allow them', { up: 32 << 20, down: 32 << 20, zero: 'late' }],
    ['urgent bytes, taken in line', { up: 8 << 20, down: 8 << 20, most: 3000, urgent: true }],
  ] as const) {
    test(`${name}: every byte comes, in order, some past TCP`, async () => {
      const entered = count('entered');
      const redirected = count('redirected');
      const connection = await open(plan);
      await enter(entered);
      assert.deepEqual(await finish(connection), ['ok', 'ok']);
      assert.ok(count('redirected') > redirected, JSON.stringify(readBoostCounts(scene.datapath.maps)));
    });
  }

  test('an edge-triggered reader is told of what lies in the other queue, and no other byte follows', async () => {
    const port = String(PORT + 2);
    const stdio: StdioOptions = ['pipe', 'pipe', 'inherit'];
    const reading = scene.lab.start(server, scene.inside(['python3', '-c', lonelyReader, port]), { stdio });
    const read = linesOf(reading);
    await listening(scene.lab, server, PORT + 2);
    const before = { entered: count('entered'), small: count('many-small'), reminded: count('reminded') };
    const command = scene.inside(['python3', '-c', lonelyWriter, server.address4, port]);
    const writing = scene.lab.start(client, command, { stdio });
    await enter(before.entered);
    writing.stdin?.write('go\n');
    await until('messages in both queues', () => count('many-small') > before.small);
    await new Promise((resolve) => setTimeout(resolve, 500)); // for the rest of them
    reading.stdin?.write('go\n');
    await until('the reader', () => read.length > 0);
    assert.equal(read[0], '2000');
    assert.ok(count('reminded') > before.reminded);
    writing.stdin?.end();
  });

  for (const [name, address] of [
    ['IPv6', () => server.address6],
    ['IPv4 from an IPv6 socket', () => `::ffff:${server.address4}`],
  ] as const) {
    test(`${name}: boosted alike`, async () => {
      const entered = count('entered');
      const connection = await open({}, address());
      await enter(entered);
      assert.deepEqual(await finish(connection), ['ok', 'ok']);
    });
  }

  for (const [outcome, plan, port] of [
    ['blocking', { blocking: true }, PORT],
    ['zerocopy', { zerocopy: true }, PORT],
    ['low-water', { lowat: 2 }, PORT],
    ['unknown-waiter', { aio: true }, PORT],
    ['socket-taken', { taken: true }, PORT],
    ['splice', { splice: 'server' }, PORT + 1],
    ['splice', { splice: 'client' }, PORT],
  ] as const) {
    test(`an end that can't bear it (${JSON.stringify(plan)}) stays on TCP, with the reason`, async () => {
      const before = { entered: count('entered'), refused: count(outcome) };
      const connection = await open(plan, server.address4, port);
      await until('the refusal', () => count(outcome) > before.refused);
      assert.deepEqual(await finish(connection), ['ok', 'ok']);
      assert.equal(count('entered'), before.entered);
    });
  }

  test('Multipath TCP from before its pod was governed stays on TCP, with the reason', async () => {
    scene.govern([]);
    const plan = { seed: 1, up: 1 << 20, down: 1 << 20, least: 1, most: 100_000, multipath: true };
    const { child, lines } = start(client, [
      'connect',
      server.address4,
      String(PORT + 3),
      JSON.stringify(plan),
    ]);
    await until('the socket', () => lines.length > 0);
    govern(true);
    await until('boost', () => scene.datapath.boost.active);
    const before = { entered: count('entered'), refused: count('multipath') };
    child.stdin?.write('connect\n');
    await until('the refusal', () => count('multipath') > before.refused);
    child.stdin?.write('go\n');
    await until('both ends', () => lines.length > 2 && multipath.length > 0);
    assert.deepEqual([lines[2], multipath[0]], ['ok', 'ok']);
    assert.equal(count('entered'), before.entered);
  });

  test('an end that begins to read with splice while it is boosted is reset, unless nothing waits', async () => {
    const before = { entered: count('entered'), stuck: count('splice-stuck') };
    const connection = await open({ splice: 'late server', down: 0, up: 256 << 20 });
    await enter(before.entered);
    const ends = await finish(connection);
    if (count('splice-stuck') === before.stuck) assert.deepEqual(ends, ['ok', 'ok']);
    else for (const end of ends) assert.match(end, /^(Connection\w+|BrokenPipe)Error$/);
    assert.ok(count('splice') > 0);
    const entered = count('entered');
    assert.deepEqual(await finish(await open({})), ['ok', 'ok']);
    assert.equal(count('entered'), entered); // its workload is known by now
  });

  test('one end that does not ask for it: no boost', async () => {
    scene.govern([
      { host: client, egress: [{ peer: server, port: PORT, action: 'allow' }], boost: true },
      { host: server, ingress: [{ peer: client, port: PORT, action: 'allow' }] },
    ]);
    const { redirected, entered } = readBoostCounts(scene.datapath.maps);
    const connection = await open({});
    for (let look = 0; look < 3; look += 1) scene.datapath.boost.walk();
    assert.deepEqual(await finish(connection), ['ok', 'ok']);
    assert.equal(count('redirected'), redirected);
    assert.equal(count('entered'), entered);
  });

  test('opted out, and in again, under load: connections leave and lose nothing', async () => {
    const before = { entered: count('entered'), left: count('left') };
    const connections = await Promise.all(
      [1, 2, 3, 4].map(() => open({ up: 48 << 20, down: 48 << 20, most: 30_000 })),
    );
    await until('them to enter', () => count('entered') >= before.entered + 4);
    const ends = connections.map((connection) => finish(connection));
    for (let round = 0; round < 4; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      govern(round % 2 === 1);
    }
    for (const end of await Promise.all(ends)) assert.deepEqual(end, ['ok', 'ok']);
    assert.ok(count('left') >= before.left + 4);
    await until('the sockets to go', () => sockets() === 0);
  });

  const sockets = (): number => {
    using map = scene.native.BpfMap.openPinned(`${scene.datapath.layout.maps}/boost_sockets`);
    return map.dump().count;
  };

  test('the agent goes and another comes, under load', async () => {
    const entered = count('entered');
    const connection = await open({ up: 128 << 20, down: 128 << 20 });
    await enter(entered);
    const end = finish(connection);
    scene.datapath.close();
    scene.replace(scene.load());
    govern(true);
    assert.deepEqual(await end, ['ok', 'ok']);
    const { boost_pairs: pairs } = scene.datapath.maps;
    await until('the pair and its sockets to go', () => pairs.dump().count === 0 && sockets() === 0);
  });

  test('taken off the host under load: connections go on over TCP', async () => {
    const entered = count('entered');
    const connection = await open({ up: 128 << 20, down: 128 << 20 });
    await enter(entered);
    const end = finish(connection);
    scene.datapath.close();
    removeDatapath(scene.native, scene.pinRoot);
    assert.deepEqual(await end, ['ok', 'ok']);
    scene.replace(scene.load());
  });

  test('a boosted connection that policy comes to forbid is closed', async () => {
    const entered = count('entered');
    const connection = await open({});
    await enter(entered);
    scene.govern([
      { host: client, egress: [{ peer: server, port: PORT, action: 'deny' }], boost: true },
      { host: server, boost: true },
    ]);
    scene.datapath.sweep('first');
    assert.match((await finish(connection))[0] ?? '', /^Connection\w+Error$/);
  });

  test('a boosted socket that is disconnected gets no other peer', () => {
    const before = scene.drops('boost-reconnect');
    const program = `
import socket,time,sys
s=socket.socket(); s.connect((sys.argv[1],${PORT})); s.setblocking(False)
import json; s.sendall(json.dumps(dict(seed=1,up=0,down=0,least=1,most=1)).ljust(1000).encode())
time.sleep(.1); s.recv(1); time.sleep(2)
import ctypes; ctypes.CDLL(None).connect(s.fileno(),b'\\0'*16,16); s.setblocking(True)
try: s.connect((sys.argv[1],${PORT})); print('connected')
except OSError as e: print(type(e).__name__)
`;
    const run = scene.lab.start(client, scene.inside(['python3', '-c', program, server.address4]), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = linesOf(run);
    return until('the end', () => lines.length > 0).then(() => {
      assert.equal(lines[0], 'PermissionError');
      assert.equal(scene.drops('boost-reconnect'), before + 1);
    });
  });

  test('its close record counts what passed TCP by', async () => {
    const entered = count('entered');
    const connection = await open({ up: 1 << 20, down: 2 << 20, most: 5000 });
    await enter(entered);
    scene.records();
    assert.deepEqual(await finish(connection), ['ok', 'ok']);
    const kind = 2; // FLOW_CLOSE
    await until('the record', () => {
      const record = scene.records().find((found) => found.kind === kind);
      if (record === undefined) return false;
      assert.equal(Number(record.bytesSent), (1 << 20) + 1001);
      assert.equal(Number(record.bytesReceived), (2 << 20) + 1);
      return true;
    });
  });
});
