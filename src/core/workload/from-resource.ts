// SPDX-License-Identifier: Apache-2.0
import { formatAddress, parseAddress } from '../identity/address.ts';
import type { Identity } from '../identity/identity.ts';
import type { ResourceOfKind } from '../resources/kinds.ts';
import { type Attachment, type Workload, workloadKey } from './workload.ts';

/** Where `ip netns add` keeps its namespaces. */
const NETNS_FOLDER = '/var/run/netns';

/** The workload that a resource describes. `found` are addresses seen in its network namespace. */
export function fromWorkloadResource(
  { metadata, spec }: ResourceOfKind<'Workload'>,
  identity: Identity,
  found: readonly string[],
): Workload {
  const { namespace, name, labels = {} } = metadata;
  const parsed = [...spec.addresses, ...found].map(parseAddress).filter((address) => address !== undefined);
  return {
    key: workloadKey(namespace, name),
    namespace,
    name,
    labels,
    serviceAccount: spec.serviceAccount,
    identity,
    attachment: attachmentOf(spec),
    probes: spec.probes,
    ports: spec.ports.map((port) => ({ ...port, protocol: port.protocol === 'UDP' ? 'UDP' : 'TCP' })),
    addresses: [...new Set(parsed.map(formatAddress))],
  };
}

/** Where the workload of a resource lives. */
export function attachmentOf({ netns, cgroup }: ResourceOfKind<'Workload'>['spec']): Attachment {
  if (netns === undefined && cgroup === undefined) return { type: 'remote' };
  if (netns === undefined) return { type: 'cgroup', path: (cgroup ?? '').replace(/^\//, '') };
  return { type: 'netns', path: netns.startsWith('/') ? netns : `${NETNS_FOLDER}/${netns}` };
}
