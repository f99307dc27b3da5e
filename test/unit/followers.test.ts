// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import { observerDefinition } from '../../src/api/definitions.ts';
import type { WireFlowsResponse } from '../../src/api/wire.ts';
import { type FakeAgent, startFakeAgent } from '../support/fake-agent.ts';
import { batch, record } from '../support/flow-records.ts';

/** Flows of one batch, and batches: far more than the store and a connection's buffers hold. */
const BATCH = 200;
const BATCHES = 150;
const TOTAL = BATCH * BATCHES;

function follow(agent: FakeAgent): {
  readonly client: Client;
  readonly stream: NodeJS.ReadableStream & { cancel(): void };
} {
  const definition = observerDefinition()['GetFlows'];
  assert.ok(definition !== undefined);
  const client = new Client(`unix:${agent.socketPath}`, credentials.createInsecure(), {
    // Each a connection of its own, as different programs have.
    'grpc.use_local_subchannel_pool': 1,
  });
  const { path, requestSerialize, responseDeserialize } = definition;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
    follow: true,
    since: { seconds: '0' },
  });
  stream.on('error', () => undefined);
  return { client, stream };
}

/** What a follower got and was told it missed; together everything. */
class Tally {
  flows = 0;
  lost = 0;

  readonly take = ({ flow, lost_events: lost }: WireFlowsResponse): void => {
    if (flow !== undefined) this.flows += 1;
    this.lost += Number(lost?.num_events_lost ?? 0);
  };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = Date.now() + 60_000;
  while (!isSo()) {
    assert.ok(Date.now() < end, what);
    await turn();
  }
}

async function fill(agent: FakeAgent, batches: number): Promise<void> {
  const { bytes, offsets } = batch(
    Array.from({ length: BATCH }, (_, index) =>
      record({ time: BigInt(index + 1), method: 'GET', urlPath: '/x' }),
    ),
  );
  for (let index = 0; index < batches; index += 1) {
    agent.store.append(bytes, offsets);
    await turn();
  }
}

test('a follower that stops reading costs its connection’s buffers, and is told all that it missed', async () => {
  const agent = await startFakeAgent({ storeBytes: 1 << 20 });
  const slow = follow(agent);
  const gone = follow(agent);
  const quick = follow(agent);
  const [slowTally, quickTally] = [new Tally(), new Tally()];
  quick.stream.on('data', quickTally.take);
  slow.stream.pause();
  try {
    await fill(agent, BATCHES);
    gone.stream.cancel();
    await until('the quick one to be done', () => quickTally.flows + quickTally.lost === TOTAL);
    slow.stream.on('data', slowTally.take).resume();
    await until('the slow one to be done', () => slowTally.flows + slowTally.lost === TOTAL);
    // What was queued for it would not be lost: it is the buffers of one connection, not the rest.
    assert.ok(slowTally.lost > TOTAL / 4, String(slowTally.lost));
  } finally {
    for (const { client, stream } of [slow, gone, quick]) {
      stream.cancel();
      client.close();
    }
    await agent.close();
  }
  assert.deepEqual(agent.warnings, []);
});

test('a hundred followers get every flow or are told, and leave nothing behind when they vanish', async () => {
  const agent = await startFakeAgent({ storeBytes: 1 << 20 });
  const followers = Array.from({ length: 100 }, () => ({ ...follow(agent), tally: new Tally() }));
  for (const { stream, tally } of followers) stream.on('data', tally.take);
  try {
    await fill(agent, 1);
    const isDone = (): boolean => followers.every(({ tally }) => tally.flows + tally.lost === BATCH);
    await until('all followers to be done', isDone);
  } finally {
    // Half leave in order, half just go.
    for (const [index, { client, stream }] of followers.entries()) {
      if (index % 2 === 0) stream.cancel();
      client.close();
    }
  }
  // A server that still walked for somebody would not end.
  await agent.close();
  assert.deepEqual(agent.warnings, []);
});
