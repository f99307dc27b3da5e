// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ToldTwice } from '../../src/cli/told-twice.ts';
import type { Flow } from '../../src/core/flow.ts';

const flow = (port: number, more: Partial<Flow> = {}): Flow =>
  ({
    ...{ kind: 'close', verdict: 'allowed', source: { address: '10.0.0.1', port, identity: 1 } },
    destination: { address: '10.0.1.1', port: 80, identity: 2 },
    ...more,
  }) as Flow;

test('what the nodes of both ends tell of one connection counts once, and what one tells counts', () => {
  const told = new ToldTwice();
  const both = (node: string): boolean[] => [
    told.has(flow(1, { kind: 'verdict' }), node),
    told.has(flow(1), node),
  ];
  assert.deepEqual(
    [both('node1'), both('node2')],
    [
      [false, false],
      [true, true],
    ],
  );
  // The same ports again, and a connection that one node alone tells of, again and again.
  assert.deepEqual(
    [both('node2'), both('node1')],
    [
      [false, false],
      [true, true],
    ],
  );
  assert.deepEqual([told.has(flow(2), 'node1'), told.has(flow(2), 'node1')], [false, false]);
});

test('requests and refusals are each node’s own', () => {
  const told = new ToldTwice();
  for (const more of [{ kind: 'request' }, { kind: 'verdict', verdict: 'denied' }] as const)
    for (const node of ['node1', 'node2']) assert.equal(told.has(flow(1, more), node), false);
});

test('its memory is bounded, and the oldest goes first', () => {
  const told = new ToldTwice();
  for (let port = 0; port <= 65_536; port += 1) told.has(flow(port), 'node1');
  assert.deepEqual([told.has(flow(1), 'node2'), told.has(flow(0), 'node2')], [true, false]);
});
