// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { readObject } from '../../src/control/source/kubernetes/policy.ts';
import type { Resource } from '../../src/core/resources/kinds.ts';

export const POLICIES = 10;
/** As many as fit into an object of etcd. */
export const BLOCKS = 10_000;

/** Ten NetworkPolicies that let 100,000 blocks in together, each on a port of its own. */
export function manyBlocks(blocks = BLOCKS): Resource[] {
  const policies = Array.from({ length: POLICIES }, (_, policy) => {
    const from = Array.from({ length: blocks }, (_, index) => ({
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
