// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compiler } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import { parseAddress } from '../../src/core/identity/address.ts';
import { formatPrefix } from '../../src/core/identity/prefix.ts';
import { connectionVerdict } from '../../src/core/policy/connection-verdict.ts';
import { peerOfAddress } from '../../src/core/policy/peers.ts';
import type { World } from '../../src/core/policy/world.ts';
import { BLOCKS, manyBlocks, POLICIES } from '../support/many-blocks.ts';
import { buildWorld } from '../support/one-world.ts';

function verdict(world: World, client: string, port: number): string | undefined {
  const workload = world.workloads.get('shop/api');
  const address = parseAddress(client);
  assert.ok(workload !== undefined && address !== undefined);
  const ranges = connectionVerdict(world, workload, 'ingress', peerOfAddress(world, address), 'TCP');
  return ranges.find(({ from, to }) => from <= port && port <= to)?.verdict;
}

test('100,000 blocks are as many addresses, but no more peers than rules tell apart', () => {
  const world = buildWorld({ resources: manyBlocks() });
  const { desired } = new Compiler(new Names({ seed: [], next: 0 })).compile(world);
  assert.ok(desired.ipcache.size >= POLICIES * BLOCKS);
  const ours = [...desired.ipcache.values()].filter(({ prefix }) =>
    /^[1-9]\d?\..*\/24$/.test(formatPrefix(prefix)),
  );
  assert.equal(new Set(ours.map(({ identity }) => identity)).size, POLICIES);
  const rows = desired.policy.reduce((sum, table) => sum + table.rows.length, 0);
  assert.ok(rows <= 10 * POLICIES, String(rows));
  assert.deepEqual(
    ['3.39.15.7', '3.39.16.7', '4.0.0.1'].map((client) => verdict(world, client, 8002)),
    ['Allow', 'Deny', 'Deny'],
  );
});
