// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import type { Flow } from '../../src/core/flow.ts';
import { createStyle } from '../../src/cli/printers/style.ts';
import { Traffic } from '../../src/cli/top/traffic.ts';
import { topView } from '../../src/cli/top/view.ts';
import { History } from '../../src/cli/ui/history.ts';
import { type FakeAgent, startFakeAgent } from '../support/fake-agent.ts';
import { batch, record, type RecordFields } from '../support/flow-records.ts';

const perigee = join(import.meta.dirname, '../../bin/perigee');

const flow: Flow = {
  time: 1n,
  kind: 'request',
  verdict: 'allowed',
  reason: 'none',
  direction: 'ingress',
  path: 'proxied',
  protocol: 'TCP',
  source: { address: '10.0.0.1', port: 4, identity: 1, namespace: 'shop', workload: 'web' },
  destination: { address: '10.0.0.2', port: 80, identity: 2, namespace: 'shop', workload: 'api' },
  connection: '7',
  duration: 2e6,
  bytesSent: 100,
  bytesReceived: 924,
  rtt: 0,
  retransmits: 0,
  http: { method: 'GET', path: '/', host: 'h', status: 200 },
};
const named = (workload: string): Flow['source'] => ({ ...flow.source, workload });
const options = { node: 'n1', rows: 30, columns: 100, style: createStyle(false), keys: '' } as const;

test('edges are added up over the window, with errors, refusals, latencies and bytes by the second', () => {
  const traffic = new Traffic(2);
  for (let index = 0; index < 98; index += 1) traffic.add(flow);
  traffic.add({ ...flow, duration: 9e6, http: { method: 'GET', path: '/', host: 'h', status: 503 } });
  traffic.add({ ...flow, verdict: 'denied', reason: 'http-denied' });
  traffic.add({ ...flow, source: named('batch'), kind: 'verdict' });
  traffic.add({ ...flow, kind: 'close', bytesSent: 1024, bytesReceived: 101_376 });
  traffic.tick();
  const view = topView(traffic, { ...options, sort: 'requests' });
  assert.deepEqual(view.split('\n'), [
    'n1  last 2 s  2 edges  sorted by requests',
    '',
    'EDGE                   REQ/S  CONN/S  ERRORS  DENIED/S  P50  P99  BYTES',
    'shop/web → shop/api    50     -       1.0%    0.5       2ms  9ms  50KiB/s',
    'shop/batch → shop/api  -      0.5     -       -         -    -    -',
    '',
    'DENIED               COUNT  REASON       RULE',
    'shop/web → shop/api  1      http-denied',
  ]);
  traffic.tick();
  assert.equal(traffic.edges().length, 0, 'the second that they were in has left the window');
});

test('a byte counts once: at the close of its connection, whichever way it went', () => {
  for (const path of ['direct', 'inline', 'proxied'] as const) {
    const close: Flow = { ...flow, kind: 'close', path, bytesSent: 1000, bytesReceived: 24 };
    const flows: readonly Flow[] = [
      { ...close, kind: 'verdict', bytesSent: 0, bytesReceived: 0 },
      { ...flow, path },
      { ...close, kind: 'open' },
      close,
    ];
    const traffic = new Traffic(1);
    const history = new History();
    for (const one of flows) {
      traffic.add(one);
      history.add(one, 0);
    }
    assert.equal(traffic.edges()[0]?.bytes, 1024);
    assert.equal(history.view(60, 0).edges[0]?.bytes, 1024);
  }
});

test('a connection that is open still is no traffic, and takes no room', () => {
  const traffic = new Traffic(1);
  const history = new History();
  for (let index = 0; index < 5000; index += 1) {
    const open: Flow = { ...flow, kind: 'open', verdict: 'denied', source: named(`w${String(index)}`) };
    traffic.add(open);
    history.add(open, 0);
  }
  traffic.add(flow);
  history.add(flow, 0);
  assert.equal(traffic.edges().length, 1);
  assert.deepEqual(traffic.refusals(), []);
  const { edges, refusals } = history.view(60, 0);
  assert.deepEqual(
    edges.map(({ source, paths }) => ({ source, paths })),
    [{ source: 'shop/web', paths: { direct: 0, inline: 0, proxied: 1 } }],
  );
  assert.deepEqual(refusals, []);
});

test('what it is sorted by comes first, within the lines that there are', () => {
  const traffic = new Traffic(5);
  for (let index = 0; index < 40; index += 1)
    for (let count = 0; count <= index; count += 1)
      traffic.add({ ...flow, source: named(`w${String(index)}`) });
  const lines = topView(traffic, { ...options, rows: 12, columns: 20, sort: 'requests' }).split('\n');
  assert.ok(lines.length < 12);
  assert.match(lines[3] ?? '', /^shop\/w39 → shop\/api…$/);
  assert.ok(lines.every((line) => [...line].length <= 20));
});

test('more edges than are told apart share one, and memory stays bounded', () => {
  const traffic = new Traffic(2);
  for (let index = 0; index < 5000; index += 1)
    traffic.add({ ...flow, source: named(`w${String(index)}`), verdict: 'denied', reason: 'http-denied' });
  const edges = traffic.edges();
  assert.equal(edges.length, 501);
  assert.equal(edges.find(({ source }) => source === 'others')?.denied, 4500);
  assert.equal(
    traffic.refusals().reduce((sum, { count }) => sum + count, 0),
    5000,
  );
});

suite('perigee top', () => {
  let agent: FakeAgent;
  let timer: NodeJS.Timeout;
  const hostile: RecordFields = {
    method: 'GET',
    urlPath: '/\x1b]0;owned\x07\x1b[2J\x9b31m\xff',
    host: '\x1b[31mevil',
    verdict: verdict.denied,
    reason: reason['http-no-rule'],
    sourceWorkload: 3,
  };
  before(async () => {
    agent = await startFakeAgent();
    timer = setInterval(() => {
      const { bytes, offsets } = batch([record({ method: 'GET', urlPath: '/a' }), record(hostile)]);
      agent.store.append(bytes, offsets);
    }, 20);
  });
  after(async () => {
    clearInterval(timer);
    await agent.close();
  });

  /** All that a program printed, and how it ended. */
  const output = async (child: ChildProcess): Promise<{ out: string; code: number | null }> => {
    let out = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    return { out, code };
  };

  test('prints so many pictures where there is no terminal, and ends', async () => {
    const args = ['top', '--count', '2', '--socket', agent.socketPath];
    const { out, code } = await output(spawn(perigee, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    assert.equal(code, 0);
    assert.equal(out.match(/^node-1 {2}last \d s {2}2 edges/gm)?.length, 2);
    assert.match(out, /^dark\/intruder → shop\/api +\d+ +http-no-rule/m);
  });

  test('draws on a terminal, takes keys, and brings nothing of what clients sent to it raw', async () => {
    const command = `stty rows 40 cols 120; ${perigee} top --socket ${agent.socketPath}`;
    const child = spawn('script', ['-qfec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let seen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const before = seen;
      seen += chunk.toString('latin1');
      if (!before.includes('sorted by requests') && seen.includes('sorted by requests'))
        child.stdin.write('s');
      if (!before.includes('sorted by connections') && seen.includes('sorted by connections'))
        child.stdin.write('q');
    });
    const { code } = await output(child);
    assert.equal(code, 0);
    assert.ok(seen.includes('s: sort  q: quit'));
    assert.ok(!/owned|evil|\x07|\x1b\]|\x9b31m/.test(seen));
  });

  test('observe brings nothing of it to a terminal raw either, in any format', async () => {
    for (const format of ['table', 'wide', 'json', 'jsonpb', 'yaml']) {
      const command = `${perigee} observe --last 5 -o ${format} --socket ${agent.socketPath}`;
      const child = spawn('script', ['-qfec', command, '/dev/null'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const { out, code } = await output(child);
      assert.equal(code, 0);
      assert.match(out, /owned/);
      // Colours are ours: nothing else may begin an escape sequence.
      const rest = out.replace(/\x1b\[\d*(;\d+)*m/g, '');
      assert.doesNotMatch(rest, /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]/);
      assert.ok(!out.includes('\x1b[31mevil') && !out.includes('\x1b[2J'));
    }
  });
});
