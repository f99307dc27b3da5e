// SPDX-License-Identifier: Apache-2.0
import { PerigeeError } from '../lib/errors.ts';
import type { WireFlow } from './wire.ts';

/** More paths than fields that a flow has are refused: each is looked for in each flow. */
const MAX_PATHS = 128;

/** Fields that are wanted, by name; `all`: whatever is in it. */
type Mask = Map<string, Mask | 'all'>;

function maskOf(paths: readonly string[]): Mask {
  const root: Mask = new Map();
  for (const path of paths) {
    if (!/^\w+(\.\w+)*$/.test(path))
      throw new PerigeeError('ERR_FILTER_INVALID', `field_mask: not a path: ${JSON.stringify(path)}`, {
        hint: 'Write it as source.pod_name',
      });
    const names = path.split('.');
    const last = names.pop() ?? '';
    let mask: Mask | 'all' = root;
    for (const name of names) {
      if (mask === 'all') break;
      const inner: Mask | 'all' = mask.get(name) ?? new Map<string, Mask | 'all'>();
      mask.set(name, inner);
      mask = inner;
    }
    if (mask !== 'all') mask.set(last, 'all');
  }
  return root;
}

function masked(message: object, mask: Mask): object {
  const kept = Object.entries(message).flatMap(([name, value]: [string, unknown]) => {
    const inner = mask.get(name);
    if (inner === undefined) return [];
    const isWhole = inner === 'all' || typeof value !== 'object' || value === null || Array.isArray(value);
    return [[name, isWhole ? value : masked(value, inner)]];
  });
  return Object.fromEntries(kept) as object;
}

/**
 * Leaves of a flow what its client asks for, as Hubble's `field_mask` has it; all without paths. Fields that flows
 * here never have may be named: Hubble's client asks for what it can print. Throws ERR_FILTER_INVALID.
 */
export function fieldMask(paths: readonly string[] = []): (flow: WireFlow) => WireFlow {
  if (paths.length === 0) return (flow) => flow;
  if (paths.length > MAX_PATHS)
    throw new PerigeeError('ERR_FILTER_INVALID', `field_mask: more than ${String(MAX_PATHS)} paths`);
  const mask = maskOf(paths);
  return (flow) => masked(flow, mask);
}
