// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { type Refusal, refusal } from '../../src/core/abi/http.ts';
import { reason } from '../../src/core/abi/reason.ts';
import { addressBytes } from '../../src/core/identity/wire-address.ts';
import { RefusalAnswerer } from '../../src/datapath/inline/refusal-answers.ts';
import type { BpfMap, Native } from '../../src/datapath/native.ts';

const FLOOD = 5000;

function refusalOf(workload: number, cookie: number): Refusal {
  const address = addressBytes({ family: 4, bits: BigInt(0x0a4d0000 + workload) });
  return {
    ...{ reference: 1n, cookie: BigInt(cookie), netns: 1n, time: 0n, remote: address, local: address },
    ...{ sequence: 1, acknowledge: 1, workload, remotePort: 40000, localPort: 8080 },
    ...{ reason: reason['http-denied'], rejected: 0, family: 4, answer: 1, headMethod: 0 },
  };
}

/** An answerer over a ring that is memory; what it closes, by workload, in order. */
function scene(): {
  ring: (refusals: readonly Refusal[]) => void;
  answerer: RefusalAnswerer;
  closed: number[];
  kept: Map<bigint, Refusal>;
} {
  const closed: number[] = [];
  const kept = new Map<bigint, Refusal>();
  const ears: ((map: number, bytes: Buffer, offsets: Uint32Array) => void)[] = [];
  const refused = {
    dump: () => ({
      keys: Buffer.alloc(0),
      values: Buffer.concat([...kept.values()].map((one) => refusal.encode(one))),
      count: kept.size,
    }),
    delete: (key: Buffer) => kept.delete(key.readBigUInt64LE()),
  } as unknown as BpfMap;
  const native = {
    RingBuffer: class {
      constructor(_: unknown, ear: (typeof ears)[number]) {
        ears.push(ear);
      }
      consume = (): number => 0;
      close = (): void => undefined;
    },
    sockets: { openRaw: () => 3, sendRaw: () => undefined, close: () => undefined },
    diag: {
      destroy: (_: number, { source }: { source: { address: string } }) =>
        void closed.push(Number(source.address.split('.')[3])),
    },
  } as unknown as Native;
  const grants = { update: () => undefined, delete: () => undefined } as unknown as BpfMap;
  const answerer = new RefusalAnswerer({
    native,
    maps: { refused, socket_grants: grants },
    netnsFd: () => 5,
  });
  answerer.start({} as BpfMap);
  const ring = (refusals: readonly Refusal[]): void => {
    for (const one of refusals) kept.set(one.cookie, one);
    const bytes = Buffer.concat(refusals.map((one) => refusal.encode(one)));
    ears[0]?.(
      0,
      bytes,
      Uint32Array.from({ length: refusals.length + 1 }, (_, index) => index * refusal.size),
    );
  };
  return { ring, answerer, closed, kept };
}

describe('answers to refused requests', () => {
  test('a flood of one workload leaves the others their turn', async () => {
    const { ring, answerer, closed } = scene();
    ring(Array.from({ length: FLOOD }, (_, index) => refusalOf(7, index + 1)));
    assert.ok(closed.length < 100, 'the ring is read again soon');
    ring([refusalOf(8, 9001), refusalOf(9, 9002), refusalOf(8, 9003)]);
    await turn();
    assert.deepEqual(
      [closed.indexOf(8) < 150, closed.indexOf(9) < 150, closed.filter((one) => one === 8).length],
      [true, true, 2],
    );
    answerer.close();
  });

  test('what the line has no room for is swept, what waits is not', async () => {
    const { ring, answerer, closed, kept } = scene();
    ring(Array.from({ length: FLOOD }, (_, index) => refusalOf(7, index + 1)));
    assert.equal(answerer.takeOverflow(), true);
    assert.equal(answerer.takeOverflow(), false);
    answerer.sweep();
    const swept = closed.length;
    assert.ok(swept > 500 && swept < 1200, String(swept));
    const answered = (): number => answerer.outcomes.answered;
    assert.equal(answered(), 64);
    while (kept.size > 0) await turn();
    assert.equal(closed.length, FLOOD);
    assert.equal(answerer.outcomes.failed, 0);
    assert.ok(answered() >= 1000);
    answerer.close();
  });
});
