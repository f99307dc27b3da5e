// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters } from '../../src/proxy/counters.ts';

test('more pairs or statuses than are counted apart share one that says overflow', () => {
  const counters = new Counters();
  for (let index = 0; index < 3000; index += 1) {
    const meter = counters.meter(`shop/a${String(index)}`, 'shop/b');
    counters.request(meter, 0, 200, 1);
    if (index === 0) for (let status = 100; status < 1000; status += 1) counters.request(meter, 1, status, 1);
  }
  const { meters } = counters.snapshot();
  assert.equal(meters.length, 2001);
  const total = (meter: (typeof meters)[number] | undefined): number =>
    (meter?.requests ?? []).reduce((sum, { count }) => sum + count, 0);
  assert.equal(meters[0]?.requests.length, 65);
  assert.deepEqual(meters[0].requests.at(-1), { method: 'overflow', status: 'overflow', count: 837 });
  assert.equal(total(meters[0]), 901);
  assert.deepEqual([meters[2000]?.source, meters[2000]?.destination], ['overflow', 'overflow']);
  assert.equal(total(meters[2000]), 1000);
});
