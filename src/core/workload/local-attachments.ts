// SPDX-License-Identifier: Apache-2.0
import { PersistentMap } from '../../lib/persistent-map.ts';
import { type Resource, resourceName } from '../resources/kinds.ts';
import { attachmentOf } from './from-resource.ts';
import type { LocalAttachment } from './workload.ts';

/** Where the workloads of this host live, one set of resources after the other. */
export class LocalAttachments {
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
