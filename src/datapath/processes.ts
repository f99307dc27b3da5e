// SPDX-License-Identifier: Apache-2.0
import { type Dirent, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Some process in a network namespace; undefined: it is empty. */
export function processIn(inode: bigint): number | undefined {
  const link = linkOf(inode);
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && namespaceOf(name) === link);
  return pid === undefined ? undefined : Number(pid);
}

/** The network namespaces that processes of a cgroup, or of one below it, are in: a process of each by inode. */
export function namespacesOf(cgroup: string): ReadonlyMap<bigint, number> {
  const found = new Map<bigint, number>();
  for (const pid of processesOf(cgroup)) {
    const inode = /^net:\[(\d+)\]$/.exec(namespaceOf(pid) ?? '')?.[1];
    if (inode !== undefined) found.set(BigInt(inode), Number(pid));
  }
  return found;
}

function linkOf(inode: bigint): string {
  return `net:[${String(inode)}]`;
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined; // ended meanwhile
  }
}

function processesOf(cgroup: string): string[] {
  let entries: Dirent[];
  let own: string;
  try {
    entries = readdirSync(cgroup, { withFileTypes: true });
    own = readFileSync(join(cgroup, 'cgroup.procs'), 'utf8');
  } catch {
    return []; // removed meanwhile
  }
  const below = entries.filter((entry) => entry.isDirectory());
  return [
    ...own.split('\n').filter((pid) => pid !== ''),
    ...below.flatMap(({ name }) => processesOf(join(cgroup, name))),
  ];
}
