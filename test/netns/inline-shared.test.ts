// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { listeningServer } from '../support/raw-tcp.ts';
import { sharedSender } from '../support/shared-pages.ts';
import { workloadsYaml } from '../support/web-scene.ts';

const RULED = 8080;
const OPEN = 8081;

const policyYaml = `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: server, namespace: shop}
spec:
  selector: {matchLabels: {app: server}}
  ingress:
  - name: requests
    action: Allow
    to: [{port: ${String(RULED)}}]
    http: [{methods: [GET, POST], path: {type: PathPrefix, value: /good}}]
  - name: open
    action: Allow
    to: [{port: ${String(OPEN)}}]
`;

describe('bytes that their sender can still change', () => {
  let node: NodeScene;
  let server: LabHost;
  let stranger: LabHost;
  let member: LabHost;
  let serving: ChildProcess;

  before(async () => {
    node = new NodeScene('shared', { inline: 'auto' });
    server = node.lab.host('server');
    stranger = node.lab.host('stranger');
    member = node.lab.host('member');
    node.write('workloads.yaml', workloadsYaml(server, member));
    node.write('policy.yaml', policyYaml);
    await node.startAgent();
    const ports = [String(RULED), String(OPEN)];
    serving = node.startIn(server, ['python3', '-c', listeningServer, join(node.run, 'log'), ...ports]);
    await listening(node.lab, server, OPEN);
  });
  after(() => node.destroy());

  /** What has been read so far, and how connections ended. */
  const read = (): string[] => readFileSync(join(node.run, 'log'), 'utf8').split('\n').slice(0, -1);
  /** What a server reads that sleeps while the client sends and changes its mind. */
  const readOf = async (
    client: LabHost,
    port: number,
    way: string,
    enough = / (end|E[A-Z]+)$/,
  ): Promise<string> => {
    const before = read().length;
    serving.kill('SIGSTOP');
    const command = ['python3', '-c', sharedSender, server.address4, String(port), way];
    const result = node.runIn(client, command);
    serving.kill('SIGCONT');
    assert.equal(result.stdout.trim(), 'changed', result.stderr);
    await until('what the server says', () => enough.test(read().slice(before).join()));
    const pieces = read()
      .slice(before)
      .map((line) => /(?<= )([0-9a-f]{2})+$/.exec(line)?.[0] ?? '');
    return Buffer.from(pieces.join(''), 'hex').toString('latin1');
  };

  for (const [name, way] of [
    ['from its own pages', 'vmsplice'],
    ['from a file', 'sendfile'],
    ['from a file through a pipe', 'splice'],
    ['behind bytes that TCP sends again with them', 'collapse'],
    ['with MSG_ZEROCOPY', 'zerocopy'],
  ] as const) {
    test(`a request is not changed after it was judged: sent ${name}`, async () => {
      // What comes over MSG_ZEROCOPY is copied when it is received.
      if (way !== 'zerocopy')
        assert.match(await readOf(stranger, OPEN, way), /evil/, 'it works where no policy is');
      assert.doesNotMatch(await readOf(stranger, RULED, way), /evil/);
    });
  }

  test('a body may be sent from a file', async () => {
    assert.match(await readOf(stranger, RULED, 'body'), /^POST \/good [^]*\r\n\r\n.{10000}$/);
  });

  test('the proxy judges copies for an enrolled client that was refused for it', async () => {
    assert.equal(await readOf(member, RULED, 'vmsplice'), '');
    // Its connection stays open: the server owes an answer.
    assert.match(await readOf(member, RULED, 'vmsplice', /0d0a0d0a/), /^GET \/good /);
    const flows = node.perigee('observe', '--socket', node.socket, '--last', '50', '--output', 'json');
    assert.match(flows, /"segment-shared"/);
  });
});
