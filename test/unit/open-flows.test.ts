// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import { recordOpen } from '../../src/agent/open-flows.ts';
import { flowKind } from '../../src/core/abi/flow.ts';
import { names, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

const SECOND = 1_000_000_000n;
const log = pino({ enabled: false });

beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
afterEach(() => mock.timers.reset());

/** Lets looks come to their end. */
async function turns(count = 10): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate();
}

/** Connections of these ages, in seconds, at every look; how many of them are stored after so many intervals, less `ms`. */
async function storedAfter(
  seconds: number,
  ages: readonly bigint[],
  { intervals = 1, less = 0, signal = new AbortController().signal } = {},
): Promise<number> {
  const flows = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names });
  const open = ages.map((age) => record({ kind: flowKind.open, duration: age * SECOND }));
  const datapath = { openFlows: () => [Buffer.concat(open.slice(0, 1)), Buffer.concat(open.slice(1))] };
  recordOpen({ datapath, flows, log, seconds }, signal);
  for (let interval = 1; interval <= intervals; interval += 1) {
    mock.timers.tick(60_000 - (interval === intervals ? less : 0));
    await turns();
  }
  return flows.stats().stored;
}

test('what has been open for the interval is told of at the end of each', async () => {
  assert.equal(await storedAfter(60, [59n, 60n, 600n], { less: 1 }), 0);
  assert.equal(await storedAfter(60, [59n, 60n, 600n]), 2);
  assert.equal(await storedAfter(60, [59n, 60n, 600n], { intervals: 3 }), 6);
});

test('0 is never', async () => assert.equal(await storedAfter(0, [600n], { intervals: 10 }), 0));

test('nothing is looked at once the agent ends', async () => {
  assert.equal(await storedAfter(60, [600n], { signal: AbortSignal.abort() }), 0);
});

test('a walk that fails is tried again', async () => {
  const flows = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names });
  let looks = 0;
  const openFlows = (): Buffer[] => {
    looks += 1;
    if (looks === 1) throw new Error('out of memory');
    return [record({ kind: flowKind.open, duration: 60n * SECOND })];
  };
  recordOpen({ datapath: { openFlows }, flows, log, seconds: 60 }, new AbortController().signal);
  for (let look = 0; look < 2; look += 1) {
    mock.timers.tick(60_000);
    await turns();
  }
  assert.equal(flows.stats().stored, 1);
});

suite('a look at many namespaces', () => {
  /** Begins one; what has been walked is listed, and that the walk has ended. */
  const begin = (signal: AbortSignal): string[] => {
    const walked: string[] = [];
    const openFlows = function* (): Generator<Buffer> {
      try {
        for (const name of ['a', 'b', 'c']) {
          walked.push(name);
          yield Buffer.alloc(0);
        }
      } finally {
        walked.push('end');
      }
    };
    const flows = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names });
    recordOpen({ datapath: { openFlows }, flows, log, seconds: 60 }, signal);
    return walked;
  };

  test('leaves turns to others in between, and is not begun twice', async () => {
    const walked = begin(new AbortController().signal);
    mock.timers.tick(60_000);
    assert.deepEqual(walked, ['a']);
    mock.timers.tick(60_000);
    await turns(1);
    assert.deepEqual(walked, ['a', 'b']);
    await turns();
    assert.deepEqual(walked, ['a', 'b', 'c', 'end']);
    mock.timers.tick(60_000);
    await turns();
    assert.equal(walked.length, 8);
  });

  test('ends where the agent does', async () => {
    const ending = new AbortController();
    const walked = begin(ending.signal);
    mock.timers.tick(60_000);
    ending.abort();
    await turns();
    assert.deepEqual(walked, ['a', 'end']);
  });
});
