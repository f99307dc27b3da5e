// SPDX-License-Identifier: Apache-2.0
import { formatAddress, parseAddress } from '../identity/address.ts';
import type { Identity } from '../identity/identity.ts';
import { PersistentMap } from '../../lib/persistent-map.ts';
import { type Resource, resourceName, type ResourceOfKind } from '../resources/kinds.ts';
import { type Attachment, type LocalAttachment, type Workload, workloadKey } from './workload.ts';

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
function attachmentOf({ netns, cgroup }: ResourceOfKind<'Workload'>['spec']): Attachment {
  if (netns === undefined && cgroup === undefined) return { type: 'remote' };
  if (netns === undefined) return { type: 'cgroup', path: (cgroup ?? '').replace(/^\//, '') };
  return { type: 'netns', path: netns.startsWith('/') ? netns : `${NETNS_FOLDER}/${netns}` };
}

/** Where the workloads of this host live, one set of resources after the other. */
export class Attachments {
  #resources = PersistentMap.empty<Resource>();
  #found: ReadonlyMap<string, LocalAttachment> = new Map();

  /** By workload key and in the order of the keys. */
  take(resources: PersistentMap<Resource>): ReadonlyMap<string, LocalAttachment> {
    const found = new Map(this.#found);
    let changed = false;
    for (const { was, is } of resources.changesSince(this.#resources)) {
      if (was?.kind === 'Workload') changed = found.delete(resourceName(was)) || changed;
      if (is?.kind !== 'Workload') continue;
      const attachment = attachmentOf(is.spec);
      if (attachment.type === 'remote') continue;
      found.set(resourceName(is), attachment);
      changed = true;
    }
    this.#resources = resources;
    if (changed) this.#found = new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
    return this.#found;
  }
}
