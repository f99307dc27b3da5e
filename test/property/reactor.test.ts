// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { pattern, ReactorBench, type SeenEvent } from '../support/reactor.ts';

const connections = 6;
const longest = 2_000_000; // several of them exceed what the kernel buffers, so that queues come in

type Step =
  | { readonly op: 'send'; readonly end: number; readonly length: number }
  | { readonly op: 'pause' | 'resume' | 'shutdown' | 'close' | 'reset'; readonly end: number }
  | { readonly op: 'turn' }
  | { readonly op: 'flush' };

const end = fc.nat(2 * connections - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('send' as const),
      end,
      length: fc.integer({ min: 1, max: longest }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constantFrom('pause' as const, 'resume' as const), end }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constantFrom('shutdown' as const, 'close' as const, 'reset' as const),
      end,
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('turn' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('flush' as const) }) },
);

/** One end of a connection whose ends are both in the reactor; each sends the one pattern from its start. */
class End {
  readonly slot: number;
  sent = 0;
  received = 0;
  /** The owner gave it up, or it failed: its peer may miss the rest. */
  isGone = false;
  isFinished = false;
  hasFailed = false;

  constructor(slot: number) {
    this.slot = slot;
  }
}

/** Ends in pairs: 2i talks to 2i + 1. */
async function connectAll(bench: ReactorBench): Promise<End[]> {
  const port = bench.listen();
  const ends: End[] = [];
  for (let i = 0; i < connections; i++) {
    const before = bench.seen.length;
    const near = bench.dial(port);
    const accepted = await bench.until((event) => event.kind === 'accepted', before);
    ends.push(new End(near), new End(accepted.slot));
  }
  await bench.of('connected', (ends[2 * connections - 2] as End).slot);
  return ends;
}

const stream = pattern(1 << 25);

function onEvent(bench: ReactorBench, ends: readonly End[], event: SeenEvent): void {
  const one = ends.find(({ slot }) => slot === event.slot);
  if (one === undefined || one.isGone) return;
  if (event.kind === 'data') {
    const wanted = stream.subarray(one.received, one.received + event.bytes.length);
    assert.ok(event.bytes.equals(wanted), `bytes at ${one.received} differ`);
    one.received += event.bytes.length;
  }
  if (event.kind === 'failed') {
    one.isGone = true;
    one.hasFailed = true;
    assert.equal(bench.reactor.fd(one.slot), -1);
  }
}

async function take(bench: ReactorBench, ends: readonly End[], it: Step): Promise<void> {
  if (it.op === 'turn') return new Promise<void>((resolve) => setImmediate(resolve));
  if (it.op === 'flush') {
    bench.reactor.flush();
    return;
  }
  const one = ends[it.end] as End;
  if (it.op !== 'send') {
    bench.reactor[it.op](one.slot);
    if (it.op === 'shutdown') one.isFinished = true;
    if (it.op === 'close' || it.op === 'reset') one.isGone = true;
  } else if (!one.isGone && !one.isFinished) {
    const length = Math.min(it.length, stream.length - one.sent);
    bench.reactor.sendBytes(one.slot, stream, one.sent, one.sent + length);
    one.sent += length;
  } else {
    bench.reactor.sendBytes(one.slot, stream, 7, 7 + it.length); // must be dropped
  }
}

test('whatever is commanded in whatever order: streams arrive whole or as a prefix, and nothing is left over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120 }), async (steps) => {
      const before = readdirSync('/proc/self/fd').length;
      {
        using bench = new ReactorBench({ queueBytes: 1 << 26 });
        const ends = await connectAll(bench);
        bench.onEvent = (event) => onEvent(bench, ends, event);
        for (const it of steps) await take(bench, ends, it);
        for (const { slot } of ends) bench.reactor.resume(slot);
        for (const [i, one] of ends.entries()) {
          const peer = ends[i ^ 1] as End;
          if (one.isGone || peer.isGone) continue;
          while (peer.received < one.sent && !peer.hasFailed) await new Promise(setImmediate);
          assert.equal(peer.received, one.sent);
        }
        for (const { slot } of ends) bench.reactor.reset(slot);
        bench.reactor.flush();
        await bench.emptied();
        assert.equal(bench.reactor.stats.queuedBytes, 0);
      }
      await new Promise(setImmediate);
      assert.equal(readdirSync('/proc/self/fd').length, before);
    }),
    { numRuns: 40 },
  );
});
