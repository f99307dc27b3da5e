// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compiler } from '../../src/control/compile/compile.ts';
import { Names } from '../../src/control/compile/names.ts';
import { readObject } from '../../src/control/source/kubernetes/policy.ts';
import { parseAddress } from '../../src/core/identity/address.ts';
import { formatPrefix } from '../../src/core/identity/prefix.ts';
import { connectionVerdict } from '../../src/core/policy/connection-verdict.ts';
import { peerOfAddress } from '../../src/core/policy/peers.ts';
import { buildWorld, type World } from '../../src/core/policy/world.ts';
import type { Resource } from '../../src/core/resources/kinds.ts';

const POLICIES = 10;
/** As many as fit into an object of etcd. */
const BLOCKS = 10_000;

/** Ten NetworkPolicies that let 100,000 blocks in together, each on a port of its own. */
function manyBlocks(): Resource[] {
  const policies = Array.from({ length: POLICIES }, (_, policy) => {
    const from = Array.from({ length: BLOCKS }, (_, index) => ({
      ipBlock: { cidr: `${String(policy + 1)}.${String(index >> 8)}.${String(index & 255)}.0/24` },
    }));
    const ingress = [{ from, ports: [{ protocol: 'TCP', port: 8000 + policy }] }];
    const { resource } = readObject('NetworkPolicy', {
      metadata: { namespace: 'shop', name: `blocks-${String(policy)}` },
      spec: { podSelector: {}, policyTypes: ['Ingress'], ingress },
    });
    assert.ok(resource !== undefined);
    return resource;
  });
  const spec = { netns: 'api', addresses: ['192.0.2.1'], serviceAccount: 'default', ports: [], probes: [] };
  const workload: Resource = {
    apiVersion: 'perigee.dev/v1alpha1',
    kind: 'Workload',
    metadata: { namespace: 'shop', name: 'api', labels: {} },
    spec,
  };
  return [workload, ...policies];
}

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
