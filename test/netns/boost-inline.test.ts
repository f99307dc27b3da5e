// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { BoostCounts } from '../../src/datapath/boost/counts.ts';
import { readRequestCounts } from '../../src/datapath/request-counts.ts';
import {
  changingCaller,
  echoClient,
  echoServer,
  lingeringCaller,
  refusalServer,
} from '../support/boost-programs.ts';
import { type LabHost, linesOf, listening, until } from '../support/lab.ts';
import { NodeScene } from '../support/node-scene.ts';
import { boostedYaml } from '../support/web-scene.ts';

const ECHO = 8080;
const WATCHED = 8081;
const perigee = join(import.meta.dirname, '../../bin/perigee');
const peer = join(import.meta.dirname, '../../build/test-go/peer');

const policyYaml = (paths: readonly string[]): string => `apiVersion: perigee.dev/v1alpha1
kind: AccessPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  ingress:
  - name: requests
    action: Allow
    to: [{port: ${String(ECHO)}}, {port: ${String(WATCHED)}}]
    http: [${paths.map((path) => `{methods: [GET, POST], path: {type: PathPrefix, value: ${path}}}`).join(', ')}]
`;

describe('boost of requests that the kernel judges', () => {
  let node: NodeScene;
  let web: LabHost;
  let api: LabHost;
  let watcher: ChildProcess;
  let watched: readonly string[];

  before(async () => {
    node = new NodeScene('boosti', { inline: 'auto' });
    web = node.lab.host('web');
    api = node.lab.host('api');
    node.startIn(api, [process.execPath, '-e', echoServer(ECHO)]);
    const command = node.inside([process.execPath, '-e', refusalServer(WATCHED)]);
    watcher = node.lab.start(api, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    watched = linesOf(watcher);
    for (const port of [ECHO, WATCHED]) await listening(node.lab, api, port);
    ask(web, api);
    node.write('policy.yaml', policyYaml(['/echo', '/good']));
    // Room for every record of a client that is as fast as the machine.
    await node.startAgent('--flow-store-bytes', String(32 << 20));
    await node.settled();
  });
  after(() => node.destroy());

  const ask = (...hosts: LabHost[]): void => {
    node.write('workloads.yaml', boostedYaml(hosts, [web, api]));
  };
  /** Changes files, and waits until that is in force. */
  const change = async (write: () => void): Promise<void> => {
    const revision = node.status()?.config.revision ?? 0;
    write();
    await node.settled(revision + 1);
  };
  const counts = (): BoostCounts => node.boostCounts();
  const start = (command: readonly string[]): readonly string[] =>
    linesOf(node.lab.start(web, node.inside(command), { stdio: ['ignore', 'pipe', 'inherit'] }));
  /** Of the last 100,000, which are too many to read at once. */
  const records = (...filters: string[]): number => {
    const options = ['--socket', node.socket, '--last', '100000', '--output', 'json', ...filters];
    return Number(execFileSync('sh', ['-c', '"$@" | wc -l', 'sh', perigee, 'observe', ...options]));
  };
  /** Requests that the kernel allowed and saw answered; records of them may be on their way. */
  const answered = (): number => {
    using request_counts = node.pinnedMap('request_counts');
    const ok = readRequestCounts({ request_counts }).filter(({ status }) => status === 200);
    return ok.reduce((sum, { count }) => sum + count, 0);
  };
  const talk = async (): Promise<{ entered: number; redirected: number; same: number }> => {
    const before = counts();
    const lines = start([process.execPath, '-e', echoClient(ECHO), api.address4]);
    await until('the client to end', () => lines.length > 0, 60_000);
    const found = JSON.parse(lines[0] ?? '') as Record<'same' | 'other' | 'refused', number>;
    assert.equal(found.other, 0);
    assert.ok(found.same > 50 && found.refused > 0, JSON.stringify(found));
    const now = counts();
    const entered = now.entered - before.entered;
    return { entered, redirected: now.redirected - before.redirected, same: found.same };
  };

  test('each body comes as it was, what policy refuses is refused, and every request has its record', async () => {
    const { entered, redirected, same } = await talk();
    assert.ok(entered >= 1, `${String(entered)} connections entered`);
    assert.ok(redirected > 1000, `${String(redirected)} messages for ${String(same)} requests`);
    await until('the records', () => records('--path', '/echo', '--verdict', 'allowed') >= same);
    assert.equal(records('--path', '/echo', '--status', '200'), same);
  });

  test('two threads of a client on one connection: no request of theirs lands inside another', async () => {
    const before = counts();
    const lines = start([peer, 'race', `${api.address4}:${String(WATCHED)}`]);
    await until('the race to end', () => lines.length > 0, 60_000);
    // Its connections are reset wherever the whole one got into the other by TCP, and begin anew.
    assert.ok(Number(/turns (\d+)/.exec(lines[0] ?? '')?.[1]) > 20, lines.join());
    const now = counts();
    assert.ok(now.redirected > before.redirected + 20 && now['not-whole'] > before['not-whole'] + 20);
    assert.deepEqual(watched, []);
  });

  test('a request that may still be on its way past TCP holds back what follows by TCP', async () => {
    using streams = node.pinnedMap('boosted_streams');
    const { entered } = counts();
    const command = ['python3', '-c', lingeringCaller, api.address4, String(WATCHED)];
    const client = node.lab.start(web, node.inside(command), { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesOf(client);
    await until('the connection to enter', () => counts().entered > entered);
    client.stdin?.write('stop\n');
    await until('the client to stop', () => lines.length === 1);
    // As its sender leaves it between the verdict and the insertion, and is not seen to return.
    const { keys, values, count } = streams.dump();
    const size = values.length / count;
    for (let index = 0; index < count; index += 1) {
      const stream = Buffer.from(values.subarray(index * size, (index + 1) * size));
      stream.writeUInt32LE(0xffffffff, size - 8); // `inserting`
      streams.update(keys.subarray(index * 8, index * 8 + 8), stream);
    }
    const dropped = node.drops('segment-contended');
    client.stdin?.write('go\n');
    await until('the head to be held back', () => node.drops('segment-contended') > dropped);
    await until('the answer', () => lines.length === 3);
    assert.ok(Number(lines[2]) >= 850, `answered after ${lines[2] ?? ''} ms`);
  });

  test('what passes TCP by is a copy: its sender cannot change it after it was judged', async () => {
    const { entered } = counts();
    const command = ['python3', '-c', changingCaller, api.address4, String(WATCHED)];
    const client = node.lab.start(web, node.inside(command), { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = linesOf(client);
    const say = async (line: string, enough: number): Promise<void> => {
      client.stdin?.write(`${line}\n`);
      await until(line, () => lines.length === enough);
    };
    await until('the connection to enter', () => counts().entered > entered);
    await say('stop', 1);
    const { redirected } = counts();
    watcher.kill('SIGSTOP');
    try {
      await say('send', 2);
      await say('change', 3);
      assert.equal(counts().redirected, redirected + 1);
    } finally {
      watcher.kill('SIGCONT');
    }
    await until('the answer', () => lines.length === 4);
    assert.deepEqual(watched, []);
  });

  test('policy that changes is asked before the next request', async () => {
    const lines = start([process.execPath, '-e', echoClient(ECHO), api.address4]);
    const { entered } = counts();
    await until('the connection to enter', () => counts().entered > entered);
    await change(() => node.write('policy.yaml', policyYaml(['/good'])));
    const before = answered();
    await until('the client to end', () => lines.length > 0);
    assert.ok(answered() <= before + 1); // one was asked before
    assert.ok(records('--path', '/echo', '--verdict', 'denied') > 0);
    await change(() => node.write('policy.yaml', policyYaml(['/echo', '/good'])));
  });

  test('one end alone asks for it: no boost, and the same policy', async () => {
    await change(() => ask(api));
    const { entered, redirected } = await talk();
    assert.deepEqual({ entered, redirected }, { entered: 0, redirected: 0 });
  });
});
