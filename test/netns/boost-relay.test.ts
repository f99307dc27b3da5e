// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { readBoostCounts } from '../../src/datapath/boost/counts.ts';
import { streamPeer } from '../support/boost-programs.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';

/** A relay in Go (test/support/go). */
const peer = join(import.meta.dirname, '../../build/test-go/peer');
const PORT = 9000;

describe('boost asked for by a relay in Go, which reads and writes with splice', () => {
  let scene: KernelScene;
  let client: LabHost;
  let relay: LabHost;
  let server: LabHost;
  let served: readonly string[];

  before(async () => {
    scene = new KernelScene('brelay');
    [client, relay, server] = [scene.lab.host('client'), scene.lab.host('relay'), scene.lab.host('server')];
    served = python(server, 'serve', String(PORT)).lines;
    const command = [peer, 'relay', `:${String(PORT)},${server.address4}:${String(PORT)}`];
    scene.lab.start(relay, scene.inside(command));
    for (const host of [relay, server]) await listening(scene.lab, host, PORT);
    const to = (host: LabHost) => ({ peer: host, port: PORT, action: 'allow' }) as const;
    scene.govern([
      { host: client, egress: [to(relay)], boost: true },
      { host: relay, ingress: [to(client)], egress: [to(server)], boost: true },
      { host: server, ingress: [to(relay)], boost: true },
    ]);
    await until('boost', () => scene.datapath.boost.active);
  });
  after(() => scene.destroy());

  const python = (host: LabHost, ...args: string[]) => {
    const command = scene.inside(['python3', '-c', streamPeer, ...args]);
    const child = scene.lab.start(host, command, { stdio: ['pipe', 'pipe', 'inherit'] });
    return { child, lines: linesOf(child) };
  };

  for (const [what, plan] of [
    ['bulk both ways', { up: 64 << 20, down: 64 << 20, least: 1, most: 200_000 }],
    ['small messages', { up: 1 << 20, down: 1 << 20, least: 1, most: 300 }],
  ] as const) {
    test(`${what}: every byte comes, as to a client and as to a server, and splice is named`, async () => {
      const before = served.length;
      const whole = JSON.stringify({ seed: 7, ...plan });
      const { child, lines } = python(client, 'connect', relay.address4, String(PORT), whole);
      await until('the connection', () => lines.length > 0);
      await new Promise((resolve) => setTimeout(resolve, 600)); // as long as others take to enter
      child.stdin?.write('go\n');
      await until('both ends', () => lines.length > 1 && served.length > before, 60_000);
      assert.deepEqual([lines[1], served[before]], ['ok', 'ok']);
      const counts = readBoostCounts(scene.datapath.maps);
      assert.ok(counts.splice > 0, JSON.stringify(counts));
      assert.equal(counts['splice-stuck'], 0);
      assert.equal(counts.redirected, 0);
    });
  }
});
