// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { renameSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { AgentClient } from '../../src/api/client.ts';
import type { FlowQuery } from '../../src/core/flow-filter.ts';
import { PerigeeError } from '../../src/lib/errors.ts';
import { startFakeAgent } from '../support/fake-agent.ts';
import { batch, record } from '../support/flow-records.ts';

const everything: FlowQuery = { include: [], exclude: [], end: 'newest', follow: false };
const never = new AbortController().signal;

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PerigeeError && error.code === code;
}

test('a group may be given the socket', async () => {
  const agent = await startFakeAgent({ groupId: process.getgid?.() ?? 0 });
  assert.equal(statSync(agent.socketPath).mode & 0o777, 0o660);
  await agent.close();
});

test('a second agent on the same socket is refused, a dead one is replaced', async () => {
  const agent = await startFakeAgent();
  const { socketPath } = agent;
  await assert.rejects(startFakeAgent({ socketPath }), isCode('ERR_SOCKET_IN_USE'));
  const again = await AgentClient.connect(socketPath);
  assert.equal((await again.status()).node, 'node-1');
  again.close();
  await agent.api.close();
  assert.throws(() => statSync(socketPath));
  // What a killed agent leaves: a socket file that nobody listens on.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(`${socketPath}.dead`, resolve));
  renameSync(`${socketPath}.dead`, socketPath);
  await new Promise((resolve) => dead.close(resolve));
  assert.ok(statSync(socketPath).isSocket());
  const next = await startFakeAgent({ socketPath });
  const client = await AgentClient.connect(socketPath);
  assert.equal((await client.status()).node, 'node-1');
  client.close();
  await next.close();
  await agent.close();
});

test('a missing folder of the socket is named', async () => {
  await assert.rejects(
    startFakeAgent({ socketPath: '/nonexistent/agent.sock' }),
    isCode('ERR_SOCKET_FOLDER'),
  );
});

test('closing ends followers at once', async () => {
  const agent = await startFakeAgent();
  const client = await AgentClient.connect(agent.socketPath);
  const ended = (async () => {
    for await (const _ of client.flows({ ...everything, limit: 0, follow: true }, never));
  })();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await agent.close();
  await ended;
  client.close();
});

test('a client that vanishes or does not read harms no other', async () => {
  const agent = await startFakeAgent({ storeBytes: 1 << 22 });
  const [stuck, gone, reader] = await Promise.all([1, 2, 3].map(() => AgentClient.connect(agent.socketPath)));
  assert.ok(stuck !== undefined && gone !== undefined && reader !== undefined);
  const controller = new AbortController();
  const stalled = stuck.flows({ ...everything, limit: 0, follow: true }, controller.signal);
  void stalled.next().catch(() => undefined);
  const leaving = gone.flows({ ...everything, limit: 0, follow: true }, controller.signal);
  void leaving.next().catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 50));
  gone.close();
  const { bytes, offsets } = batch(Array.from({ length: 2000 }, (_, time) => record({ time: BigInt(time) })));
  for (let round = 0; round < 5; round += 1) agent.store.append(bytes, offsets);
  let count = 0;
  for await (const { flow } of reader.flows({ ...everything, limit: 1000 }, never))
    if (flow !== undefined) count += 1;
  assert.equal(count, 1000);
  controller.abort();
  stuck.close();
  reader.close();
  await agent.close();
  assert.deepEqual(agent.warnings, []);
});
