// SPDX-License-Identifier: Apache-2.0
import { closeSync } from 'node:fs';
import type { Attachment } from '../core/workload/workload.ts';
import type { Native } from '../datapath/native.ts';

/** Namespaces by workload key. */
export type NamespacePaths = ReadonlyMap<string, Attachment>;

/** What a workload's namespace says of itself now; a change of any of it asks for a new compilation. */
export interface Seen {
  /** By workload key; absent: there is no such namespace. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Text that differs whenever something differs. */
  readonly fingerprint: string;
}

/** Looks into the namespaces of all workloads. Those that are gone are left out. */
export function look(native: Native, workloads: NamespacePaths): Seen {
  const addresses = new Map<string, readonly string[]>();
  const parts: string[] = [];
  for (const [key, attachment] of workloads) {
    if (attachment.type !== 'netns') continue;
    const seen = lookInto(native, attachment.path);
    if (seen === undefined) continue;
    addresses.set(key, seen.addresses);
    parts.push(`${key}=${String(seen.cookie)}:${seen.addresses.join(',')}`);
  }
  return { addresses, fingerprint: parts.join(';') };
}

function lookInto(native: Native, path: string): { cookie: bigint; addresses: string[] } | undefined {
  let fd: number;
  try {
    fd = native.netns.open(path);
  } catch {
    return undefined;
  }
  try {
    const found = native.netns.addresses(fd).filter((entry) => entry.interface !== 'lo');
    return { cookie: native.netns.cookie(fd), addresses: found.map((entry) => entry.address).sort() };
  } finally {
    closeSync(fd);
  }
}
