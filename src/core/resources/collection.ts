// SPDX-License-Identifier: Apache-2.0
import { type Resource, resourceKey } from './kinds.ts';
import type { ResourceError } from './resource-error.ts';

/** Faults that show only when resources are seen together: the same name twice. */
export function checkCollection(resources: readonly Resource[]): ResourceError[] {
  const errors: ResourceError[] = [];
  const first = new Map<string, Resource>();
  for (const resource of resources) {
    const key = resourceKey(resource);
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, resource);
      continue;
    }
    const { file = '', line = 1, column = 1 } = resource.origin ?? {};
    errors.push({
      file,
      line,
      column,
      field: 'metadata.name',
      message: `${key} is already defined at ${earlier.origin?.file ?? ''}:${earlier.origin?.line ?? 1}`,
      hint: 'rename or remove one of the two',
    });
  }
  return errors;
}
