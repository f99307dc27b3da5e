// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { flowKind, flowPath } from '../../src/core/abi/flow.ts';
import { direction, verdict } from '../../src/core/abi/policy.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { type FakeAgent, startFakeAgent } from '../support/fake-agent.ts';
import { batch, mapped, record } from '../support/flow-records.ts';

/* What a person sees of each command, run as a program. `UPDATE_GOLDEN=1` writes the files anew: read the difference. */

const main = join(import.meta.dirname, '../../src/cli/main.ts');
const folder = join(import.meta.dirname, 'cli');
const START = 1_763_903_101_123_000_000n;

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function perigee(args: readonly string[], socket: string): Promise<Run> {
  const env = { ...process.env, TZ: 'UTC', PERIGEE_SOCKET: socket, NO_COLOR: undefined };
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env, timeout: 20_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
}

function records(): readonly Buffer[] {
  return [
    record({ time: START, duration: 0n }),
    record({ time: START + 1_000_000n, method: 'GET', urlPath: '/orders', host: 'api.shop', rtt: 85 }),
    record({
      time: START + 2_000_000n,
      method: 'DELETE',
      urlPath: '/admin/\x1b]0;owned\x07\xff',
      host: 'api.shop',
      status: 403,
      duration: 45_000n,
      verdict: verdict.denied,
      reason: reason['http-no-rule'],
      reference: 0x1f3a_5c7e_9b2d_4f60n,
      sourceWorkload: 3,
      ingressRule: 0,
    }),
    record({
      time: START + 3_000_000n,
      sourceWorkload: 0,
      sourceIdentity: 2,
      sourceAddress: mapped('203.0.113.9'),
      verdict: verdict.denied,
      reason: reason['policy-no-rule'],
      duration: 0n,
    }),
    record({
      time: START + 4_000_000n,
      kind: flowKind.close,
      path: flowPath.direct,
      direction: direction.egress,
      egressRule: 2,
      ingressRule: 0,
      duration: 12_500_000_000n,
      bytesSent: 1536n,
      bytesReceived: 33_554_432n,
      retransmits: 2,
    }),
    record({
      time: START + 5_000_000n,
      protocol: 17,
      destinationPort: 53,
      verdict: verdict.audited,
      duration: 0n,
    }),
  ];
}

const commands: readonly (readonly [name: string, args: readonly string[], code: number])[] = [
  ['observe-table', ['observe'], 0],
  ['observe-wide', ['observe', '-o', 'wide'], 0],
  ['observe-json', ['observe', '-o', 'json', '--verdict', 'denied'], 0],
  ['observe-jsonpb', ['observe', '-o', 'jsonpb', '--verdict', 'denied'], 0],
  ['observe-yaml', ['observe', '-o', 'yaml', '--reference', '1f3a5c7e9b2d4f60'], 0],
  ['observe-why', ['observe', '--why', '--reference', '1f3a5c7e9b2d4f60'], 0],
  ['observe-why-allowed', ['observe', '--why', '--method', 'GET'], 0],
  ['observe-no-reference', ['observe', '--reference', '1f3a5c7e9b2d4f61'], 1],
  ['observe-bad-flag', ['observe', '--verdict', 'maybe'], 2],
  ['observe-bad-pattern', ['observe', '--path-regex', '('], 2],
  ['observe-unknown-flag', ['observe', '--bogus'], 2],
  ['explain-allowed', ['explain', 'shop/web', 'shop/api', '--port', '8080', '--path', '/orders?q=1'], 0],
  [
    'explain-denied',
    ['explain', 'dark/intruder', 'shop/api', '-p', '8080', '--method', 'DELETE', '--path', '/admin'],
    1,
  ],
  ['explain-json', ['explain', 'shop/web', '10.0.0.2', '-p', '8080', '-H', 'x-tenant: a', '-o', 'json'], 1],
  ['explain-unknown', ['explain', 'no/body', 'shop/api', '--port', '8080'], 2],
  ['explain-usage', ['explain', 'web', 'shop/api', '--port', '8080'], 2],
  ['status', ['status'], 0],
  ['status-wide', ['status', '-o', 'wide'], 0],
  ['status-json', ['status', '-o', 'json'], 0],
  ['check-agent', ['check', '--agent'], 0],
  ['set-log-level', ['set-log-level', 'warn'], 0],
  ['help', ['--help'], 0],
  ['no-command', [], 2],
  ['unknown-command', ['observ'], 2],
];

suite('the command line prints', { concurrency: 2 }, () => {
  let agent: FakeAgent;
  before(async () => {
    agent = await startFakeAgent();
    const { bytes, offsets } = batch(records());
    agent.store.append(bytes, offsets);
  });
  after(() => agent.close());

  for (const [name, args, code] of commands) {
    test(name, async () => {
      const run = await perigee(args, agent.socketPath);
      const text = `$ perigee ${args.join(' ')}\n${run.out}${run.err === '' ? '' : `--- stderr\n${run.err}`}`;
      const stable = text
        .replaceAll(agent.socketPath, '/run/agent.sock')
        .replace(/"rate": [\d.]+|[\d.]+\/s|(?<= {2})up \S+/g, 'VARIES');
      const file = join(folder, `${name}.expected`);
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, stable);
      assert.equal(stable, readFileSync(file, 'utf8'));
      assert.equal(run.code, code);
      assert.doesNotMatch(run.out + run.err, /[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    });
  }

  test('why the agent cannot be reached', async () => {
    const run = await perigee(['status'], '/nonexistent/agent.sock');
    assert.equal(run.code, 2);
    assert.match(run.err, /the agent is not running.*\n {2}on \/nonexistent\/agent\.sock\n {2}→ Start it/);
  });

  test('flows for as long as somebody reads', async () => {
    const { spawn } = await import('node:child_process');
    const child = spawn(process.execPath, [
      main,
      'observe',
      '-f',
      '--last',
      '6',
      '--socket',
      agent.socketPath,
    ]);
    const [first] = (await new Promise<Buffer[]>((resolve) => {
      child.stdout.once('data', (chunk: Buffer) => resolve([chunk]));
    })) as [Buffer];
    assert.match(first.toString(), /shop\/web:41234 → shop\/api:8080/);
    child.stdout.destroy();
    const { bytes, offsets } = batch([record({ time: START }), record({ time: START })]);
    const more = setInterval(() => agent.store.append(bytes, offsets), 20);
    const code = await new Promise((resolve) => child.once('exit', resolve));
    clearInterval(more);
    assert.equal(code, 0);
  });
});
