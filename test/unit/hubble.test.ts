// SPDX-License-Identifier: Apache-2.0
// Hubble's own command line client (make build/test-go/hubble) against the flow API.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, suite, test } from 'node:test';
import { type FakeAgent, startFakeAgent } from '../support/fake-agent.ts';
import { batch, record, type RecordFields } from '../support/flow-records.ts';
import { filteredFlows } from '../support/hubble-cases.ts';
import {
  hubbleFlows,
  hubbleProgram as program,
  type Line,
  portsOf as ports,
  runHubble,
} from '../support/hubble-client.ts';

const SECOND = 1_000_000_000n;

const flows = filteredFlows.slice(0, 7);

suite("Hubble's client", () => {
  let agent: FakeAgent;
  let started: bigint;
  const add = (...all: readonly RecordFields[]): void => {
    const { bytes, offsets } = batch(all.map((fields) => record(fields)));
    assert.equal(agent.store.append(bytes, offsets), 0);
  };
  before(async () => {
    agent = await startFakeAgent();
    started = BigInt(Date.now()) * 1_000_000n - 60n * SECOND;
    add(...flows.map((fields, index) => ({ ...fields, time: started + BigInt(index) * SECOND })));
    agent.events.add({ type: 'started', time: started });
  });
  after(() => agent.close());

  const run = (...args: readonly string[]) => runHubble(agent.socketPath, ...args);
  const observe = (...args: readonly string[]) => hubbleFlows(agent.socketPath, ...args);
  const server = (): string[] => ['--server', `unix://${agent.socketPath}`];

  test('lists all flows, with all that it knows of', async () => {
    const lines = await observe();
    assert.deepEqual(ports(lines), [1, 2, 3, 4, 5, 6, 7]);
    const [, request, refused] = lines;
    assert.equal(request?.flow?.Summary, 'HTTP/1.1 200 1ms (GET http://api.shop/orders/7)');
    assert.equal(refused?.flow?.drop_reason_desc, 'POLICY_DENY');
    assert.equal(refused.flow.l7?.http.code, 403);
    assert.equal(refused.flow.source.pod_name, 'web');
  });

  test('gets the fields that it asks for, and no others', async () => {
    const mask = 'l7.http.code,source.pod_name,tunnel';
    const lines = await observe('--field-mask', mask, '--http-status', '403');
    const flow = { source: { pod_name: 'web' }, l7: { http: { code: 403 } } };
    assert.deepEqual(lines, [{ ...lines[0], flow }]);
  });

  test('prints them for people', async () => {
    const { out } = await run('observe', '--all', '--print-policy-names', '--color', 'never');
    const lines = out.split('\n').map((line) => line.replace(/^\w+ \d+ [\d:.]+: /, ''));
    assert.deepEqual(lines, [
      'shop/web:1 (ID:101) -> shop/api:8080 (ID:102) policy-verdict:L3-L4 INGRESS ALLOWED BY api (AccessPolicy) (TCP Flags: SYN)',
      'shop/web:2 (ID:101) -> shop/api:8080 (ID:102) http-response FORWARDED (HTTP/1.1 200 1ms (GET http://api.shop/orders/7))',
      'shop/web:3 (ID:101) -> shop/api:8080 (ID:102) http-request DROPPED (HTTP/1.1 DELETE http://api.shop/admin)',
      'dark/intruder:4 (ID:101) -> shop/api:8080 (ID:102) policy-verdict:L3-L4 INGRESS DENIED BY api (AccessPolicy) (TCP Flags: SYN)',
      '203.0.113.9:5 (world) -> shop/api:8080 (ID:102) policy-verdict:L3-L4 INGRESS ALLOWED BY api (AccessPolicy) (TCP Flags: SYN)',
      'shop/web:6 (ID:101) -> shop/api:8080 (ID:102) to-endpoint FORWARDED (TCP Flags: FIN, ACK)',
      // Its namespace is that of the Service, to this client.
      'shop/web:7 (ID:101) -> default/api:53 (ID:102) policy-verdict:L3-L4 INGRESS AUDITED (UDP)',
      '',
    ]);
  });

  test('finds a flow by its UUID, and flows by time', async () => {
    const [, second] = await observe();
    assert.deepEqual(ports(await observe('--uuid', second?.flow?.uuid ?? '')), [2]);
    const at = (index: bigint): string =>
      new Date(Number((started + index * SECOND) / 1_000_000n)).toISOString();
    assert.deepEqual(ports(await observe('--since', at(2n), '--until', at(3n))), [3, 4]);
  });

  test('is told which filter is malformed', async () => {
    const faults: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [['--http-path', '('], /InvalidArgument.*whitelist\[0\]: http_path: not a regular expression/],
      [
        ['--allowlist', '{"source_port":["web"]}'],
        /InvalidArgument.*whitelist\[0\]: source_port: not a port/,
      ],
      [['--not', '--from-ip', '10.0.0.300'], /blacklist\[0\]: source_ip: not an IP address|invalid/],
      [['--interface', 'eth0'], /InvalidArgument.*interface/],
    ];
    for (const [args, message] of faults) {
      const { err, code } = await run('observe', '--all', ...args);
      assert.notEqual(code, 0);
      assert.match(err, message);
    }
  });

  test('follows: flows as they come, and what was lost, as such', async () => {
    const child = spawn(program, ['observe', '-f', '-o', 'json', '--protocol', 'http', ...server()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      // Flows from before it came are not wanted: some are added until it has one.
      const first = lines.next();
      const timer = setInterval(
        () => add({ sourcePort: 90, method: 'GET', urlPath: '/x' }, { sourcePort: 91 }),
        50,
      );
      const { value } = await first;
      clearInterval(timer);
      assert.equal((JSON.parse(value ?? '') as Line).flow?.l4.TCP?.source_port, 90);
      agent.store.lost('denials', 7);
      for (;;) {
        const next = await lines.next();
        const line = JSON.parse(next.value ?? '') as Line;
        if (line.lost_events === undefined) continue;
        assert.deepEqual(line.lost_events, { source: 'PERF_EVENT_RING_BUFFER', num_events_lost: '7' });
        break;
      }
    } finally {
      child.kill();
    }
  });

  test('shows status, nodes, namespaces and events of the agent', async () => {
    const status = await run('status');
    assert.match(status.out, /Healthcheck.*Ok/);
    assert.match(status.out, /Current\/Max Flows/);
    const nodes = await run('list', 'nodes');
    assert.match(nodes.out, /node-1\s+Connected/);
    const namespaces = await run('list', 'namespaces');
    assert.deepEqual(namespaces.out.split('\n').slice(1, 3), ['dark', 'shop']);
    const events = await run('observe', 'agent-events', '-o', 'json');
    assert.equal((JSON.parse(events.out) as Line).agent_event?.type, 'AGENT_STARTED');
    // It watches until it is stopped.
    const peers = spawn(program, ['watch', 'peers', ...server()], { stdio: ['ignore', 'pipe', 'inherit'] });
    const { value } = await createInterface(peers.stdout)[Symbol.asyncIterator]().next();
    peers.kill();
    assert.match(value ?? '', /PEER_ADDED.*node-1/);
  });

  test('never brings what a client sent to the terminal as it is', async () => {
    const hostile = '/\x1b]0;owned\x07\x1b[2J\x9b31m\u202e<script>\xff"';
    const time = started + 3600n * SECOND;
    add({
      time,
      sourcePort: 80,
      method: 'GET',
      urlPath: Buffer.from(hostile).toString('latin1'),
      host: 'a\x1b[31m\r\nb',
    });
    for (const output of ['compact', 'dict', 'table', 'json']) {
      const { out } = await run('observe', '--last', '1', '-o', output, '--color', 'never');
      assert.match(out, /%1B\[2J/);
      assert.doesNotMatch(out, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
    }
  });

  test('reads what `perigee observe -o jsonpb` has saved', async () => {
    const cli = join(import.meta.dirname, '../../bin/perigee');
    const child = spawn(cli, ['observe', '--first', '4', '-o', 'jsonpb', '--socket', agent.socketPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let saved = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (saved += text));
    await new Promise((resolve) => child.on('close', resolve));
    const args = ['observe', '--input-file', '-', '-o', 'json', '--from-port', '2'];
    const { stdout } = spawnSync(program, args, { input: saved, encoding: 'utf8' });
    assert.equal((JSON.parse(stdout) as Line).flow?.l7?.http.url, 'http://api.shop/orders/7');
  });
});
