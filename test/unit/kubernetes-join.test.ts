// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiObject } from '../../src/control/source/kubernetes/api.ts';
import { type Cluster, Join } from '../../src/control/source/kubernetes/cluster.ts';
import { type Pod, podOf } from '../../src/control/source/kubernetes/pod.ts';
import { readObject } from '../../src/control/source/kubernetes/policy.ts';
import { connectionVerdict } from '../../src/core/policy/connection-verdict.ts';
import { peerOfAddress } from '../../src/core/policy/peers.ts';
import { parseAddress } from '../../src/core/identity/address.ts';
import type { World } from '../../src/core/policy/world.ts';
import { podsOfCgroups } from '../../src/datapath/pod-cgroups.ts';
import { PersistentMap } from '../../src/lib/persistent-map.ts';
import { buildWorld } from '../support/one-world.ts';

const UID = '0b9d7a6e-3f0c-4f43-a0a1-6f6d2c3c0001';

function podObject(name: string, spec: object, status: object, metadata: object = {}): ApiObject {
  return {
    metadata: { namespace: 'shop', name, uid: UID, labels: { app: name }, ...metadata },
    spec,
    status,
  };
}

function pod(name: string, node: string, address: string, more: object = {}): Pod {
  const made = podOf(
    podObject(name, { nodeName: node, ...more }, { phase: 'Running', podIPs: [{ ip: address }] }),
  );
  assert.ok(made);
  return made;
}

function cluster(
  pods: readonly Pod[],
  policies: ApiObject[] = [],
  labels: Record<string, string> = {},
): Cluster {
  return {
    pods: PersistentMap.of(pods.map((one) => [`${one.namespace}/${one.name}`, one])),
    namespaces: PersistentMap.of([['shop', readObject('Namespace', { metadata: { name: 'shop', labels } })]]),
    policies: [
      PersistentMap.of(
        policies.map((object) => [`shop/${object.metadata.name}`, readObject('AccessPolicy', object)]),
      ),
    ],
    nodes: ['10.201.0.11', '10.201.0.12'].map((address, index) => ({
      name: `node${String(index + 1)}`,
      zone: `zone${String(index + 1)}`,
      addresses: [address],
    })),
    apiServers: ['10.201.0.1', '10.96.0.1'],
  };
}

function worldOf(state: Cluster): World {
  const { resources, ...surroundings } = new Join('node1', 'enabled').join(state, ({ node, name }) =>
    node === 'node1' ? `/proc/${name}/ns/net` : undefined,
  );
  return buildWorld({ resources: resources.values(), nodeAddresses: ['10.201.0.11'], ...surroundings });
}

function verdict(world: World, server: string, client: string, port: number): string | undefined {
  const workload = world.workloads.get(server);
  const address = parseAddress(client);
  assert.ok(workload !== undefined && address !== undefined);
  const ranges = connectionVerdict(world, workload, 'ingress', peerOfAddress(world, address), 'TCP');
  return ranges.find(({ from, to }) => from <= port && port <= to)?.verdict;
}

const onlyWeb: ApiObject = {
  metadata: { namespace: 'shop', name: 'api' },
  spec: {
    selector: { matchLabels: { app: 'api' } },
    ingress: [
      { action: 'Allow', from: [{ podSelector: { matchLabels: { app: 'web' } } }], to: [{ port: 8080 }] },
    ],
  },
};

test('pods that have ended are nobody', () => {
  for (const phase of ['Succeeded', 'Failed'])
    assert.equal(podOf(podObject('job', { nodeName: 'node1' }, { phase, podIP: '10.200.1.9' })), undefined);
});

test('a static pod is known by the name that the kubelet gives it', () => {
  const annotations = { 'kubernetes.io/config.hash': '9b60a8d5f0c14a35b6a3f1e2d4c5b6a7' };
  const object = podObject('etcd', { nodeName: 'node1' }, {}, { annotations });
  assert.equal(podOf(object)?.uid, '9b60a8d5f0c14a35b6a3f1e2d4c5b6a7');
});

test('ports of probes and hooks are found, also by name', () => {
  const spec = {
    nodeName: 'node1',
    containers: [
      {
        ports: [{ name: 'web', containerPort: 8080 }],
        livenessProbe: { httpGet: { port: 'web' } },
        readinessProbe: { tcpSocket: { port: 9000 } },
        startupProbe: { exec: { command: ['true'] } },
        lifecycle: { preStop: { httpGet: { port: '9001' } } },
      },
    ],
    initContainers: [{ restartPolicy: 'Always', livenessProbe: { grpc: { port: 7000 } } }],
  };
  assert.deepEqual(podOf(podObject('api', spec, {}))?.probes, [7000, 8080, 9000, 9001]);
});

test('pods of other nodes are peers by their address, those of this one are governed', () => {
  const world = worldOf(
    cluster(
      [
        pod('api', 'node1', '10.200.1.2'),
        pod('web', 'node2', '10.200.2.2'),
        pod('bad', 'node2', '10.200.2.3'),
      ],
      [onlyWeb],
    ),
  );
  assert.equal(world.workloads.get('shop/web')?.attachment.type, 'remote');
  assert.equal(verdict(world, 'shop/api', '10.200.2.2', 8080), 'Allow');
  assert.equal(verdict(world, 'shop/api', '10.200.2.2', 8081), 'Deny');
  assert.equal(verdict(world, 'shop/api', '10.200.2.3', 8080), 'Deny');
});

test('its own node probes a pod on the ports of its probes, another node does not', () => {
  const containers = [{ livenessProbe: { httpGet: { port: 8081 } } }];
  const world = worldOf(cluster([pod('api', 'node1', '10.200.1.2', { containers })], [onlyWeb]));
  assert.equal(verdict(world, 'shop/api', '10.201.0.11', 8081), 'Allow');
  assert.equal(verdict(world, 'shop/api', '10.201.0.11', 8080), 'Deny');
  assert.equal(verdict(world, 'shop/api', '10.201.0.12', 8081), 'Deny');
});

test('a Deny that means the node refuses its probes, too', () => {
  const containers = [{ livenessProbe: { httpGet: { port: 8081 } } }];
  const deny: ApiObject = {
    metadata: { namespace: 'shop', name: 'no-node' },
    spec: { selector: {}, ingress: [{ action: 'Deny', from: [{ entities: ['Node'] }] }] },
  };
  const world = worldOf(cluster([pod('api', 'node1', '10.200.1.2', { containers })], [deny]));
  assert.equal(verdict(world, 'shop/api', '10.201.0.11', 8081), 'Deny');
});

test('a pod with the network of its node claims none of the addresses of that node', () => {
  const world = worldOf(cluster([pod('proxy', 'node1', '10.201.0.11', { hostNetwork: true })]));
  assert.equal(world.workloads.size, 0);
  assert.deepEqual(world.addresses.conflicts, []);
});

test('the label of a pod counts before that of its namespace, and that before the default', () => {
  const governed = (mesh: 'enabled' | 'disabled', ofNamespace?: string, ofPod?: string): boolean => {
    const labels = ofNamespace === undefined ? {} : { 'perigee.dev/mesh': ofNamespace };
    const metadata = ofPod === undefined ? {} : { labels: { 'perigee.dev/mesh': ofPod } };
    const made = podOf(podObject('api', { nodeName: 'node1' }, {}, metadata));
    assert.ok(made);
    return new Join('node1', mesh).governed(cluster([made], [], labels)).length === 1;
  };
  assert.equal(governed('enabled'), true);
  assert.equal(governed('disabled'), false);
  assert.equal(governed('enabled', 'disabled'), false);
  assert.equal(governed('disabled', 'enabled'), true);
  assert.equal(governed('disabled', 'enabled', 'disabled'), false);
  assert.equal(governed('enabled', 'disabled', 'enabled'), true);
});

test('a pod without a namespace yet is known as a peer and named as not enrolled', () => {
  const { resources, notEnrolled } = new Join('node1', 'enabled').join(
    cluster([pod('api', 'node1', '10.200.1.2')]),
    () => undefined,
  );
  assert.deepEqual(
    notEnrolled.map(({ pod: { name }, why }) => [name, why]),
    [['api', 'no process of it has a network namespace of its own yet']],
  );
  assert.equal(
    buildWorld({ resources: resources.values() }).workloads.get('shop/api')?.attachment.type,
    'remote',
  );
});

test('a pod that stays as it is stays the same resource', () => {
  const join = new Join('node1', 'enabled');
  const state = cluster([pod('api', 'node1', '10.200.1.2')]);
  const resourceAt = (path: string) => join.join(state, () => path).resources.get('Workload shop/api');
  const first = resourceAt('/proc/1/ns/net');
  assert.equal(resourceAt('/proc/1/ns/net'), first);
  assert.notEqual(resourceAt('/proc/2/ns/net'), first);
});

test('a rule that can’t be read allows nothing; one that was to deny denies everything', () => {
  const faulty = { headers: [{ name: 'connection', value: 'x' }] };
  const { resource, errors } = readObject('AccessPolicy', {
    metadata: { namespace: 'shop', name: 'api' },
    spec: {
      ingress: [
        { action: 'Allow', http: [faulty] },
        { action: 'Deny', http: [faulty] },
        { action: 'Allow', to: [{ port: 80 }] },
      ],
    },
  });
  assert.equal(errors.length, 2);
  assert.equal(errors[0]?.file, 'AccessPolicy shop/api');
  assert.equal(errors[0].field, 'spec.ingress[0].http[0].headers[0].name');
  assert.ok(resource?.kind === 'AccessPolicy');
  assert.deepEqual(resource.spec.ingress, [{ action: 'Deny' }, { action: 'Allow', to: [{ port: 80 }] }]);
});

test('SCTP goes out of a NetworkPolicy without widening it', () => {
  const { resource, errors } = readObject('NetworkPolicy', {
    metadata: { namespace: 'shop', name: 'api' },
    spec: {
      podSelector: {},
      ingress: [
        { ports: [{ protocol: 'SCTP', port: 1 }] },
        {
          ports: [
            { protocol: 'SCTP', port: 1 },
            { protocol: 'TCP', port: 2 },
          ],
        },
      ],
    },
  });
  assert.deepEqual(errors, []);
  assert.ok(resource?.kind === 'NetworkPolicy');
  assert.deepEqual(resource.spec.ingress, [{ ports: [{ protocol: 'TCP', port: 2 }] }]);
});

const cgroups: readonly (readonly [string, string, readonly string[]])[] = [
  ['cgroupfs, v1', `5:memory:/kubepods/burstable/pod${UID}/1f0c\n0::/`, [UID]],
  ['cgroupfs, v2, from another cgroup namespace', `0::/../../kubepods/pod${UID}/1f0c`, [UID]],
  [
    'systemd, v2',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-1f.scope`,
    [UID],
  ],
  [
    'systemd, v2, guaranteed',
    `0::/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/crio-1f.scope`,
    [UID],
  ],
  [
    'static pod',
    '0::/kubepods/burstable/pod9b60a8d5f0c14a35b6a3f1e2d4c5b6a7/1f0c',
    ['9b60a8d5f0c14a35b6a3f1e2d4c5b6a7'],
  ],
  ['no pod', '0::/system.slice/podman.service\n1:cpu:/podcast', []],
];
for (const [name, text, expected] of cgroups) {
  test(`cgroup paths: ${name}`, () => {
    assert.deepEqual([...podsOfCgroups(text)], expected);
  });
}

test('a policy that means a namespace that is not there holds as soon as a pod of it is', () => {
  const [rule] = (onlyWeb.spec as { readonly ingress: readonly object[] }).ingress;
  const from = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'later' } } }];
  const policy = { ...onlyWeb, spec: { ...(onlyWeb.spec as object), ingress: [{ ...rule, from }] } };
  const api = pod('api', 'node1', '10.200.1.2');
  const later = podOf(
    podObject(
      'client',
      { nodeName: 'node2' },
      { phase: 'Running', podIPs: [{ ip: '10.200.2.9' }] },
      { namespace: 'later' },
    ),
  );
  assert.ok(later);
  assert.equal(verdict(worldOf(cluster([api], [policy])), 'shop/api', '10.200.2.9', 8080), 'Deny');
  // The watch of pods may be ahead of that of namespaces.
  assert.equal(verdict(worldOf(cluster([api, later], [policy])), 'shop/api', '10.200.2.9', 8080), 'Allow');
});

test('a regular expression that is none allows nothing, and as a denial denies everything', () => {
  const http = [{ path: { type: 'RegularExpression', value: '/items(' } }];
  for (const [action, answer] of [
    ['Allow', 'Deny'],
    ['Deny', 'Deny'],
  ] as const) {
    const ingress = [{ action, http }, ...(action === 'Deny' ? [{ action: 'Allow' }] : [])];
    const state = cluster(
      [pod('api', 'node1', '10.200.1.2')],
      [{ ...onlyWeb, spec: { selector: { matchLabels: { app: 'api' } }, ingress } }],
    );
    assert.match(state.policies[0]?.get('shop/api')?.errors[0]?.message ?? '', /expression/);
    assert.equal(verdict(worldOf(state), 'shop/api', '10.200.2.9', 8080), answer, action);
  }
});
