// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { echoRequest, forger, hearer, rawSender } from '../support/forged.ts';
import { KernelScene } from '../support/kernel-scene.ts';
import { type LabHost, linesOf, until } from '../support/lab.ts';
import { udpClient, udpServer } from '../support/programs.ts';

/** A port that policy refuses, and one that it allows: what arrives there comes after all the rest. */
const REFUSED = 5353;
const OPEN = 5354;

describe('the hooks and packets that nobody would write in earnest', () => {
  let scene: KernelScene;
  let client: LabHost;
  let server: LabHost;
  let stranger: LabHost;
  let heard: readonly string[];

  before(async () => {
    scene = new KernelScene('forged');
    client = scene.lab.host('client');
    server = scene.lab.host('server');
    stranger = scene.lab.host('stranger');
    scene.serve(server, udpServer, '53');
    const command = scene.inside(['python3', '-c', hearer, String(REFUSED), String(OPEN)]);
    heard = linesOf(scene.lab.start(server, command, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await until('the server to hear', () => heard.length === 1);
  });
  after(() => scene.destroy());

  /** Sends each case to the refused port and returns which of them the server has heard. */
  const sendForged = async (
    cases: Readonly<Record<string, readonly [string, string]>>,
  ): Promise<string[]> => {
    const { stdout } = scene.lab.run(server, ['ip', '-j', 'link', 'show', 'eth0']);
    const [link] = JSON.parse(stdout) as { readonly address: string }[];
    const before = heard.length;
    const words = Object.entries(cases).map(
      ([what, [from, to]]) => `${from},${to},${String(REFUSED)},${what}`,
    );
    const last = ['10.77.0.200', 'fd77::200'].map(
      (from, index) => `${from},${index === 0 ? server.address4 : server.address6},${String(OPEN)},last`,
    );
    const sent = scene.python(stranger, forger, 'eth0', link?.address ?? '', ...words, ...last);
    assert.equal(sent, 'sent');
    await until(
      'the last datagrams',
      () => heard.slice(before).filter((line) => line === 'last').length === 2,
    );
    return heard
      .slice(before)
      .filter((line) => line !== 'last')
      .toSorted();
  };

  test('a datagram is let in by nothing in its source address: none, the own one, that of the link', async () => {
    const cases = {
      'none to all': ['0.0.0.0', '255.255.255.255'],
      'none to one': ['0.0.0.0', server.address4],
      'loopback to one': ['127.0.0.1', server.address4],
      'somebody to all': [stranger.address4, '255.255.255.255'],
      'none to one (IPv6)': ['::', server.address6],
      'loopback to one (IPv6)': ['::1', server.address6],
      'own to one (IPv6)': [server.address6, server.address6],
      'link to one (IPv6)': ['fe80::1', server.address6],
      'link to all (IPv6)': ['fe80::1', 'ff02::1'],
    } as const;
    scene.govern([]);
    const open = await sendForged(cases);
    // What the kernel itself throws away proves nothing below.
    for (const what of ['none to all', 'somebody to all', 'own to one (IPv6)', 'link to all (IPv6)']) {
      assert.ok(open.includes(what), `${what} never arrives: ${open.join(', ')}`);
    }
    scene.govern([{ host: server, ingress: [{ protocol: 'UDP', port: OPEN, action: 'allow' }] }]);
    assert.deepEqual(await sendForged(cases), []);
  });

  test('no raw socket is a way around egress policy, whatever it says it carries', () => {
    const send = (how: string, to: string): string =>
      scene.python(client, rawSender, how, to, client.address4);
    const ways = ['tcp', 'udp', 'raw tcp', 'icmp with a tcp header'];
    scene.govern([]);
    for (const how of ways) assert.equal(send(how, server.address4), 'sent', how);
    scene.govern([{ host: client, egress: [] }, { host: server }]);
    for (const how of ways) assert.equal(send(how, server.address4), 'EPERM', how);
    for (const how of ['tcp', 'udp']) assert.equal(send(how, server.address6), 'EPERM', `${how}, IPv6`);
  });

  test('an echo request is nothing that policy speaks of', () => {
    scene.govern([{ host: client, egress: [], ingress: [] }, { host: server }]);
    for (const address of [server.address4, server.address6]) {
      assert.equal(scene.python(client, echoRequest, address), 'answered');
    }
    assert.equal(scene.python(client, udpClient, server.address4, '53', 'unconnected'), 'EPERM');
  });
});
