// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import pino from 'pino';
import { recordOpen } from '../../src/agent/open-flows.ts';
import { flowKind } from '../../src/core/abi/flow.ts';
import { names, record } from '../support/flow-records.ts';
import { createFlowStore } from '../support/flow-stores.ts';

const SECOND = 1_000_000_000n;
const log = pino({ enabled: false });

beforeEach(() => mock.timers.enable({ apis: ['setInterval'] }));
afterEach(() => mock.timers.reset());

/** Connections of these ages, in seconds, at every look; how many of them are stored after `ms`. */
function storedAfter(seconds: number, ages: readonly bigint[], ms: number, signal?: AbortSignal): number {
  const flows = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names });
  const open = ages.map((age) => record({ kind: flowKind.open, duration: age * SECOND }));
  const datapath = { openFlows: () => Buffer.concat(open) };
  recordOpen({ datapath, flows, log, seconds }, signal ?? new AbortController().signal);
  mock.timers.tick(ms);
  return flows.stats().stored;
}

test('what has been open for the interval is told of at the end of each', () => {
  assert.equal(storedAfter(60, [59n, 60n, 600n], 59_999), 0);
  assert.equal(storedAfter(60, [59n, 60n, 600n], 60_000), 2);
  assert.equal(storedAfter(60, [59n, 60n, 600n], 180_000), 6);
});

test('0 is never', () => assert.equal(storedAfter(0, [600n], 600_000), 0));

test('nothing is looked at once the agent ends', () => {
  assert.equal(storedAfter(60, [600n], 60_000, AbortSignal.abort()), 0);
});

test('a walk that fails is tried again', () => {
  const flows = createFlowStore({ bytes: 1 << 20, denialBytes: 1 << 18, names });
  let looks = 0;
  const openFlows = (): Buffer => {
    looks += 1;
    if (looks === 1) throw new Error('out of memory');
    return record({ kind: flowKind.open, duration: 60n * SECOND });
  };
  recordOpen({ datapath: { openFlows }, flows, log, seconds: 60 }, new AbortController().signal);
  mock.timers.tick(120_000);
  assert.equal(flows.stats().stored, 1);
});
