// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { workloadsYaml } from '../support/web-scene.ts';

/** A client and a server in Go (test/support/go). */
const peer = join(import.meta.dirname, '../../build/test-go/peer');

/** SO_PROTOCOL of a listener. */
const TCP = 6;
const MULTIPATH = 262;

const policy = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: items
    action: Allow
    to: [{port: 8080}, {port: 8081}]
    http: [{methods: [GET, POST], path: {type: PathPrefix, value: /items}}]
  - name: plain
    action: Allow
    to: [{port: 9000}]
`;

describe('programs in Go', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let remote: LabHost;

  before(async () => {
    node = new NodeScene('go1');
    web = node.lab.host('web');
    api = node.lab.host('api');
    remote = node.lab.host('remote');
    // Before anything is governed: Go's listeners are Multipath TCP then.
    for (const port of [8081, 9000, 9001]) assert.equal(await serve(port), MULTIPATH);
    node.write('workloads.yaml', workloadsYaml(web, api));
    node.write('policy.yaml', policy);
    await node.startAgent();
    await node.settled();
  });
  after(() => node.destroy());

  /** Starts a server; the protocol that Go has chosen for its listener. */
  const serve = async (port: number): Promise<number> => {
    const command = node.inside([peer, 'serve', `:${String(port)}`]);
    const lines = linesOf(node.lab.start(api, command, { stdio: ['ignore', 'pipe', 'inherit'] }));
    await listening(node.lab, api, port);
    await until('the server to name its protocol', () => lines.length === 1);
    return Number(lines[0]?.split(' ')[1]);
  };
  const run = (from: LabHost, setting: string, ...command: string[]): string => {
    const { stdout, stderr } = node.runIn(from, ['env', `GODEBUG=${setting}`, peer, ...command]);
    return (stdout + stderr).trim();
  };
  const at = (address: string, port: number): string =>
    `${address.includes(':') ? `[${address}]` : address}:${String(port)}`;
  const everyWay = (check: (from: LabHost, address: string, own: string) => void): void => {
    for (const from of [web, remote]) {
      check(from, api.address4, from.address4);
      check(from, api.address6, from.address6);
    }
  };

  test('a governed server falls back from Multipath TCP to TCP by itself', async () => {
    assert.equal(await serve(8080), TCP);
  });

  for (const port of [8080, 8081]) {
    const listener = port === 8080 ? 'TCP' : 'Multipath TCP, from before it was governed';
    test(`a client with four kept connections gets every answer and every refusal (listener: ${listener})`, () => {
      everyWay((from, address, own) => {
        assert.equal(
          run(from, '', 'ask', `http://${at(address, port)}`),
          `wrong 0 refused 16 continued 15 connections 4 clients [${own}]`,
        );
      });
    });
  }

  test('a client that asks for Multipath TCP is judged like any other', () => {
    const dial = (from: LabHost, address: string, port: number): string =>
      run(from, 'multipathtcp=1', 'dial', at(address, port));
    everyWay((from, address) => {
      assert.match(dial(from, address, 9000), /^multipath (true|false)$/);
      const refusal = from === web ? /operation not permitted$/ : /connection refused$/;
      assert.match(dial(from, address, 9001), refusal);
    });
    // The governed one has no Multipath TCP to begin with.
    assert.equal(dial(web, api.address4, 9000), 'multipath false');
  });
});
