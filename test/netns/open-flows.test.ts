// SPDX-License-Identifier: Apache-2.0
// Connections that stay open, on each path: what their flows say before they end.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { type LabHost, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import {
  PLAIN,
  RULED,
  boostedYaml,
  serverPolicyYaml,
  startNginx,
  workloadsYaml,
} from '../support/web-scene.ts';

const ECHO = 9001;

/** A client's rules on requests need the proxy. */
const proxiedClient = (client: LabHost): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: ${client.name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${client.name}}}
  egress:
  - name: reads
    action: Allow
    to: [{port: ${String(RULED)}}]
    http: [{methods: [GET]}]
`;

/** Sends a request for each line of its input, and says how many bytes have gone each way. */
const client = `
const [address, port] = process.argv.slice(1);
const request = 'GET /open HTTP/1.1\\r\\nHost: api\\r\\n\\r\\n';
let sent = 0, received = 0;
const socket = require('node:net').connect(Number(port), address);
socket.on('data', (bytes) => {
  received += bytes.length;
  console.log(sent + ' ' + received);
});
process.stdin.on('data', () => { sent += request.length; socket.write(request); });
process.stdin.on('end', () => socket.end());
`;
const echoServer = `require('node:net').createServer((c) => c.on('data', (b) => c.write(b)).on('error', () => {})).listen(${String(ECHO)});`;

interface Open {
  readonly kind: string;
  readonly path: string;
  readonly connection: string;
  readonly duration: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly boostedKib?: number;
  readonly destination: { readonly port: number; readonly workload?: string };
}

describe('a connection that stays open', () => {
  let node: NodeScene;
  const hosts: Record<string, LabHost> = {};
  const host = (name: string): LabHost => hosts[name] ?? assert.fail(name);

  before(async () => {
    node = new NodeScene('openf', { inline: 'auto' });
    for (const name of ['api', 'web', 'careful', 'fast', 'quick', 'plain', 'stranger'])
      hosts[name] = node.lab.host(name);
    for (const name of ['api', 'plain']) await startNginx(node, host(name));
    node.startIn(host('quick'), [process.execPath, '-e', echoServer]);
    await listening(node.lab, host('quick'), ECHO);
    const boosted = [host('fast'), host('quick')];
    node.write(
      'workloads.yaml',
      [
        workloadsYaml(host('api'), host('web'), host('careful'), host('plain')),
        boostedYaml(boosted, boosted),
      ].join('---\n'),
    );
    // HTTP/2 is for the proxy alone to read.
    const proxiedServer = serverPolicyYaml(host('plain')).replace('    http:', '    http2: true\n    http:');
    const policies = [serverPolicyYaml(host('api')), proxiedClient(host('careful')), proxiedServer];
    node.write('policy.yaml', policies.join('---\n'));
    await node.startAgent('--open-flows-seconds', '1');
    await node.settled();
  });
  after(() => node.destroy());

  const flowsFrom = (from: string, kind: string): Open[] =>
    node.flows(
      '--all',
      '--kind',
      kind,
      '--from',
      from === 'stranger' ? host(from).address4 : `shop/${from}`,
    ) as Open[];

  /** Has a client exchange once more; what it has sent and received since it began. */
  const exchange = async (child: ChildProcess, said: string[]): Promise<readonly [number, number]> => {
    const before = said.length;
    child.stdin?.write('\n');
    await until('the answer', () => said.length > before);
    // An answer that comes in pieces is said piece by piece.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [sent = 0, received = 0] = (said.at(-1) ?? '').split(' ').map(Number);
    return [sent, received];
  };

  for (const { from, to, port, path } of [
    { from: 'web', to: 'api', port: PLAIN, path: 'direct' },
    { from: 'web', to: 'api', port: RULED, path: 'inline' },
    { from: 'careful', to: 'api', port: RULED, path: 'proxied' },
    { from: 'stranger', to: 'plain', port: RULED, path: 'proxied' },
    { from: 'fast', to: 'quick', port: ECHO, path: 'direct' },
    { from: 'stranger', to: 'api', port: PLAIN, path: 'direct' },
    { from: 'stranger', to: 'api', port: RULED, path: 'inline' },
  ]) {
    test(`says what it has carried so far: ${from} to ${to}:${String(port)}, ${path}`, async () => {
      const command = node.inside([process.execPath, '-e', client, host(to).address4, String(port)]);
      const child = node.lab.start(host(from), command, { stdio: ['pipe', 'pipe', 'inherit'] });
      const said: string[] = [];
      child.stdout?.setEncoding('utf8').on('data', (text: string) => said.push(...text.trim().split('\n')));
      const find = (): Open[] =>
        flowsFrom(from, 'open').filter(({ destination }) => destination.port === port);
      const carried = (bytes: readonly [number, number]): Open | undefined =>
        find().find((flow) => flow.bytesSent === bytes[0] && flow.bytesReceived === bytes[1]);
      const first = await exchange(child, said);
      await until('a record', () => carried(first) !== undefined);
      const second = await exchange(child, said);
      await until('a record of more', () => carried(second) !== undefined);
      const [one, other] = [carried(first), carried(second)];
      assert.equal(one?.connection, other?.connection);
      assert.equal(one?.path, path);
      assert.equal(one.destination.workload, to);
      assert.ok(one.duration >= 1e9);
      assert.ok((other?.duration ?? 0) > one.duration);
      assert.equal(other?.boostedKib !== undefined, from === 'fast');
      child.stdin?.end();
      const closed = (): Open | undefined =>
        flowsFrom(from, 'close').find(({ connection }) => connection === one.connection);
      await until('its end', () => closed() !== undefined);
      assert.deepEqual([closed()?.bytesSent, closed()?.bytesReceived], [...second]);
    });
  }

  test("is found among Hubble's traces, and printed for people", () => {
    const line = node.perigee(
      'observe',
      '--kind',
      'open',
      '--type',
      'trace',
      '--last',
      '1',
      '--socket',
      node.socket,
    );
    assert.match(line, /tcp-open {2}\S+ sent \S+ received .*ALLOWED/);
  });
});
